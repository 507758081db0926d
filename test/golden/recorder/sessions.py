"""Handshakes, the end of sessions, four letter words, and what is refused."""
from jute import (OPERATIONS, auth, create, create_ttl, int32, int64, multi, path_version,
                  path_watch, text)
from recording import NO_PASSWORD

WRONG_PASSWORD = bytes(range(16))


def handshake(recording):
    exchange = recording.exchange
    exchange('new-session', 'A new session; the answer has the field readOnly as the request had.')
    main = recording.session('main')
    exchange('ping', 'A ping is answered with xid -2 and no body.')
    main.call('ping')
    exchange('old-client', 'A request without readOnly is answered without it: 36 bytes.')
    recording.tcp('old').handshake(read_only=None)
    exchange('null-password', 'A new session may send a null password.')
    recording.tcp('null').handshake(password=None)
    exchange('may-be-read-only', 'A client content with a read-only server meets one that is not.')
    recording.tcp('content').handshake(read_only=True)
    exchange('timeout-too-short', 'The timeout is raised to minSessionTimeout.')
    recording.tcp('hasty').handshake(timeout_ms=1)
    exchange('timeout-too-long', 'The timeout is lowered to maxSessionTimeout.')
    recording.tcp('patient').handshake(timeout_ms=3_600_000)

    exchange('reconnect', 'After a lost connection the session goes on, with the new timeout.')
    main.drop()
    again = recording.tcp('again')
    again.handshake(main.zxid, 4000, main.session, main.password)
    exchange('reconnect-while-connected', 'A second connection of a session closes the first.')
    third = recording.tcp('third')
    third.handshake(0, 4000, main.session, main.password)
    again.closed()
    exchange('reconnect-old-client', 'A reconnect without readOnly is answered without it.')
    third.drop()
    recording.tcp('oldAgain').handshake(0, 4000, main.session, main.password, None)

    exchange('another-session', 'A session to be stolen.')
    other = recording.session('other')
    exchange('reconnect-wrong-password', 'A wrong password: timeout 0, session 0, then closed.')
    thief = recording.tcp('thief')
    thief.handshake(0, 4000, other.session, WRONG_PASSWORD)
    thief.closed()
    exchange('reconnect-unknown-session', 'A session that never was is answered as an expired one.')
    ghost = recording.tcp('ghost')
    ghost.handshake(0, 4000, 0x7766554433221100, NO_PASSWORD)
    ghost.closed()
    exchange('reconnect-from-the-future', 'Who has seen a later zxid than the server is sent away.')
    ahead = recording.tcp('ahead')
    ahead.offer(last_zxid=1 << 40)
    ahead.closed()
    exchange('pipelined', 'A request that is sent before the answer waits for it.')
    eager = recording.tcp('eager')
    eager.offer()
    eager.request('ping')
    eager.accepted()
    eager.reply(-2)


def session_end(recording):
    exchange = recording.exchange
    exchange('setup', 'Two sessions and an ephemeral node of the second.')
    main = recording.session('main')
    main.call('create', '/end', create('/end'))
    leaver = recording.session('leaver')
    leaver.call('create', '/end/left ephemeral', create('/end/left', b'', flags=1))
    main.call('exists', '/end/left watch', text('/end/left') + b'\x01')
    exchange('close-session', '''The close is answered, then the server closes; ephemerals are gone
        before the reply.''')
    leaver.call('closeSession')
    leaver.closed()
    main.events(1)
    exchange('reconnect-closed-session', 'A closed session is answered as an expired one.')
    late = recording.tcp('late')
    late.handshake(0, 4000, leaver.session, leaver.password)
    late.closed()
    exchange('write-behind-close', 'What was sent behind a closeSession is not answered.')
    hasty = recording.session('hasty')
    closing = hasty.request('closeSession')
    hasty.request('create', '/end/never', create('/end/never'))
    hasty.reply(closing)
    hasty.closed()
    exchange('expiry-setup', 'A session with a short timeout, an ephemeral node and a watch on it.')
    sleeper = recording.session('sleeper', 1000)
    sleeper.call('create', '/end/slept ephemeral', create('/end/slept', b'', flags=1))
    main.call('exists', '/end/slept watch', text('/end/slept') + b'\x01')
    exchange('expiry', 'Nothing is heard of it: its connection is closed without a frame.')
    main.events(1)
    sleeper.closed()
    exchange('reconnect-expired-session', 'Timeout 0, session 0 and 16 zeros, then closed.')
    late = recording.tcp('tooLate')
    late.handshake(0, 4000, sleeper.session, sleeper.password)
    late.closed()
    exchange('reconnect-expired-old-client', 'The same, 36 bytes, for a request without readOnly.')
    late = recording.tcp('tooLateAndOld')
    late.handshake(0, 4000, sleeper.session, sleeper.password, None)
    late.closed()


def four_letter_words(recording):
    recording.exchange('setup', 'A session with a watch and an ephemeral node.')
    main = recording.session('main')
    main.call('create', '/words ephemeral', create('/words', b'', flags=1))
    main.call('getData', '/words watch', path_watch('/words', True))
    for word, shows in [
        ('ruok', 'The server process is up.'),
        ('isro', 'The server takes writes.'),
        ('srvr', 'Figures of the server.'),
        ('stat', 'The same and its connections.'),
        ('mntr', 'Figures for monitoring, a tab behind each name.'),
        ('cons', 'Connections with their figures.'),
        ('dump', 'Sessions by expiry, and their ephemeral nodes.'),
        ('wchs', 'How many watches there are.'),
        ('wchc', 'Watches by session.'),
        ('wchp', 'Watches by path.'),
        ('dirs', 'Bytes of snapshots and logs.'),
        ('gtmk', 'The trace mask, in decimal.'),
        ('srst', 'Statistics start over.'),
        ('crst', 'Statistics of connections start over.'),
    ]:
        recording.exchange(word, f'{shows} Text without a frame, then closed.')
        asker = recording.tcp(word)
        asker.send_raw(word, word.encode())
        asker.receive_text()
    recording.exchange('unknown-word', 'An unknown word is a frame that is too long: closed.')
    asker = recording.tcp('unknown')
    asker.send_raw('abcd', b'abcd')
    asker.closed()
    recording.exchange('word-after-handshake', 'Behind the handshake a word is such a frame too.')
    main.send_raw('ruok', b'ruok')
    main.closed()


def refused(recording):
    exchange = recording.exchange
    exchange('reconfig-disabled', 'Without reconfigEnabled every reconfig is refused.')
    main = recording.session('main')
    nothing = text(None) * 3 + int64(-1)
    main.call('reconfig', 'no change', nothing)
    exchange('sasl-not-configured', 'A server without SASL answers a null token.')
    main.call('sasl', 'empty token', text(b''))
    exchange('undecodable', 'A body that ends early is answered -5; the connection goes on.',
             malformed='the path is announced as 9 bytes and has 2')
    main.call('getData', 'cut', int32(9) + b'/a')
    exchange('undecodable-write', 'The same for a write, which uses a zxid nevertheless.',
             differs='ours uses no zxid for it',
             malformed='the path is announced as 9 bytes and has 2')
    main.call('create', 'cut', int32(9) + b'/a')
    exchange('negative-length', 'A string of length -2 is answered -5.',
             malformed='no length is below -1')
    main.call('getData', 'length -2', int32(-2) + b'\x00')
    exchange('null-path', 'A null path is answered -5.', malformed='the path is null')
    main.call('getData', 'null', text(None) + b'\x00')
    exchange('trailing-bytes', 'Bytes behind a request are ignored.',
             malformed='four bytes stand behind the record')
    main.call('getData', '/zookeeper and more', text('/zookeeper') + b'\x00' + b'more')
    refused_and_closed(recording)


def refused_and_closed(recording):
    exchange = recording.exchange
    for number in (0, 10, 99, -1, 2147483647):
        exchange(f'unknown-operation-{number}', 'Answered -6 with zxid -1, then closed.')
        caller = recording.session(f'caller{number}'.replace('-', 'Minus'))
        caller.call(number)
        caller.closed()
    exchange('check-alone', 'A check outside a multi: closed without an answer.',
             differs='3.8.6, 3.9.3 and newer answer -6 and close, and so do we')
    caller = recording.session('checker')
    caller.request('check', '/zookeeper', path_version('/zookeeper'))
    caller.closed()
    exchange('create-session-inside', 'The internal createSession from a client.',
             differs='ours answers -6 and closes')
    caller = recording.session('nested')
    caller.request('createSession', '', int32(4000))
    caller.receive('a frame like the answer to a handshake')
    exchange('delete-container', 'The internal deleteContainer from a client.',
             differs='ours answers -6 and closes', malformed='the path has no length')
    caller = recording.session('reaper')
    caller.call('create', '/refused', create('/refused'))
    caller.call('deleteContainer', '/refused', b'/refused')
    for name, raw in [('frame-too-long', int32(1 << 20)), ('frame-negative', int32(-1))]:
        exchange(name, 'Closed without an answer.')
        caller = recording.session(name.replace('-', ''))
        caller.send_raw('length', raw)
        caller.closed()
    exchange('handshake-too-long', 'A first frame over the limit: closed without an answer.')
    caller = recording.tcp('shouter')
    caller.send_raw('GET / HTTP', b'GET / HTTP/1.1\r\n\r\n')
    caller.closed()
    exchange('auth-cut', 'An auth packet that ends early.', malformed='the scheme has no end')
    caller = recording.session('cutter')
    caller.request('auth', 'cut', auth('digest', b'u:p')[:10])
    caller.closed()
    exchange('header-cut', 'A frame of four bytes has no operation.', malformed='half a header')
    caller = recording.session('halver')
    caller.send('half a header', int32(7))
    caller.closed()
    exchange('handshake-cut', 'A handshake of eight bytes.', malformed='the session is missing')
    caller = recording.tcp('shaker')
    caller.send('half a handshake', int32(0) + int32(0))
    caller.closed()


def other_settings(recording):
    exchange = recording.exchange
    exchange('ttl-disabled', 'Without extendedTypesEnabled: -6, and the connection goes on.')
    main = recording.session('main')
    main.call('createTTL', '/ttl', create_ttl('/ttl', 1000))
    exchange('ttl-disabled-multi', 'The same as an operation of a multi.')
    main.call('multi', 'createTTL', multi(('createTTL', create_ttl('/ttl', 1000))))
    exchange('ttl-disabled-create', 'TTL flags under operation 1: -6 comes before -8.')
    main.call('create', '/ttl flags 5', create('/ttl', b'', flags=5))
    exchange('reconfig-standalone', 'reconfigEnabled, but no ensemble: -6.')
    main.call('reconfig', 'no change', text(None) * 3 + int64(-1))
    exchange('word-not-allowed', 'A word that is not in the whitelist.')
    asker = recording.tcp('asker')
    asker.send_raw('ruok', b'ruok')
    asker.receive_text()


SCENARIOS = {
    'handshake': ('How sessions begin and go on', handshake),
    'session-end': ('How sessions end', session_end),
    'four-letter-words': ('Words instead of a handshake', four_letter_words),
    'refused': ('What is refused, and what is closed for it', refused),
}

# Needs a server with other settings than the rest, so it runs only when it is named.
SPECIAL_SCENARIOS = {
    'other-settings': ('A server without TTL nodes and words, but reconfig', other_settings),
}

assert 10 not in OPERATIONS.values(), 'an operation that the scenarios call unknown'
