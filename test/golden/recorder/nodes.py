"""Making, reading and changing nodes."""
from jute import WORLD, create, create_ttl, int32, path_version, path_watch, set_data, text

TTL_MS_MAX = (1 << 40) - 1


def creates(recording):
    exchange = recording.exchange
    exchange('setup', 'A session and a node to work below.')
    main = recording.session('main')
    main.call('create', '/create', create('/create'))
    exchange('create', 'A persistent node with data; the reply carries its path.')
    main.call('create', '/create/a "abc"', create('/create/a', b'abc'))
    exchange('create-empty', 'Data of no bytes.')
    main.call('create', '/create/empty ""', create('/create/empty', b''))
    exchange('create-null', 'Null data, which stays null.')
    main.call('create', '/create/null null', create('/create/null', None))
    exchange('create2', 'The reply carries path and Stat.')
    main.call('create2', '/create/b "abc"', create('/create/b', b'abc'))
    exchange('create2-null', 'Null data has dataLength 0.')
    main.call('create2', '/create/null2 null', create('/create/null2', None))
    exchange('create2-ephemeral', 'ephemeralOwner is the session.')
    main.call('create2', '/create/e ephemeral', create('/create/e', b'x', flags=1))
    exchange('create-sequential', '''The number is the count of children ever created below the
        parent, of any kind and name.''')
    main.call('create', '/create/s- sequential', create('/create/s-', b'', flags=2))
    exchange('create2-sequential', 'The next number.')
    main.call('create2', '/create/t- sequential', create('/create/t-', b'', flags=2))
    exchange('create-ephemeral-sequential', 'An ephemeral node with a number.')
    main.call('create', '/create/es- ephemeral sequential', create('/create/es-', b'', flags=3))
    exchange('create-sequential-bare', 'A path may end with a slash if a number follows.')
    main.call('create', '/create/ sequential', create('/create/', b'', flags=2))
    exchange('create-sequential-after-delete', 'A deleted child still counts.')
    main.call('delete', '/create/b', path_version('/create/b'))
    main.call('create', '/create/s- sequential', create('/create/s-', b'', flags=2))
    exchange('create-container', 'The Stat of a container has ephemeralOwner 0.')
    main.call('createContainer', '/create/c', create('/create/c', b'', flags=4))
    exchange('create-ttl', 'The Stat of a TTL node has ephemeralOwner 0.')
    main.call('createTTL', '/create/ttl 600000 ms', create_ttl('/create/ttl', 600_000))
    exchange('create-ttl-sequential', 'TTL nodes take numbers too.')
    main.call('createTTL', '/create/ttl- longest, sequential',
              create_ttl('/create/ttl-', TTL_MS_MAX, b'', WORLD, 6))
    exchange('create-with-container-flag', 'Flag 4 under operation 1 makes a plain node.')
    main.call('create', '/create/plain', create('/create/plain', b'', flags=4))
    main.call('create', '/create/plain/child', create('/create/plain/child'))
    exchange('create-non-ascii', 'Paths are UTF-8.')
    main.call('create2', '/create/ä漢', create('/create/ä漢', 'ä'.encode()))
    exchange('create-odd-names', 'Dots are allowed in longer names.')
    for name in ('...', '.a', 'a..b', ' '):
        main.call('create', f'/create/{name}', create(f'/create/{name}'))


def create_errors(recording):
    exchange = recording.exchange
    exchange('setup', 'A session, a node to work below, an ephemeral and a closed node.')
    main = recording.session('main')
    main.call('create', '/bad', create('/bad'))
    main.call('create', '/bad/eph', create('/bad/eph', b'', flags=1))
    main.call('create', '/bad/readable', create('/bad/readable', b'', [(1, 'world', 'anyone')]))

    def refuse(name, shows, path, operation='create', body=None, **more):
        exchange(name, shows)
        main.call(operation, path, create(path, **more) if body is None else body)

    refuse('flags-unknown', 'Flags 7: -8.', '/bad/x', flags=7)
    refuse('flags-negative', 'Flags -1: -8.', '/bad/x', flags=-1)
    refuse('ttl-flags-without-ttl', 'Flags 5 under operation 1: -8.', '/bad/x', flags=5)
    refuse('ttl-without-flags', 'Flags 0 under operation 21: -8.', '/bad/x', 'createTTL',
           create_ttl('/bad/x', 1000, flags=0))
    refuse('ttl-zero', 'TTL 0: -8.', '/bad/x', 'createTTL', create_ttl('/bad/x', 0))
    refuse('ttl-negative', 'TTL -1: -8.', '/bad/x', 'createTTL', create_ttl('/bad/x', -1))
    refuse('ttl-too-long', 'TTL 2^40: -8.', '/bad/x', 'createTTL',
           create_ttl('/bad/x', TTL_MS_MAX + 1))
    refuse('path-relative', 'No slash: -8.', 'bad')
    refuse('path-empty', 'Empty path: -8.', '')
    refuse('path-root', 'The root exists: -110.', '/')
    refuse('path-nul', 'NUL in the path: -8.', '/bad/a\0b')
    refuse('path-control', 'A control character: -8.', '/bad/a\x1fb')
    refuse('path-c1-control', 'U+0085: -8.', '/bad/a\x85b')
    refuse('path-private-use', 'U+E000: -8.', '/bad/\ue000')
    refuse('path-special', 'U+FFF0: -8.', '/bad/\ufff0')
    refuse('path-dot', 'A component ".": -8.', '/bad/.')
    refuse('path-dot-dot', 'A component "..": -8.', '/bad/..')
    refuse('path-ends-with-slash', 'Without a number to follow: -8.', '/bad/')
    refuse('path-parent-ends-with-slash', 'The parent is taken to be /bad/x: -101.', '/bad/x/')
    refuse('path-empty-component', 'The parent of the empty name has no node: -101.', '/bad//x')
    refuse('acl-null', 'A null list: -114.', '/bad/x', acl_entries=None)
    refuse('acl-empty', 'An empty list: -114.', '/bad/x', acl_entries=[])
    refuse('acl-scheme-unknown', 'No such scheme: -114.', '/bad/x', acl_entries=[(31, 'no', 'x')])
    refuse('acl-world-other', 'world knows anyone only: -114.', '/bad/x',
           acl_entries=[(31, 'world', 'someone')])
    refuse('acl-auth-without-auth', 'Nobody is authenticated: -114.', '/bad/x',
           acl_entries=[(31, 'auth', '')])
    refuse('acl-digest-bad', 'A digest without colon: -114.', '/bad/x',
           acl_entries=[(31, 'digest', 'user')])
    refuse('acl-ip-bad', 'No address: -114.', '/bad/x', acl_entries=[(31, 'ip', '1.2.3')])
    refuse('acl-super', 'super cannot be granted: -114.', '/bad/x', acl_entries=[(31, 'super', '')])
    refuse('parent-missing', 'No parent: -101.', '/bad/no/x')
    refuse('parent-not-writable', 'CREATE is needed on the parent: -102.', '/bad/readable/x')
    refuse('exists', 'The node exists: -110.', '/bad/readable')
    refuse('exists-create2', 'The node exists: -110.', '/bad/readable', 'create2')
    refuse('parent-ephemeral', 'Ephemerals have no children: -108.', '/bad/eph/x')
    create_error_order(recording, main)


def create_error_order(recording, main):
    exchange = recording.exchange
    exchange('order-acl-before-parent', 'A bad ACL below a missing parent: -114.')
    main.call('create', '/bad/no/x no ACL', create('/bad/no/x', b'', []))
    exchange('order-parent-before-path', 'A bad name below a missing parent: -101.')
    main.call('create', '/bad/no/..', create('/bad/no/..'))
    exchange('order-permission-before-path', 'A bad name below a closed parent: -102.')
    main.call('create', '/bad/readable/..', create('/bad/readable/..'))
    exchange('path-not-utf8', 'The reference reads U+FFFD in its place, and refuses that: -8.',
             differs='ours refuses bytes that are not UTF-8 as undecodable: -5',
             malformed='0xff is not UTF-8')
    main.call('create', '/bad/ and 0xff', create(b'/bad/\xff'))
    exchange('path-surrogates', 'Surrogates written one by one, as Java does: -8.',
             differs='ours refuses bytes that are not UTF-8 as undecodable: -5',
             malformed='three bytes for each half of a surrogate pair')
    main.call('create', '/bad/ and U+1F600', create(b'/bad/\xed\xa0\xbd\xed\xb8\x80'))
    exchange('acl-id-null', 'A null id in an ACL: -5.', malformed='the id is null')
    main.call('create', '/bad/x', create('/bad/x', b'', [(31, 'world', None)]))
    exchange('acl-count-huge', 'An ACL of more entries than the frame has bytes: -5.',
             malformed='2^31 - 1 entries are announced')
    main.call('create', '/bad/x', text('/bad/x') + text(b'') + int32((1 << 31) - 1))


def reads(recording):
    exchange = recording.exchange
    exchange('setup', 'A small tree: data, no data, null data, children.')
    main = recording.session('main')
    main.call('create', '/read', create('/read'))
    main.call('create', '/read/data', create('/read/data', b'\x00\x01\xfe\xff'))
    main.call('create', '/read/null', create('/read/null', None))
    main.call('create', '/read/data/child', create('/read/data/child'))
    for operation, shows in [
        ('exists', 'The Stat of the node.'),
        ('getData', 'Data and Stat.'),
        ('getChildren', 'Names, in no particular order.'),
        ('getChildren2', 'Names and Stat.'),
    ]:
        exchange(operation, shows)
        main.call(operation, '/read', path_watch('/read'))
        main.call(operation, '/read/data', path_watch('/read/data'))
        exchange(f'{operation}-watch', f'{shows} A watch does not change the reply.')
        main.call(operation, '/read/data watch', path_watch('/read/data', True))
        exchange(f'{operation}-missing', 'No such node: -101.')
        main.call(operation, '/read/no', path_watch('/read/no'))
        exchange(f'{operation}-invalid', 'A path that no node can have is a missing node: -101.')
        main.call(operation, '/read/', path_watch('/read/'))
    exchange('get-empty', 'Empty data has length 0.')
    main.call('getData', '/read', path_watch('/read'))
    exchange('get-null', 'Null data has length -1.')
    main.call('getData', '/read/null', path_watch('/read/null'))
    exchange('get-system-nodes', 'The nodes that every tree has.')
    for path in ('/zookeeper', '/zookeeper/config', '/zookeeper/quota'):
        main.call('getData', path, path_watch(path))
        main.call('getACL', path, text(path))
    exchange('exists-nul', 'NUL in the path: -8.')
    main.call('exists', '/read NUL', path_watch('/read\0'))
    more_reads(recording, main)


def more_reads(recording, main):
    exchange = recording.exchange
    exchange('all-children-number', 'All descendants.')
    main.call('getAllChildrenNumber', '/read', text('/read'))
    exchange('all-children-number-leaf', 'None.')
    main.call('getAllChildrenNumber', '/read/null', text('/read/null'))
    exchange('all-children-number-missing', 'No such node: -101.')
    main.call('getAllChildrenNumber', '/read/no', text('/read/no'))
    exchange('ephemerals-none', 'The session has none.')
    main.call('getEphemerals', '/', text('/'))
    exchange('ephemerals', 'Paths of this session by prefix of the text, not of the tree.')
    main.call('create', '/read/e1 ephemeral', create('/read/e1', b'', flags=1))
    main.call('create', '/read/null/e2 ephemeral', create('/read/null/e2', b'', flags=1))
    main.call('getEphemerals', '/read/n', text('/read/n'))
    main.call('getEphemerals', '/other', text('/other'))
    exchange('ephemerals-all', 'A null, empty or "/" prefix asks for all.')
    for prefix in (None, '', '/'):
        main.call('getEphemerals', repr(prefix), text(prefix))
    exchange('sync', 'The path is echoed.')
    main.call('sync', '/read', text('/read'))
    exchange('sync-any-path', 'It need not exist, nor be a path.')
    for path in ('/read/no', 'x', ''):
        main.call('sync', repr(path), text(path))
    exchange('sync-null', 'A null path.')
    main.call('sync', 'null', text(None))


def writes(recording):
    exchange = recording.exchange
    exchange('setup', 'Nodes to change.')
    main = recording.session('main')
    main.call('create', '/write', create('/write'))
    main.call('create', '/write/a', create('/write/a', b'one'))
    main.call('create', '/write/closed', create('/write/closed', b'', [(1, 'world', 'anyone')]))
    main.call('create', '/write/parent', create('/write/parent'))
    main.call('create', '/write/parent/child', create('/write/parent/child'))
    exchange('set-data', 'The reply is the Stat after the change.')
    main.call('setData', '/write/a "three" any version', set_data('/write/a', b'three'))
    exchange('set-data-version', 'The version matches.')
    main.call('setData', '/write/a "" version 1', set_data('/write/a', b'', 1))
    exchange('set-data-null', 'Null data.')
    main.call('setData', '/write/a null version 2', set_data('/write/a', None, 2))
    main.call('getData', '/write/a', path_watch('/write/a'))
    for name, shows, operation, path, body in [
        ('set-data-bad-version', 'Another version: -103.', 'setData', '/write/a',
         set_data('/write/a', b'', 1)),
        ('set-data-missing', 'No such node: -101.', 'setData', '/write/no',
         set_data('/write/no', b'')),
        ('set-data-no-permission', 'WRITE is needed: -102.', 'setData', '/write/closed',
         set_data('/write/closed', b'')),
        ('set-data-permission-first', 'Permission before version: -102.', 'setData',
         '/write/closed', set_data('/write/closed', b'', 9)),
        ('set-data-invalid', 'Not a path: -8.', 'setData', '/write/', set_data('/write/', b'')),
        ('delete-bad-version', 'Another version: -103.', 'delete', '/write/a',
         path_version('/write/a', 7)),
        ('delete-missing', 'No such node: -101.', 'delete', '/write/no', path_version('/write/no')),
        ('delete-missing-parent', 'No parent: -101.', 'delete', '/write/no/no',
         path_version('/write/no/no')),
        ('delete-not-empty', 'It has a child: -111.', 'delete', '/write/parent',
         path_version('/write/parent')),
        ('delete-version-first', 'Version before children: -103.', 'delete', '/write/parent',
         path_version('/write/parent', 7)),
        ('delete-root', 'System nodes stay: -8.', 'delete', '/', path_version('/')),
        ('delete-zookeeper', 'System nodes stay: -8.', 'delete', '/zookeeper',
         path_version('/zookeeper')),
        ('delete-quota', 'System nodes stay: -8.', 'delete', '/zookeeper/quota',
         path_version('/zookeeper/quota')),
        ('delete-config', 'System nodes stay: -8.', 'delete', '/zookeeper/config',
         path_version('/zookeeper/config')),
        ('delete-relative', 'No slash: -8.', 'delete', 'write', path_version('write')),
    ]:
        exchange(name, shows)
        main.call(operation, path, body)
    exchange('delete-version', 'The version matches; the reply has no body.')
    main.call('delete', '/write/a version 3', path_version('/write/a', 3))
    exchange('delete', 'Any version. DELETE is needed on the parent, nothing on the node.')
    main.call('delete', '/write/closed', path_version('/write/closed'))
    exchange('stat-of-parent', 'cversion counts creations and deletions, pzxid is the last.')
    main.call('exists', '/write', path_watch('/write'))


SCENARIOS = {
    'create': ('Every way to make a node', creates),
    'create-errors': ('What keeps a node from being made, and in which order', create_errors),
    'read': ('Reads', reads),
    'write': ('Changes and removals', writes),
}
