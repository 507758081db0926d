"""ACLs, authentication and quotas."""
from jute import (WORLD, auth, create, int32, path_version, path_watch, set_acl, set_data, text)

# base64 of the SHA-1 of 'u:p'
DIGEST = 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ='
OTHER_DIGEST = 'other:AAAAAAAAAAAAAAAAAAAAAAAAAAA='
SUPER = b'super:admin'


def acls(recording):
    exchange = recording.exchange
    exchange('setup', 'A session that authenticates as u, and one that does not.')
    main = recording.session('main')
    main.call('auth', 'digest u:p', auth('digest', b'u:p'))
    main.call('create', '/acl', create('/acl'))
    stranger = recording.session('stranger')
    exchange('auth-becomes-creator', 'The scheme auth is replaced by the ids of the creator.')
    main.call('create', '/acl/own auth', create('/acl/own', b'x', [(31, 'auth', '')]))
    main.call('getACL', '/acl/own', text('/acl/own'))
    exchange('duplicates-dropped', 'Equal entries become one; the order stays.')
    main.call('create', '/acl/twice',
              create('/acl/twice', b'', [(1, 'world', 'anyone'), (31, 'digest', DIGEST),
                                         (1, 'world', 'anyone'), (31, 'auth', 'ignored')]))
    main.call('getACL', '/acl/twice', text('/acl/twice'))
    exchange('get-acl-world', 'An open node.')
    stranger.call('getACL', '/acl', text('/acl'))
    exchange('get-acl-masked', 'Without ADMIN the digests are replaced by x.')
    entries = [(1, 'world', 'anyone'), (31, 'digest', DIGEST), (31, 'digest', OTHER_DIGEST),
               (4, 'ip', '10.0.0.0/8')]
    main.call('create', '/acl/mixed', create('/acl/mixed', b'', entries))
    stranger.call('getACL', '/acl/mixed', text('/acl/mixed'))
    exchange('get-acl-unmasked', 'With ADMIN they are shown.')
    main.call('getACL', '/acl/mixed', text('/acl/mixed'))
    exchange('get-acl-missing', 'No such node: -101.')
    main.call('getACL', '/acl/no', text('/acl/no'))
    exchange('no-permission', 'A stranger at a node of u: -102, whatever is asked.')
    stranger.call('getACL', '/acl/own', text('/acl/own'))
    for operation in ('getData', 'getChildren', 'getChildren2'):
        stranger.call(operation, '/acl/own', path_watch('/acl/own'))
    stranger.call('getAllChildrenNumber', '/acl/own', text('/acl/own'))
    stranger.call('setData', '/acl/own', set_data('/acl/own', b''))
    stranger.call('setACL', '/acl/own', set_acl('/acl/own', WORLD))
    stranger.call('create', '/acl/own/x', create('/acl/own/x'))
    exchange('exists-without-permission', 'exists of a node that may not be read.',
             differs='3.8.4, 3.9.2 and newer answer -102, and so do we')
    stranger.call('exists', '/acl/own', path_watch('/acl/own'))
    exchange('delete-asks-the-parent', 'No right on the node is needed to delete it.')
    main.call('create', '/acl/own2 auth', create('/acl/own2', b'', [(31, 'auth', '')]))
    stranger.call('delete', '/acl/own2', path_version('/acl/own2'))
    exchange('delete-without-permission', 'DELETE is needed on the parent: -102.')
    main.call('create', '/acl/own/child', create('/acl/own/child'))
    stranger.call('delete', '/acl/own/child', path_version('/acl/own/child'))
    set_acls(recording, main)
    super_user(recording)


def set_acls(recording, main):
    exchange = recording.exchange
    exchange('set-acl', 'The Stat after the change: aversion alone went up.')
    main.call('create', '/acl/set', create('/acl/set'))
    main.call('setACL', '/acl/set any version', set_acl('/acl/set', [(31, 'auth', '')]))
    exchange('set-acl-version', 'The version is compared with aversion.')
    main.call('setACL', '/acl/set version 1', set_acl('/acl/set', WORLD, 1))
    exchange('set-acl-bad-version', 'Another version: -103.')
    main.call('setACL', '/acl/set version 1', set_acl('/acl/set', WORLD, 1))
    exchange('set-acl-invalid', 'An empty list: -114.')
    main.call('setACL', '/acl/set', set_acl('/acl/set', []))
    exchange('set-acl-null', 'A null list: -114.')
    main.call('setACL', '/acl/set', set_acl('/acl/set', None))
    exchange('set-acl-missing', 'No such node: -101.')
    main.call('setACL', '/acl/no', set_acl('/acl/no', WORLD))
    exchange('odd-permission-bits', 'Bits that mean nothing are kept.')
    main.call('create', '/acl/bits', create('/acl/bits', b'', [(-1, 'world', 'anyone')]))
    main.call('getACL', '/acl/bits', text('/acl/bits'))
    exchange('ip', 'The address of the peer counts as an id.')
    local = [(31, 'ip', '127.0.0.1')]
    main.call('create', '/acl/ip local', create('/acl/ip', b'', local))
    main.call('getData', '/acl/ip', path_watch('/acl/ip'))
    exchange('ip-net', 'As a net with a prefix length, and another net: -102.')
    main.call('create', '/acl/net', create('/acl/net', b'', [(31, 'ip', '127.0.0.0/8')]))
    main.call('getData', '/acl/net', path_watch('/acl/net'))
    main.call('create', '/acl/far', create('/acl/far', b'', [(31, 'ip', '10.0.0.0/8')]))
    main.call('getData', '/acl/far', path_watch('/acl/far'))


def super_user(recording):
    exchange = recording.exchange
    exchange('super', 'The super user passes every ACL.')
    root = recording.session('super')
    root.call('auth', 'digest super:admin', auth('digest', SUPER))
    root.call('getData', '/acl/own', path_watch('/acl/own'))
    root.call('getACL', '/acl/mixed', text('/acl/mixed'))
    root.call('whoAmI')
    exchange('super-keeps-system-nodes', 'Not the other checks: -8.')
    root.call('delete', '/zookeeper', path_version('/zookeeper'))


def authentication(recording):
    exchange = recording.exchange
    exchange('who-am-i', 'A connection starts with the id of its address.')
    main = recording.session('main')
    main.call('whoAmI')
    exchange('digest', 'Any user is accepted; the reply has xid -4, zxid 0 and no body.')
    main.call('auth', 'digest u:p', auth('digest', b'u:p'))
    main.call('whoAmI')
    exchange('digest-again', 'Ids add up; the same one counts once.')
    main.call('auth', 'digest u:p', auth('digest', b'u:p'))
    main.call('auth', 'digest v:q', auth('digest', b'v:q'))
    main.call('whoAmI')
    exchange('digest-without-colon', 'Accepted too.')
    main.call('auth', 'digest w', auth('digest', b'w'))
    exchange('digest-empty', 'Accepted too.')
    main.call('auth', 'digest of nothing', auth('digest', b''))
    main.call('whoAmI')
    exchange('ip', 'Adds the address once more, which changes nothing.')
    main.call('auth', 'ip', auth('ip', b''))
    main.call('whoAmI')
    for name, shows, body in [
        ('scheme-unknown', 'No such scheme', auth('no', b'x')),
        ('scheme-world', 'world takes no packets', auth('world', b'anyone')),
        ('scheme-sasl', 'SASL has an operation of its own', auth('sasl', b'x')),
        ('scheme-empty', 'No such scheme', auth('', b'x')),
        ('digest-null', 'Null data', auth('digest', None)),
    ]:
        exchange(name, f'{shows}: -115, then closed.')
        caller = recording.session(name.replace('-', ''))
        caller.call('auth', name, body)
        caller.closed()
    exchange('scheme-null', 'A null scheme: -115, then closed.',
             differs='ours takes it for an undecodable packet', malformed='the scheme is null')
    caller = recording.session('schemenull')
    caller.call('auth', 'null', auth(None, b'x'))
    caller.closed()
    exchange('auth-overtakes', '''An auth packet is answered when it is read, before earlier
        requests of the connection that wait for the disk.''')
    hasty = recording.session('hasty')
    with hasty.together():
        waiting = hasty.request('create', '/auth', create('/auth'))
        hasty.request('auth', 'digest u:p', auth('digest', b'u:p'))
    assert hasty.receive()[:4] == int32(-4), 'auth did not overtake: record again'
    hasty.reply(waiting)


def quotas(recording):
    exchange = recording.exchange
    limits = b'count=3,bytes=-1=;byteHardLimit=20;countHardLimit=3'
    exchange('setup', 'A node with a hard limit of 3 nodes and 20 bytes below it, itself included.')
    main = recording.session('main')
    main.call('create', '/quota "12345"', create('/quota', b'12345'))
    main.call('create', '/zookeeper/quota/quota', create('/zookeeper/quota/quota'))
    base = '/zookeeper/quota/quota/zookeeper_'
    main.call('create', 'limits', create(base + 'limits', limits))
    main.call('create', 'stats', create(base + 'stats', b'count=0,bytes=0'))
    exchange('stats', 'The server writes the use into the stats node.')
    main.call('getData', 'stats', path_watch(base + 'stats'))
    exchange('within', 'Creating and changing within the limits.')
    main.call('create', '/quota/a', create('/quota/a', b'12345'))
    main.call('setData', '/quota/a', set_data('/quota/a', b'1234567890'))
    exchange('stats-follow', 'The use is kept, without a new version of the stats node.')
    main.call('getData', 'stats', path_watch(base + 'stats'))
    exchange('bytes-exceeded', 'create and setData beyond the bytes: -125.')
    main.call('create', '/quota/b', create('/quota/b', b'123456'))
    main.call('setData', '/quota/a', set_data('/quota/a', b'1234567890123456'))
    exchange('count-exceeded', 'One node too many: -125.')
    main.call('create', '/quota/b', create('/quota/b', b''))
    main.call('create', '/quota/c', create('/quota/c', b''))
    exchange('delete-frees', 'A deletion is never refused, and frees.')
    main.call('delete', '/quota/a', path_version('/quota/a'))
    main.call('getData', 'stats', path_watch(base + 'stats'))


SCENARIOS = {
    'acl': ('ACLs', acls),
    'auth': ('Authentication', authentication),
    'quota': ('Hard quotas, on a server that enforces them', quotas),
}
