"""Several operations in one request."""
from jute import (MULTI_END, OPERATIONS, create, create_ttl, multi, multi_header, path_version,
                  path_watch, set_data, text)


def multis(recording):
    exchange = recording.exchange
    exchange('setup', 'A session and a node to work below.')
    main = recording.session('main')
    main.call('create', '/multi', create('/multi'))

    def run(name, shows, *operations, **kept):
        exchange(name, shows, **kept)
        main.call('multi', ' '.join(operation for operation, _ in operations), multi(*operations))

    run('all-kinds', 'Every operation that a multi takes; one zxid for all.',
        ('create', create('/multi/a', b'one')),
        ('create2', create('/multi/b', b'two')),
        ('createContainer', create('/multi/c', b'', flags=4)),
        ('createTTL', create_ttl('/multi/t', 600_000)),
        ('setData', set_data('/multi/a', b'three', 0)),
        ('check', path_version('/multi/a', 1)),
        ('delete', path_version('/multi/b', 0)))
    run('empty', 'No operation: the end marker alone, and a zxid is used.')
    run('failed', '''The error of the operation that failed; 0 before it and -2 behind it, all of
        type -1; the header says no error.''',
        ('create', create('/multi/x')),
        ('delete', path_version('/multi/no')),
        ('setData', set_data('/multi/a', b'')))
    exchange('failed-undone', 'Nothing of it was applied.')
    main.call('exists', '/multi/x', path_watch('/multi/x'))
    run('first-fails', 'The first operation fails.', ('check', path_version('/multi/a', 9)),
        ('create', create('/multi/x')))
    run('last-fails', 'The last operation fails.', ('create', create('/multi/x')),
        ('create', create('/multi/x')))
    run('failed-alone', 'One operation, which fails.', ('check', path_version('/multi/no')))
    run('create-and-delete', 'A later operation sees what an earlier one did.',
        ('create', create('/multi/y')), ('create', create('/multi/y/z', b'', flags=1)),
        ('delete', path_version('/multi/y/z')), ('delete', path_version('/multi/y')))
    run('failed-sequential', 'A failed multi uses no number.',
        ('create', create('/multi/s-', b'', flags=2)), ('check', path_version('/multi/no')))
    run('sequential', 'Numbers follow one another inside a multi.',
        ('create', create('/multi/s-', b'', flags=2)),
        ('create2', create('/multi/s-', b'', flags=3)))
    run('versions', 'Versions go up inside a multi.',
        ('setData', set_data('/multi/a', b'', 1)), ('setData', set_data('/multi/a', None, 2)),
        ('check', path_version('/multi/a', 3)))
    run('bad-arguments', 'A bad path fails as in a request of its own.',
        ('create', create('/multi/..')), ('delete', path_version('/')))
    run('reads-refused', 'A read in a multi: -5 in the header.',
        ('create', create('/multi/x')), ('getData', path_watch('/multi/a')))
    run('unknown-refused', 'An operation that a multi does not take: -5 in the header.',
        ('setACL', path_version('/multi/a')), malformed='setACL cannot stand in a multi')
    exchange('no-end', 'The end marker is missing: -5 in the header.',
             malformed='the end marker is missing')
    body = multi(('create', create('/multi/x')))
    main.call('multi', 'create', body[:-len(MULTI_END)])
    exchange('odd-header', 'The err of a header in a request means nothing.',
             malformed='err is 7 where clients write -1')
    odd = multi_header(OPERATIONS['check'], False, 7) + path_version('/multi/a') + MULTI_END
    main.call('multi', 'check', odd)
    multi_events(recording, main)


def multi_events(recording, main):
    exchange = recording.exchange
    exchange('events', 'Events of a multi come in the order of its operations.')
    watcher = recording.session('watcher')
    main.call('create', '/multi/w', create('/multi/w'))
    watcher.call('exists', '/multi/w/n watch', path_watch('/multi/w/n', True))
    watcher.call('getChildren', '/multi/w watch', path_watch('/multi/w', True))
    watcher.call('getData', '/multi/a watch', path_watch('/multi/a', True))
    body = multi(('setData', set_data('/multi/a', b'')), ('create', create('/multi/w/n')))
    main.call('multi', 'setData create', body)
    watcher.events(3)
    exchange('failed-no-events', 'A failed multi fires nothing.')
    watcher.call('getData', '/multi/a watch', path_watch('/multi/a', True))
    body = multi(('setData', set_data('/multi/a', b'')), ('check', path_version('/multi/no')))
    main.call('multi', 'setData check', body)
    watcher.quiet()


def multi_reads(recording):
    exchange = recording.exchange
    exchange('setup', 'A session and some nodes.')
    main = recording.session('main')
    main.call('create', '/reads', create('/reads', b'data'))
    main.call('create', '/reads/null', create('/reads/null', None))
    main.call('create', '/reads/closed', create('/reads/closed', b'', [(2, 'world', 'anyone')]))

    def run(name, shows, *operations):
        exchange(name, shows)
        main.call('multiRead', ' '.join(operation for operation, _ in operations),
                  multi(*operations))

    run('both-kinds', 'getData and getChildren.', ('getData', path_watch('/reads')),
        ('getChildren', path_watch('/reads/null')), ('getData', path_watch('/reads/null')))
    run('some-fail', 'Each succeeds or fails alone; the header says no error.',
        ('getData', path_watch('/reads/no')), ('getData', path_watch('/reads/closed')),
        ('getChildren', path_watch('/reads/no')), ('getData', path_watch('/reads')))
    run('empty', 'No operation.')
    run('writes-refused', 'A write in a multiRead: -5 in the header.',
        ('getData', path_watch('/reads')), ('delete', path_version('/reads')))
    exchange('exists-refused', 'exists cannot stand there: -5 in the header.',
             malformed='exists cannot stand in a multiRead')
    main.call('multiRead', 'exists', multi(('exists', text('/reads') + b'\0')))
    exchange('watch-ignored', 'The watch flag sets no watch.')
    main.call('multiRead', 'getData watch', multi(('getData', path_watch('/reads', True))))
    main.call('setData', '/reads', set_data('/reads', b''))


SCENARIOS = {
    'multi': ('Writes that happen together or not at all', multis),
    'multi-read': ('Reads in one request', multi_reads),
}
