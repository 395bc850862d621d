"""Settings from the file and the environment, and where a node's files live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from peerfarm.config import CommandApp, Home, Settings, SharedRoot, describe_settings, find_home, load_settings
from peerfarm.config.fields import SETTINGS
from peerfarm.errors import ConfigError

FULL = """\
# luna, under the desk
name: luna
render: false
slots: 2
pools: [night, gpu]
tags: gpu
roots:
  - /shows
  - /mnt/render/../cache
listen: 192.168.1.20
port: 7101
advertise: ["luna.studio:7101", "[fe80::1]:7101"]
seeds: [10.0.0.5:7101]
local_port: 7102
shared:
  - /mnt/projects
  - {linux: /mnt/lib, windows: 'L:\\lib'}
transfer_port: 7103
store_gb: 200
upload_mb_s: 100
upload_busy_mb_s: 2.5
nice: 5
notice_s: 2.5
log_limit_mb: 4
keep_logs_days: 0
blender: [/opt/blender/blender]
maya: [/usr/autodesk/maya2025/bin/Render]
aftereffects: [/ae/aerender]
command:
  allow: {mkdirs: /usr/local/bin/mkdirs}
"""


def load(text: str, tmp_path: Path, **environ: str) -> Settings:
    path = tmp_path / "peerfarm.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def refusal(text: str, tmp_path: Path, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path, **environ)
    return caught.value


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.yaml", {"PATH": "/bin"}) == Settings()


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_a_file_that_says_nothing_changes_nothing(text: str, tmp_path: Path) -> None:
    assert load(text, tmp_path) == Settings()


def test_every_setting_can_stand_in_the_file(tmp_path: Path) -> None:
    assert load(FULL, tmp_path) == Settings(
        name="luna",
        render=False,
        slots=2,
        pools=("night", "gpu"),
        tags=("gpu",),
        roots=("/shows", "/mnt/cache"),
        listen="192.168.1.20",
        port=7101,
        advertise=("luna.studio:7101", "[fe80::1]:7101"),
        seeds=("10.0.0.5:7101",),
        local_port=7102,
        shared=(
            SharedRoot(linux="/mnt/projects", darwin="/mnt/projects"),
            SharedRoot(linux="/mnt/lib", windows="L:\\lib"),
        ),
        transfer_port=7103,
        store_gb=200,
        upload_mb_s=100.0,
        upload_busy_mb_s=2.5,
        nice=5,
        notice_s=2.5,
        log_limit_mb=4,
        keep_logs_days=0,
        blender=("/opt/blender/blender",),
        maya=("/usr/autodesk/maya2025/bin/Render",),
        aftereffects=("/ae/aerender",),
        command=CommandApp({"mkdirs": "/usr/local/bin/mkdirs"}),
    )
    assert all(f"{key}:" in FULL for key in SETTINGS)


def test_the_table_and_the_values_have_the_same_keys() -> None:
    assert [entry.name for entry in fields(Settings) if entry.name != "sources"] == list(SETTINGS)


def test_the_environment_has_the_last_word_on_every_setting(tmp_path: Path) -> None:
    settings = load(
        FULL,
        tmp_path,
        PEERFARM_NAME="010",
        PEERFARM_RENDER="yes",
        PEERFARM_SLOTS="3",
        PEERFARM_POOLS="day, cpu",
        PEERFARM_TAGS="",
        PEERFARM_ROOTS=os.pathsep.join(["/a", "/b c"]),
        PEERFARM_LISTEN="",
        PEERFARM_PORT="0",
        PEERFARM_ADVERTISE="",
        PEERFARM_SEEDS="a:1,b:2",
        PEERFARM_LOCAL_PORT="1",
        PEERFARM_SHARED=os.pathsep.join(["/x", "/y"]),
        PEERFARM_TRANSFER_PORT="0",
        PEERFARM_STORE_GB="1",
        PEERFARM_UPLOAD_MB_S="0",
        PEERFARM_UPLOAD_BUSY_MB_S="0.5",
        PEERFARM_NICE="0",
        PEERFARM_NOTICE_S="1",
        PEERFARM_LOG_LIMIT_MB="1",
        PEERFARM_KEEP_LOGS_DAYS="1",
        PEERFARM_BLENDER="/b/blender",
        PEERFARM_MAYA="/m/Render",
        PEERFARM_AFTEREFFECTS="/a/aerender",
        PEERFARM_COMMAND=os.pathsep.join(["true=/bin/true", "say=/bin/echo"]),
        PEERFARM_HOME="/elsewhere",
        PEERFARM_JOIN="secret",
    )
    assert settings == Settings(
        name="010",
        slots=3,
        pools=("day", "cpu"),
        roots=("/a", "/b c"),
        listen="",
        seeds=("a:1", "b:2"),
        local_port=1,
        shared=(SharedRoot(linux="/x", darwin="/x"), SharedRoot(linux="/y", darwin="/y")),
        store_gb=1,
        upload_busy_mb_s=0.5,
        nice=0,
        notice_s=1.0,
        log_limit_mb=1,
        keep_logs_days=1,
        blender=("/b/blender",),
        maya=("/m/Render",),
        aftereffects=("/a/aerender",),
        command=CommandApp({"true": "/bin/true", "say": "/bin/echo"}),
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("slots: 2\nslot: 3\n", 'line 2: there is no setting "slot"', 'Did you mean "slots"?'),
        ("Roots: [/a]\n", 'line 1: there is no setting "Roots"', 'Did you mean "roots"?'),
        ("slots: 2\nslots: 3\n", 'line 2: "slots" is given twice; first in line 1', "Keep one"),
        ("\nslots: 65\n", "line 2: slots must be a whole number from 1 to 64, not 65", ""),
        ("slots: '2'\n", 'line 1: slots must be a whole number from 1 to 64, not "2"', ""),
        ("slots: true\n", "line 1: slots must be a whole number from 1 to 64, not true", ""),
        ("notice_s: soon\n", "line 1: notice_s must be a number from 0 to 600", ""),
        ("render: 1\n", "line 1: render must be true or false, not 1", ""),
        ("name: a/b\n", 'line 1: name "a/b" is no name', "Names are"),
        ("roots:\n", "line 1: roots must be a list, not nothing", ""),
        ("roots:\n  - /a\n  - b\n", 'line 3: roots[1] "b" is no absolute path', "Write it out"),
        ("listen: localhost\n", 'line 1: listen "localhost" is no IP address', "0.0.0.0"),
        ("seeds: [luna]\n", 'line 1: seeds[0] "luna" is no address', "NAME:PORT"),
        ("seeds: ['luna:70000']\n", 'line 1: seeds[0] "luna:70000" is no address', "NAME:PORT"),
        ("command:\n  alow: {}\n", 'line 2: command.alow has no key "alow"', 'Did you mean "allow"?'),
        ("command:\n  allow: {a: b}\n", 'line 2: command.allow "b" is no absolute path', ""),
        ("command: /bin/true\n", "line 1: command must be a mapping", "command: {allow"),
        ("- slots\n", "the settings must be lines of the form", ""),
        ("name: [luna\n", "line 1: this cannot be read as YAML", ""),
        ("name: !!python/object:os.system x\n", "line 1: tags such as", "Leave the tag out."),
        ("name: &a luna\n", "line 1: anchors and aliases", ""),
        ("name: a\n---\nname: b\n", "line 2: a second document", ""),
        ("name: a\x00b\n", "line 1: there is a character that YAML does not allow", ""),
    ],
)
def test_a_wrong_file_is_told_with_line_and_key(text: str, message: str, hint: str, tmp_path: Path) -> None:
    error = refusal(text, tmp_path)
    assert message in str(error)
    assert str(tmp_path / "peerfarm.yaml") in str(error)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("variable", "text", "message", "hint"),
    [
        ("PEERFARM_SLOT", "2", "the environment variable PEERFARM_SLOT is none of peerfarm's", "PEERFARM_SLOTS?"),
        ("PEERFARM_slots", "2", "the environment variable PEERFARM_slots is none of peerfarm's", "PEERFARM_SLOTS?"),
        ("PEERFARM_SLOTS", "many", 'PEERFARM_SLOTS: slots must be a whole number from 1 to 64, not "many"', ""),
        ("PEERFARM_SLOTS", "", 'PEERFARM_SLOTS: slots must be a whole number from 1 to 64, not ""', ""),
        ("PEERFARM_NOTICE_S", "nan", "PEERFARM_NOTICE_S: notice_s must be a number", ""),
        ("PEERFARM_RENDER", "maybe", "PEERFARM_RENDER: render must be true or false", ""),
        ("PEERFARM_ROOTS", "a", 'PEERFARM_ROOTS: roots[0] "a" is no absolute path', ""),
        ("PEERFARM_COMMAND", "true", 'PEERFARM_COMMAND: command.allow "" is no absolute path', ""),
    ],
)
def test_a_wrong_variable_is_told_by_name(variable: str, text: str, message: str, hint: str, tmp_path: Path) -> None:
    error = refusal("", tmp_path, **{variable: text})
    assert message in str(error)
    assert hint in error.hint


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "peerfarm.yaml"
    path.write_bytes("name: Jürgen\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        load_settings(path, {})


def test_a_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path, {})


def test_a_path_may_begin_at_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load("roots: [~/shows]\n", tmp_path).roots == (str(tmp_path / "shows"),)


def test_the_description_says_where_each_value_came_from(tmp_path: Path) -> None:
    settings = replace(load("name: luna\nslots: 2\nroots: [/a]\n", tmp_path, PEERFARM_SLOTS="4"), port=5)
    described = json.loads(json.dumps(describe_settings(settings)))
    assert described["name"] == {"value": "luna", "source": "file"}
    assert described["slots"] == {"value": 4, "source": "PEERFARM_SLOTS"}
    assert described["roots"] == {"value": ["/a"], "source": "file"}
    assert described["nice"] == {"value": 10, "source": "default"}
    assert described["port"] == {"value": 5, "source": "program"}
    assert described["command"] == {"value": {"allow": {}}, "source": "default"}
    assert list(described) == list(SETTINGS)


def test_one_variable_moves_everything_that_a_node_keeps(tmp_path: Path) -> None:
    home = find_home({"PEERFARM_HOME": str(tmp_path)})
    assert home == Home(tmp_path / "data", tmp_path / "config", tmp_path / "logs", tmp_path / "local.json")
    assert home.settings == tmp_path / "config" / "peerfarm.yaml"


@pytest.mark.parametrize("environ", [{}, {"PEERFARM_HOME": ""}])
def test_without_it_plug_ins_find_the_local_file_in_the_users_home(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    home = find_home(environ)
    assert home.local == tmp_path / ".peerfarm" / "local.json"
    assert all("peerfarm" in path.parts for path in (home.data, home.config, home.logs))


def test_a_node_without_a_settings_file_loads_no_yaml() -> None:
    program = (
        "import sys; from pathlib import Path; from peerfarm.config import find_home, load_settings;"
        "home = find_home({'PEERFARM_HOME': '/nowhere'}); load_settings(home.settings, {});"
        "print(sorted({'yaml', 'platformdirs', 'difflib', 'tempfile'} & set(sys.modules)))"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    assert ended.stdout.strip() == "[]"
