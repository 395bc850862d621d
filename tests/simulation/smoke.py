"""scratch"""
exec(open("/tmp/stub.py").read())
import heapq, sys, random, hashlib
sys.path.insert(0, "core")
from peerfarm.daemon.ledger import Ledger, load_snapshot
from peerfarm.model import ids
from peerfarm.model.ids import *
from peerfarm.model.render import *
from peerfarm.node import Node, inputs as I
from peerfarm.node.core import NodeSettings
from peerfarm.store import MemoryDisk, open_memory_store

class World:
    def __init__(self, n):
        self.now = 0.0; self.heap = []; self.count = 0; self.rng = random.Random(1)
        self.nodes = {}
        for k in range(n):
            key = f"{k:040d}"
            self.nodes[node_id_of(key)] = SimNode(self, f"n{k}", key)
    def at(self, t, fn, *args):
        self.count += 1; heapq.heappush(self.heap, (t, self.count, fn, args))
    def run(self, until):
        while self.heap and self.heap[0][0] <= until:
            t, _, fn, args = heapq.heappop(self.heap); self.now = t; fn(*args)
        self.now = until
    def mint(self, n):
        return "".join(self.rng.choice(ids.ALPHABET) for _ in range(n))

class SimNode:
    def __init__(self, world, name, key):
        self.w = world; self.name = name; self.key = key; self.id = node_id_of(key)
        self.disk = MemoryDisk(); self.node = None; self.links=set(); self.answers=[]; self.starts=[]
    def boot(self):
        store, doubt = open_memory_store(self.disk); self.store = store
        ident = I.Identity(self.id, self.key, self.name, self.w.mint(8), self.w.mint(8), 0)
        self.node = Node(ident, NodeSettings(self.name, memory_mb=1000))
        farm, vector, cut = load_snapshot(store)
        self.node.restore(farm)
        for k, p in vector.items(): self.node.core.book.jump(k, p)
        for _,_,_,raw in store.rows(): self.node.core.replay(raw)
        own = store.get("own_log")
        self.ledger = Ledger(store, self.release)
        self.node.start(I.Remembered(own.decode() if own else None, doubt.value != "none"), self.w.now)
        self.turn(Discovered((Capability("ocean","","",()),)))
        self.w.at(self.w.now, self.tick, self.node)
    def link(self, other):
        self.links.add(other.id); self.turn(I.LinkUp(other.id))
    def tick(self, node):
        if self.node is not node: return
        for o in self.w.nodes.values():
            if o is not self and o.node and o.id not in self.links and o.id in self.node.presence.peers and self.id in o.node.presence.peers:
                self.link(o); o.link(self)
        self.turn(I.Tick())
        self.w.at(node.next_s(self.w.now), self.tick, node)
    def turn(self, event):
        self.node.handle(event, self.w.now)
        eff = self.node.settle(self.w.now)
        for n, raw in eff.beats: self.send(n, raw)
        self.ledger.take(eff, self.w.now)
    def release(self, eff):
        for n, raw in eff.sends: self.send(n, raw)
        for r in eff.reads:
            raws = self.store.read(*r.key, r.first, r.last, r.limit_bytes)
            self.w.at(self.w.now, self.turn, I.RowsRead(r.node, tuple(raws)))
        for s in eff.starts:
            self.starts.append(s.task)
            self.w.at(self.w.now+.01, self.turn, I.RunnerSaid(AttemptStarted(s.task.attempt, 1)))
            frames = tuple(FrameFile(s.task.frame_name(f), 10, hashlib.sha256(f"{s.task.attempt}{f}".encode()).digest()) for f in s.task.frames)
            self.w.at(self.w.now+2, self.turn, I.RunnerSaid(AttemptRendered(s.task.attempt, frames, 2.0)))
        for p in eff.publishes:
            self.w.at(self.w.now+.05, self.turn, I.Published(PublishResult(p.attempt, p.job, p.step, p.task)))
        for c in eff.checks: self.w.at(self.w.now, self.turn, I.PathsChecked(c.request, ""))
        self.answers += eff.answers
    def send(self, n, raw):
        other = self.w.nodes.get(n)
        if other and other.node: self.w.at(self.w.now + .001 + self.w.rng.random()*.001, self.arrive, other, raw)
    def arrive(self, other, raw):
        if other.node: other.turn(I.Received(self.id, raw))
    def ask(self, method, **params):
        m = I.Minted(self.w.mint(12), self.w.mint(16), self.w.mint(32))
        self.turn(I.LocalRequest(1, 1, method, params, m)); 
        return self.answers[-1] if self.answers else None

if __name__ == "__main__":
    w = World(3); a, b, c = w.nodes.values()
    for n in (a,b,c): n.boot()
    print(a.ask("init", name="farm"))
    from peerfarm.state.actions import MemberAdded
    for n in (b, c):
        a.node.core.record(MemberAdded(n.id, n.key, n.name))
        n.node.presence.sponsored(a.node.core.farm_id, [(a.id, a.key, a.name, ("x:1",))])
    a.turn(I.Tick()); b.turn(I.Tick()); c.turn(I.Tick())
    w.run(5)
    print(a.ask("nodes").result)
    a.ask("submit", job={"name": "j", "app": "ocean", "frames": "1-20", "chunk": 2, "output": "/out/x_####.png"})
    w.run(6); print(a.answers[-1])
    w.run(40)
    r = a.ask("jobs").result; print(r)
    print([(n.name, len(n.starts), n.node.core.hash.of(n.node.core.farm)[:8], n.node.core.alarms, n.node.core.counters) for n in (a,b,c)])
    print(b.ask("job", job="j").result["steps"][0]["tasks"][:2])
