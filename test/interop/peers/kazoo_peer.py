"""Does with kazoo's recipes what it is told, a line for each order: `kazoo_peer.py HOSTS`.

`NAME new KIND PATH ARGS...` makes an object, `NAME VERB ARGS...` uses it. Orders to one name run in
one thread, in their order, those to different names at the same time. Each is answered with
`NAME ok RESULT` or `NAME error MESSAGE`.
"""

import queue
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout
from kazoo.recipe.lock import Lock


class CuratorLock(Lock):
    """A kazoo lock that sees Curator's contenders, and is seen by them."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["-lock-"]


class Held:
    def __init__(self, lock):
        self.lock = lock

    def acquire(self, wait_ms, *_):
        try:
            return self.lock.acquire(timeout=int(wait_ms) / 1000)
        except LockTimeout:
            return False

    def release(self):
        return self.lock.release()

    def contenders(self):
        if hasattr(self.lock, "contenders"):
            return ",".join(self.lock.contenders())
        return ",".join(sorted(self.lock.lease_holders()))


class BarrierPart:
    def __init__(self, barrier):
        self.barrier = barrier

    def set(self):
        return self.barrier.create()

    def remove(self):
        return self.barrier.remove()

    def wait(self, wait_ms):
        return self.barrier.wait(timeout=int(wait_ms) / 1000)


class DoublePart:
    def __init__(self, barrier):
        self.barrier = barrier

    def enter(self, *_):
        self.barrier.enter()
        return self.barrier.participating

    def leave(self, *_):
        self.barrier.leave()
        return True


class PartyPart:
    def __init__(self, party):
        self.party = party

    def start(self):
        return self.party.join()

    def members(self):
        return ",".join(sorted(self.party))

    def close(self):
        return self.party.leave()


class CounterPart:
    def __init__(self, counter):
        self.counter = counter

    def add(self, number):
        self.counter += int(number)
        return self.counter.post_value

    def get(self):
        return self.counter.value


class QueuePart:
    def __init__(self, items):
        self.items = items

    def put(self, text, priority="100"):
        return self.items.put(text.encode(), int(priority))

    def take(self, *wait_ms):
        if not hasattr(self.items, "consume"):
            item = self.items.get()
            return "" if item is None else item.decode()
        item = self.items.get(timeout=int(wait_ms[0]) / 1000)
        if item is None:
            return ""
        self.items.consume()
        return item.decode()


def make(kind, path, *args):
    if kind == "lock":
        return Held(client.Lock(path, "kazoo"))
    if kind == "curatorlock":
        return Held(CuratorLock(client, path, "kazoo"))
    if kind == "read":
        return Held(client.ReadLock(path, "kazoo"))
    if kind == "write":
        return Held(client.WriteLock(path, "kazoo"))
    if kind == "semaphore":
        return Held(client.Semaphore(path, "kazoo", max_leases=int(args[0])))
    if kind == "barrier":
        return BarrierPart(client.Barrier(path))
    if kind == "double":
        return DoublePart(client.DoubleBarrier(path, int(args[0])))
    if kind == "party":
        return PartyPart(client.Party(path, args[0]))
    if kind == "shallowparty":
        return PartyPart(client.ShallowParty(path, args[0]))
    if kind == "counter":
        return CounterPart(client.Counter(path, support_curator=True))
    if kind == "queue":
        return QueuePart(client.Queue(path))
    if kind == "lockingqueue":
        return QueuePart(client.LockingQueue(path))
    raise ValueError(f"no kind {kind}")


def answer(line):
    with speech:
        print(line, flush=True)


def serve(name, orders):
    part = None
    for words in iter(orders.get, None):
        try:
            result = ""
            if words[0] == "new":
                part = make(*words[1:])
            else:
                result = getattr(part, words[0])(*words[1:])
            answer(f"{name} ok {'' if result is None else result}")
        except Exception as error:  # it is told to whoever gave the order
            answer(f"{name} error {type(error).__name__}: {error}")


speech = threading.Lock()
client = KazooClient(hosts=sys.argv[1], timeout=4.0)
client.start(timeout=30)
answer("ready")
queues = {}
for order in sys.stdin:
    to, *rest = order.split()
    if to not in queues:
        queues[to] = queue.Queue()
        threading.Thread(target=serve, args=(to, queues[to]), daemon=True).start()
    queues[to].put(rest)
client.stop()
