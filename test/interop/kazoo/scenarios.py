"""What kazoo does on a server: `scenarios.py HOSTS SCENARIO`. Ends with status 0 if all was right.

A scenario that needs something done to the server says so in a line on its standard output.
"""

import logging
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)
from kazoo.protocol.states import EventType
from kazoo.security import make_digest_acl

WAIT_SECONDS = 30

hosts = sys.argv[1]


def connected(timeout=20.0, **options):
    client = KazooClient(hosts=hosts, timeout=timeout, **options)
    client.start(timeout=WAIT_SECONDS)
    return client


def say(word):
    print(word, flush=True)


def await_event(event, what):
    assert event.wait(WAIT_SECONDS), f"{what} did not come"


def raises(error, call, *args, **options):
    try:
        call(*args, **options)
    except error as raised:
        return raised
    raise AssertionError(f"{call.__name__}{args} did not raise {error.__name__}")


def operations():
    zk = connected()
    assert zk.create("/k", b"data") == "/k"
    raises(NodeExistsError, zk.create, "/k")
    raises(NoNodeError, zk.create, "/none/k")
    assert zk.create("/deep/er/node", b"", makepath=True) == "/deep/er/node"
    assert zk.create("/k/s-", sequence=True) == "/k/s-0000000000"
    assert zk.create("/k/es-", sequence=True, ephemeral=True) == "/k/es-0000000001"
    path, stat = zk.create("/k/with-stat", b"123", include_data=True)
    assert (path, stat.data_length, stat.version) == ("/k/with-stat", 3, 0)
    data, stat = zk.get("/k")
    assert (data, stat.version, stat.numChildren) == (b"data", 0, 3)
    assert zk.set("/k", b"more", version=0).version == 1
    raises(BadVersionError, zk.set, "/k", b"late", version=0)
    assert zk.exists("/k").version == 1
    assert zk.exists("/none") is None
    assert sorted(zk.get_children("/k")) == ["es-0000000001", "s-0000000000", "with-stat"]
    children, stat = zk.get_children("/k", include_data=True)
    assert stat.children_count == len(children) == 3
    raises(NotEmptyError, zk.delete, "/k")
    raises(BadVersionError, zk.delete, "/k/with-stat", version=7)
    zk.delete("/k", recursive=True)
    assert zk.exists("/k") is None
    assert zk.sync("/") == "/"
    large = bytes(1_000_000)
    zk.create("/large", large)
    assert zk.get("/large")[0] == large
    pending = [zk.create_async(f"/deep/{n}", str(n).encode()) for n in range(2_000)]
    assert [result.get(WAIT_SECONDS) for result in pending] == [f"/deep/{n}" for n in range(2_000)]
    assert len(zk.get_children("/deep")) == 2_001
    assert zk.command(b"ruok") == "imok"
    assert zk.server_version()[0] >= 3
    zk.stop()
    zk.close()


def transactions():
    zk = connected()
    zk.create("/m", b"0")
    transaction = zk.transaction()
    transaction.create("/m/a", b"1")
    transaction.create("/m/s-", sequence=True)
    transaction.set_data("/m", b"1", version=0)
    transaction.check("/m", version=1)
    transaction.delete("/m/a")
    created, sequential, stat, checked, deleted = transaction.commit()
    assert (created, sequential) == ("/m/a", "/m/s-0000000001")
    assert (stat.version, checked, deleted) == (1, True, True)
    assert zk.exists("/m/a") is None
    transaction = zk.transaction()
    transaction.set_data("/m", b"2")
    transaction.check("/m", version=99)
    transaction.create("/m/b")
    kinds = [type(result) for result in transaction.commit()]
    assert kinds == [RolledBackError, BadVersionError, RuntimeInconsistency], kinds
    assert zk.get("/m")[0] == b"1"
    zk.stop()


def permissions():
    stranger = connected()
    owner = connected(auth_data=[("digest", "alice:secret")])
    owner.create("/guarded", b"hidden", acl=[make_digest_acl("alice", "secret", all=True)])
    raises(NoAuthError, stranger.get, "/guarded")
    raises(NoAuthError, stranger.set, "/guarded", b"x")
    stranger.add_auth("digest", "alice:secret")
    assert stranger.get("/guarded")[0] == b"hidden"
    acls, stat = owner.get_acls("/guarded")
    assert [acl.id.id.split(":")[0] for acl in acls] == ["alice"]
    readable = make_digest_acl("bob", "other", read=True)
    assert owner.set_acls("/guarded", acls + [readable], version=stat.aversion).aversion == 1
    owner.stop()
    stranger.stop()


def watches():
    zk, other = connected(), connected()
    seen = []

    def expect(path, kind, watch, change):
        fired = threading.Event()
        watch(lambda event: (seen.append((event.path, event.type)), fired.set()))
        change()
        await_event(fired, kind)
        assert seen.pop() == (path, kind)

    expect("/w", EventType.CREATED, lambda f: zk.exists("/w", f), lambda: other.create("/w"))
    expect("/w", EventType.CHANGED, lambda f: zk.get("/w", f), lambda: other.set("/w", b"1"))
    other.set("/w", b"2")
    expect("/w", EventType.CHILD, lambda f: zk.get_children("/w", f), lambda: other.create("/w/a"))
    expect("/w/a", EventType.DELETED, lambda f: zk.get("/w/a", f), lambda: other.delete("/w/a"))
    zk.sync("/")
    assert seen == []

    values, all_seen = [], threading.Event()

    @zk.DataWatch("/w")
    def on_data(data, stat):
        values.append(data)
        if data == b"last":
            all_seen.set()

    for n in range(50):
        other.set("/w", str(n).encode())
    other.set("/w", b"last")
    await_event(all_seen, "the last value")
    numbers = [int(value) for value in values[1:-1]]
    assert numbers == sorted(numbers)
    zk.stop()
    other.stop()


def locks():
    """Ten contenders, each in a session of its own, take one lock many times."""
    inside, entries, overlaps = [], [], []

    def contend(name):
        zk = connected()
        for _ in range(10):
            with zk.Lock("/kazoo-lock", name):
                if inside:
                    overlaps.append((name, list(inside)))
                inside.append(name)
                entries.append(name)
                time.sleep(0.002)
                inside.remove(name)
        zk.stop()

    threads = [threading.Thread(target=contend, args=(f"c{n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS * 2)
    assert overlaps == [] and len(entries) == 100, (overlaps, len(entries))


def reconnect():
    """The session, its node, its lock and its watches live through a restart of the server."""
    zk = connected()
    suspended, back, changed = threading.Event(), threading.Event(), threading.Event()
    states = []

    def on_state(state):
        states.append(state)
        {KazooState.SUSPENDED: suspended, KazooState.CONNECTED: back}.get(state, back).set()

    zk.add_listener(on_state)
    session = zk.client_id
    zk.create("/mine", ephemeral=True)
    zk.create("/watched", b"before")
    lock = zk.Lock("/held-through", "holder")
    assert lock.acquire()

    @zk.DataWatch("/watched")
    def on_data(data, stat):
        if data == b"after":
            changed.set()

    say("kill the server")
    await_event(suspended, "SUSPENDED")
    say("start the server")
    await_event(back, "CONNECTED")
    assert states == [KazooState.SUSPENDED, KazooState.CONNECTED], states
    assert zk.client_id == session
    assert zk.exists("/mine").ephemeralOwner == session[0]
    zk.set("/watched", b"after")
    await_event(changed, "the change")
    other = connected()
    assert not other.Lock("/held-through", "other").acquire(blocking=False)
    lock.release()
    assert other.Lock("/held-through", "other").acquire(timeout=WAIT_SECONDS)
    other.stop()
    zk.stop()


def expiry():
    """A client that is stopped for longer than its timeout has lost its session and its node."""
    zk = connected(timeout=2.0)
    lost = threading.Event()
    zk.add_listener(lambda state: state == KazooState.LOST and lost.set())
    session = zk.client_id
    zk.create("/expiring", ephemeral=True)
    say("stop the client")
    await_event(lost, "LOST")
    zk.retry(zk.get_children, "/")
    assert zk.client_id[0] != session[0]
    assert zk.exists("/expiring") is None
    zk.stop()


def writes_on():
    """Writes in one session until it is told to stop; then all that was acknowledged is there."""
    patient = {"max_tries": -1, "delay": 0.01, "backoff": 1, "max_delay": 0.01}
    zk = connected(connection_retry=patient, randomize_hosts=True)
    session = zk.client_id
    zk.create("/written", b"")
    zk.create("/mine", b"", ephemeral=True)
    told = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
    acknowledged, number = set(), 0
    while not told.is_set():
        number += 1
        try:
            zk.create(f"/written/{number}", b"x")
            acknowledged.add(str(number))
        except (ConnectionLoss, ConnectionClosedError, SessionExpiredError):
            time.sleep(0.01)
        if len(acknowledged) == 1:
            say("writes")
        time.sleep(0.002)
    zk.sync("/written")
    lost = acknowledged - set(zk.get_children("/written"))
    assert not lost, sorted(lost)
    assert zk.client_id == session
    assert zk.exists("/mine").ephemeralOwner == session[0]
    zk.stop()


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
globals()[sys.argv[2]]()
say("done")
