"""Jute and the client's requests, written by hand.

Shares nothing with the TypeScript codecs, so that the two cannot agree in error.
"""
import struct

OPERATIONS = {
    'create': 1, 'delete': 2, 'exists': 3, 'getData': 4, 'setData': 5, 'getACL': 6,
    'setACL': 7, 'getChildren': 8, 'sync': 9, 'ping': 11, 'getChildren2': 12, 'check': 13,
    'multi': 14, 'create2': 15, 'reconfig': 16, 'checkWatches': 17, 'removeWatches': 18,
    'createContainer': 19, 'deleteContainer': 20, 'createTTL': 21, 'multiRead': 22,
    'auth': 100, 'setWatches': 101, 'sasl': 102, 'getEphemerals': 103,
    'getAllChildrenNumber': 104, 'setWatches2': 105, 'addWatch': 106, 'whoAmI': 107,
    'createSession': -10, 'closeSession': -11,
}

WORLD = [(31, 'world', 'anyone')]


def int32(value):
    return struct.pack('>i', value)


def int64(value):
    return struct.pack('>q', value)


def boolean(value):
    return b'\x01' if value else b'\x00'


def text(value):
    """A buffer or string; None is null, and bytes are taken as they are."""
    if value is None:
        return int32(-1)
    raw = value.encode() if isinstance(value, str) else value
    return int32(len(raw)) + raw


def texts(values):
    return int32(len(values)) + b''.join(text(value) for value in values)


def acl(entries):
    if entries is None:
        return int32(-1)
    return int32(len(entries)) + b''.join(
        int32(perms) + text(scheme) + text(name) for perms, scheme, name in entries)


def connect_request(last_zxid, timeout_ms, session, password, read_only):
    body = int32(0) + int64(last_zxid) + int32(timeout_ms) + int64(session) + text(password)
    return body if read_only is None else body + boolean(read_only)


def create(path, data=b'', acl_entries=WORLD, flags=0):
    return text(path) + text(data) + acl(acl_entries) + int32(flags)


def create_ttl(path, ttl_ms, data=b'', acl_entries=WORLD, flags=5):
    return create(path, data, acl_entries, flags) + int64(ttl_ms)


def path_version(path, version=-1):
    """delete, check; and, for its type or mode, checkWatches, removeWatches, addWatch."""
    return text(path) + int32(version)


def path_watch(path, watch=False):
    """exists, getData, getChildren, getChildren2."""
    return text(path) + boolean(watch)


def set_data(path, data, version=-1):
    return text(path) + text(data) + int32(version)


def set_acl(path, acl_entries, version=-1):
    return text(path) + acl(acl_entries) + int32(version)


def auth(scheme, data):
    return int32(0) + text(scheme) + text(data)


def multi_header(kind, done, err):
    return int32(kind) + boolean(done) + int32(err)


MULTI_END = multi_header(-1, True, -1)


def multi(*operations):
    """`operations` are pairs of an operation's name and its body."""
    parts = [multi_header(OPERATIONS[name], False, -1) + body for name, body in operations]
    return b''.join(parts) + MULTI_END


def set_watches(relative_zxid, *lists):
    """Three lists of paths for setWatches, five for setWatches2."""
    return int64(relative_zxid) + b''.join(texts(paths) for paths in lists)
