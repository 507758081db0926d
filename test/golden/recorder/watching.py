"""Watches: how they are set, fire, are set again after a reconnect, and removed."""
from jute import (create, create_ttl, multi, path_version, path_watch, set_acl, set_data,
                  set_watches, text)

PERSISTENT, RECURSIVE = 0, 1
CHILDREN, DATA, ANY = 1, 2, 3


def watches(recording):
    exchange = recording.exchange
    exchange('setup', 'A session that changes and one that watches.')
    main = recording.session('main')
    watcher = recording.session('watcher')
    main.call('create', '/watch', create('/watch'))
    main.call('create', '/watch/a', create('/watch/a'))
    exchange('data-watch', 'setData fires a watch of getData, once.')
    watcher.call('getData', '/watch/a watch', path_watch('/watch/a', True))
    main.call('setData', '/watch/a', set_data('/watch/a', b'1'))
    watcher.events(1)
    main.call('setData', '/watch/a', set_data('/watch/a', b'2'))
    watcher.quiet()
    exchange('same-data-fires', 'Equal bytes are a change.')
    watcher.call('exists', '/watch/a watch', path_watch('/watch/a', True))
    main.call('setData', '/watch/a', set_data('/watch/a', b'2'))
    watcher.events(1)
    exchange('exist-watch', 'A watch of exists on a missing node fires when it is made.')
    watcher.call('exists', '/watch/b watch', path_watch('/watch/b', True))
    main.call('create', '/watch/b', create('/watch/b'))
    watcher.events(1)
    exchange('no-watch-on-missing', 'getData of a missing node leaves no watch.')
    watcher.call('getData', '/watch/c watch', path_watch('/watch/c', True))
    main.call('create', '/watch/c', create('/watch/c'))
    watcher.quiet()
    exchange('child-watch', 'A child made, and a child deleted.')
    for operation, body in [('create', create('/watch/d')), ('delete', path_version('/watch/d'))]:
        watcher.call('getChildren', '/watch watch', path_watch('/watch', True))
        main.call(operation, '/watch/d', body)
        watcher.events(1)
    exchange('child-watch-ignores-data', 'Data of the node or of a child fires no child watch.')
    watcher.call('getChildren2', '/watch watch', path_watch('/watch', True))
    main.call('setData', '/watch', set_data('/watch', b''))
    main.call('setData', '/watch/a', set_data('/watch/a', b''))
    watcher.quiet()
    exchange('delete-order', 'The node first, then its parent.')
    watcher.call('getData', '/watch/a watch', path_watch('/watch/a', True))
    main.call('delete', '/watch/a', path_version('/watch/a'))
    watcher.events(2)
    exchange('delete-once', 'A data and a child watch of the same node: one event.')
    watcher.call('getData', '/watch/b watch', path_watch('/watch/b', True))
    watcher.call('getChildren', '/watch/b watch', path_watch('/watch/b', True))
    main.call('delete', '/watch/b', path_version('/watch/b'))
    watcher.events(1)
    watcher.quiet()
    more_watches(recording, main, watcher)


def more_watches(recording, main, watcher):
    exchange = recording.exchange
    exchange('own-change', 'The event comes before the reply to the change.')
    main.call('getData', '/watch/c watch', path_watch('/watch/c', True))
    main.call('setData', '/watch/c', set_data('/watch/c', b''))
    exchange('set-acl-silent', 'setACL fires nothing.')
    watcher.call('getData', '/watch/c watch', path_watch('/watch/c', True))
    main.call('setACL', '/watch/c', set_acl('/watch/c', [(31, 'world', 'anyone')]))
    watcher.quiet()
    exchange('unreadable-silent', '''An event of a node that the watcher may no longer read is
        dropped, and the watch is used up.''')
    main.call('setACL', '/watch/c', set_acl('/watch/c', [(30, 'world', 'anyone')]))
    main.call('setData', '/watch/c', set_data('/watch/c', b''))
    main.call('setACL', '/watch/c', set_acl('/watch/c', [(31, 'world', 'anyone')]))
    main.call('setData', '/watch/c', set_data('/watch/c', b''))
    watcher.quiet()
    exchange('failed-silent', 'A write that fails fires nothing.')
    watcher.call('getData', '/watch/c watch', path_watch('/watch/c', True))
    main.call('setData', '/watch/c version 99', set_data('/watch/c', b'', 99))
    watcher.quiet()
    exchange('per-connection', 'A watch is lost with its connection.')
    watcher.drop()
    again = recording.tcp('again')
    again.handshake(0, 10_000, watcher.session, watcher.password)
    main.call('setData', '/watch/c', set_data('/watch/c', b''))
    again.quiet()
    exchange('containers-and-ttl', 'The server removes empty containers and old TTL nodes.')
    main.call('createContainer', '/watch/box', create('/watch/box', b'', flags=4))
    main.call('create', '/watch/box/x', create('/watch/box/x'))
    again.call('exists', '/watch/box watch', path_watch('/watch/box', True))
    main.call('delete', '/watch/box/x', path_version('/watch/box/x'))
    again.events(1)
    main.call('createTTL', '/watch/short 1 ms', create_ttl('/watch/short', 1))
    again.call('exists', '/watch/short watch', path_watch('/watch/short', True))
    again.events(1)


def set_watches_again(recording):
    exchange = recording.exchange
    exchange('setup', 'Nodes to watch; the zxid that the client has seen.')
    main = recording.session('main')
    main.call('create', '/again', create('/again'))
    for name in ('same', 'changed', 'deleted', 'children', 'sameChildren'):
        main.call('create', f'/again/{name}', create(f'/again/{name}'))
    seen = main.zxid
    main.call('setData', '/again/changed', set_data('/again/changed', b''))
    main.call('delete', '/again/deleted', path_version('/again/deleted'))
    main.call('create', '/again/children/x', create('/again/children/x'))
    main.call('create', '/again/made', create('/again/made'))
    exchange('set-watches', '''What was missed comes at once, before the reply with xid -8; the
        rest is watched.''')
    watcher = recording.session('watcher')
    watcher.call('setWatches', f'relativeZxid={seen}', set_watches(
        seen, ['/again/same', '/again/changed', '/again/deleted'],
        ['/again/made', '/again/missing'],
        ['/again/children', '/again/sameChildren', '/again/deleted']))
    exchange('set-watches-armed', 'The watches that were set fire.')
    main.call('setData', '/again/same', set_data('/again/same', b''))
    main.call('create', '/again/missing', create('/again/missing'))
    main.call('create', '/again/sameChildren/x', create('/again/sameChildren/x'))
    watcher.events(3)
    exchange('set-watches-done', 'Those that fired at once are not set.')
    main.call('setData', '/again/changed', set_data('/again/changed', b''))
    main.call('create', '/again/deleted', create('/again/deleted'))
    main.call('create', '/again/children/y', create('/again/children/y'))
    main.call('setData', '/again/made', set_data('/again/made', b''))
    watcher.quiet()
    exchange('set-watches-empty', 'Nothing to set.')
    watcher.call('setWatches', 'nothing', set_watches(seen, [], [], []))
    exchange('set-watches2', 'The same with persistent watches, which catch up with nothing.')
    other = recording.session('other')
    other.call('setWatches2', f'relativeZxid={seen}', set_watches(
        seen, ['/again/changed'], ['/again/none'], ['/again/children'], ['/again/made'],
        ['/again/same']))
    exchange('set-watches2-armed', 'The persistent ones fire more than once.')
    main.call('setData', '/again/made', set_data('/again/made', b''))
    main.call('setData', '/again/made', set_data('/again/made', b''))
    main.call('create', '/again/same/deep', create('/again/same/deep'))
    main.call('delete', '/again/same/deep', path_version('/again/same/deep'))
    other.events(4)
    other.quiet()


def add_watches(recording):
    exchange = recording.exchange
    exchange('setup', 'A session that changes and one that watches.')
    main = recording.session('main')
    watcher = recording.session('watcher')
    main.call('create', '/add', create('/add'))
    exchange('persistent', 'Set on a missing node too; the reply is ErrorResponse 0.')
    watcher.call('addWatch', '/add/p persistent', path_version('/add/p', PERSISTENT))
    exchange('persistent-events', 'Made, changed, a child made and deleted, deleted; not deeper.')
    main.call('create', '/add/p', create('/add/p'))
    main.call('setData', '/add/p', set_data('/add/p', b''))
    main.call('create', '/add/p/c', create('/add/p/c'))
    main.call('setData', '/add/p/c', set_data('/add/p/c', b''))
    main.call('delete', '/add/p/c', path_version('/add/p/c'))
    main.call('delete', '/add/p', path_version('/add/p'))
    watcher.events(5)
    watcher.quiet()
    exchange('recursive', 'A persistent recursive watch.')
    watcher.call('addWatch', '/add/r recursive', path_version('/add/r', RECURSIVE))
    exchange('recursive-events', 'All nodes below, at any depth; never NodeChildrenChanged.')
    main.call('create', '/add/r', create('/add/r'))
    main.call('create', '/add/r/c', create('/add/r/c'))
    main.call('setData', '/add/r/c', set_data('/add/r/c', b''))
    main.call('create', '/add/r/c/d', create('/add/r/c/d'))
    main.call('delete', '/add/r/c/d', path_version('/add/r/c/d'))
    watcher.events(5)
    main.call('create', '/add/rr', create('/add/rr'))
    watcher.quiet()
    exchange('recursive-multi', 'A multi: one event for each operation, in order.')
    main.call('multi', 'create setData delete delete', multi(
        ('create', create('/add/r/m')), ('setData', set_data('/add/r/m', b'')),
        ('delete', path_version('/add/r/m')), ('delete', path_version('/add/r/c'))))
    watcher.events(4)
    exchange('twice-is-once', 'The same watch twice: one event.')
    watcher.call('addWatch', '/add/r recursive', path_version('/add/r', RECURSIVE))
    main.call('setData', '/add/r', set_data('/add/r', b''))
    watcher.events(1)
    watcher.quiet()
    exchange('with-one-shot', 'A one-shot watch beside it: one event.')
    watcher.call('getData', '/add/r watch', path_watch('/add/r', True))
    main.call('setData', '/add/r', set_data('/add/r', b''))
    watcher.events(1)
    watcher.quiet()
    exchange('any-path', 'No check of the path.')
    watcher.call('addWatch', 'no path', path_version('no path', PERSISTENT))
    exchange('mode-unknown', 'Mode 2: -5.')
    watcher.call('addWatch', '/add mode 2', path_version('/add', 2))


def remove_watches(recording):
    exchange = recording.exchange
    exchange('setup', 'A session that watches one node in all ways.')
    main = recording.session('main')
    main.call('create', '/remove', create('/remove'))

    def arm():
        main.call('getData', '/remove watch', path_watch('/remove', True))
        main.call('getChildren', '/remove watch', path_watch('/remove', True))

    arm()
    exchange('check-watches', 'There are such watches: no error, no body.')
    for kind in (CHILDREN, DATA, ANY):
        main.call('checkWatches', f'type {kind}', path_version('/remove', kind))
    exchange('check-watches-none', 'There is none: -121.')
    for kind in (CHILDREN, DATA, ANY):
        main.call('checkWatches', f'type {kind}', path_version('/remove/no', kind))
    exchange('remove-children', 'The child watch goes, the data watch stays.')
    main.call('removeWatches', 'type 1', path_version('/remove', CHILDREN))
    main.call('checkWatches', 'type 1', path_version('/remove', CHILDREN))
    main.call('create', '/remove/x', create('/remove/x'))
    main.call('setData', '/remove', set_data('/remove', b''))
    exchange('remove-data', 'The data watch goes; also a watch on a missing node.')
    main.call('exists', '/remove/missing watch', path_watch('/remove/missing', True))
    main.call('removeWatches', 'type 2', path_version('/remove/missing', DATA))
    main.call('create', '/remove/missing', create('/remove/missing'))
    exchange('remove-any', 'All go.')
    arm()
    main.call('removeWatches', 'type 3', path_version('/remove', ANY))
    main.call('setData', '/remove', set_data('/remove', b''))
    exchange('remove-none', 'There is none: -121.')
    for kind in (CHILDREN, DATA, ANY):
        main.call('removeWatches', f'type {kind}', path_version('/remove', kind))
    exchange('remove-persistent-as-any', 'Type 3 takes persistent watches too.')
    main.call('addWatch', '/remove recursive', path_version('/remove', RECURSIVE))
    main.call('removeWatches', 'type 3', path_version('/remove', ANY))
    main.call('setData', '/remove', set_data('/remove', b''))
    exchange('type-unknown', 'Type 0: -5.')
    main.call('removeWatches', 'type 0', path_version('/remove', 0))
    main.call('checkWatches', 'type 9', path_version('/remove', 9))
    exchange('type-persistent', 'Types 4 and 5 are unknown to this server: -5.',
             differs='3.9 and newer know 4 (persistent) and 5 (persistent recursive)')
    main.call('addWatch', '/remove persistent', path_version('/remove', PERSISTENT))
    for kind in (4, 5):
        main.call('removeWatches', f'type {kind}', path_version('/remove', kind))
    exchange('null-path', 'A null path.', differs='ours answers -5, as for every null path',
             malformed='the path is null')
    main.call('removeWatches', 'null', text(None) + b'\0\0\0\3')


SCENARIOS = {
    'watch': ('One-shot watches and their events', watches),
    'set-watches': ('Watches set again after a reconnect', set_watches_again),
    'add-watch': ('Persistent watches', add_watches),
    'remove-watches': ('Watches removed', remove_watches),
}
