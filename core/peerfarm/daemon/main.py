"""Builds a node from its settings and home, runs it, and ends it in order."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from types import FrameType

from peerfarm import __version__
from peerfarm.apps.registry import APPS
from peerfarm.config import Home, Settings, describe_settings, load_settings, save_setting
from peerfarm.daemon.filework import FileWork
from peerfarm.daemon.inbox import Inbox
from peerfarm.daemon.journal import journal, open_journal
from peerfarm.daemon.launch import write_launch
from peerfarm.daemon.ledger import recall
from peerfarm.daemon.lifeline import Lifeline
from peerfarm.daemon.loop import Loop
from peerfarm.daemon.machine import (
    calm_collector,
    check_listen,
    core_count,
    free_bytes,
    host_name,
    memory_mb,
    user_name,
)
from peerfarm.daemon.minting import mint_boot, mint_log
from peerfarm.daemon.ports import JOIN_AFTER
from peerfarm.gateway.server import Gateway
from peerfarm.mesh import KeyPair, ZmqMesh, new_keys
from peerfarm.model.ids import node_id_of
from peerfarm.node import Node
from peerfarm.node.core import NodeSettings
from peerfarm.node.inputs import Identity
from peerfarm.runner import ProcessRunner
from peerfarm.store import HomeLock, load_or_make_keys, open_store
from peerfarm.store.blobs import this_system

STOP_LIMIT_S = 15.0


def run(settings: Settings, home: Home) -> int:
    """Run one node until it is stopped; 0 for a stop in order.

    Raises:
        ConfigError: A second node on this home, a port in use, a bad key file.
        StoreError: The database cannot be opened at all.
    """
    home.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        handler = open_journal(home.logs)
        stack.callback(handler.close)
        stack.callback(journal.removeHandler, handler)
        lock = HomeLock(home.data / "lock")
        stack.callback(lock.release)
        if settings.listen:
            check_listen(settings.listen, settings.port, "port")
            check_listen(settings.listen, settings.transfer_port, "transfer_port")
        pair = load_or_make_keys(home.data / "key", _new_pair)
        store, doubt = open_store(home.data / "log.db")
        stack.callback(store.close)
        node = _build_node(settings, pair.public)
        remembered = recall(node, store, doubt)
        lifeline = Lifeline(home.data / "farm.json")
        if node.core.farm.created is None and not remembered.joining:
            remembered = lifeline.recall(remembered)
        if store.salvage is not None:
            node.core.alarms.append(
                f"the database was damaged ({store.salvage.reason}); {store.salvage.rows} actions were saved, "
                f"the damaged file lies at {store.salvage.moved_to}"
            )
        mesh = ZmqMesh(KeyPair(pair.public, pair.secret))
        stack.callback(mesh.close, 0.5)
        inbox = Inbox()
        stack.callback(inbox.close)
        files = FileWork(home.data, KeyPair(pair.public, pair.secret), settings, inbox.put)
        stack.callback(files.close)
        runner = ProcessRunner(home.data, settings, APPS, inbox.put, files.files)
        stack.callback(runner.close, STOP_LIMIT_S)
        files.use(runner)
        remembered.pins = files.pins
        runner.clean_leftovers()
        runner.discover()  # also where nothing is rendered: what a scene needs, the application tells
        gateway = Gateway(home.local, version=__version__)
        loop = Loop(
            node,
            mesh,
            gateway,
            store,
            runner,
            files,
            listen=(settings.listen, settings.port),
            join_port=settings.port + JOIN_AFTER if settings.port else 0,
            transfer_port=settings.transfer_port,
            seeds=settings.seeds,
            advertise=settings.advertise,
            inbox=inbox,
            lifeline=lifeline,
            save_root=lambda root: save_root(node, home, settings, root),
            free_bytes=lambda: free_bytes(home.data),
        )
        calm_collector()
        node.start(remembered, time.monotonic())
        gateway.open(settings.local_port)
        write_launch(home.local)
        stack.callback(gateway.close)
        _stop_on_signals(loop, inbox)
        journal.info("%s (%s) starts, version %s", node.core.settings.name, node.core.node, __version__)
        try:
            loop.run()
        except BaseException:
            journal.exception("the node ends by a fault")
            raise
        journal.info("stopped in order")
    return 0


def save_root(node: Node, home: Home, settings: Settings, root: str) -> None:
    """Keep a directory among the settings' `roots`."""
    if root not in settings.roots:
        save_setting(home.settings, "roots", [*settings.roots, root])
        node.requests.settings = describe_settings(load_settings(home.settings, os.environ))


def _new_pair() -> tuple[str, str]:
    pair = new_keys()
    return pair.public, pair.secret


def _build_node(settings: Settings, public_key: str) -> Node:
    name = settings.name or host_name()
    now_s = time.monotonic()
    identity = Identity(
        node=node_id_of(public_key),
        key=public_key,
        name=name,
        boot=mint_boot(),
        log=mint_log(),
        wall_ms=int((time.time() - now_s) * 1000),
    )
    own = NodeSettings(
        name=name,
        is_rendering=settings.render,
        slots=settings.slots,
        pools=settings.pools,
        tags=settings.tags,
        memory_mb=memory_mb(),
        cores=core_count(),
        version=__version__,
        user=user_name(),
        shared=settings.shared,
        system=this_system(),
    )
    return Node(identity, own, describe_settings(settings))


def _stop_on_signals(loop: Loop, inbox: Inbox) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.is_stop_asked = True
        inbox.wake()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
