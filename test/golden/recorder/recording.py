"""Talks to a server and writes down every byte that passes; the README has the file's grammar."""
import contextlib
import socket
import struct

from jute import OPERATIONS, connect_request, int32

XID = {'ping': -2, 'auth': -4, 'setWatches': -8, 'setWatches2': -8}
TIMEOUT_MS = 10_000
NO_PASSWORD = bytes(16)
EVENT_ZXID = 'event zxid: 3.9 and newer send that of the change, not -1'


class Recording:
    """One file: a subject and its exchanges, in the order in which they happened."""

    def __init__(self, address, server, subject):
        self.address = address
        self.lines = [f'# {subject}', f'# Recorded from {server}.']
        self.connections = []

    def exchange(self, name, shows, differs=None, malformed=None):
        """Starts a block. `differs`, `malformed`: why a reader must treat it apart."""
        self.lines += ['', f'exchange {name}', 'shows ' + ' '.join(shows.split())]
        if differs:
            self.lines.append(f'reference-differs {differs}')
        if malformed:
            self.lines.append(f'malformed {malformed}')

    def differs(self, why):
        """Marks the exchange that is under way, unless it is marked."""
        at = max(at for at, line in enumerate(self.lines) if line.startswith('exchange ')) + 2
        if not any(line.startswith('reference-differs ') for line in self.lines[at:at + 1]):
            self.lines.insert(at, f'reference-differs {why}')

    def tcp(self, label):
        """A connection that has sent nothing."""
        connection = Connection(self, label)
        self.connections.append(connection)
        return connection

    def session(self, label, timeout_ms=TIMEOUT_MS):
        """A connection with a new session; call it inside an exchange."""
        connection = self.tcp(label)
        connection.handshake(timeout_ms=timeout_ms)
        return connection

    def write_to(self, path):
        for connection in self.connections:
            connection.socket.close()
        path.write_text('\n'.join(self.lines) + '\n')

    def step(self, label, mark, note='', payload=b''):
        printable = note.encode('unicode_escape').decode()
        self.lines.append(f'{label} {mark} {printable}'.rstrip())
        groups = [payload[at:at + 4].hex() for at in range(0, len(payload), 4)]
        self.lines += ['  ' + ' '.join(groups[at:at + 8]) for at in range(0, len(groups), 8)]


class Connection:
    def __init__(self, recording, label):
        self.recording = recording
        self.label = label
        self.socket = socket.create_connection(recording.address, timeout=30)
        self.xid = 0
        self.zxid = 0
        self.session = 0
        self.password = NO_PASSWORD
        self.greeted = False
        self.held = None

    # Frames

    def send(self, note, payload):
        frame = int32(len(payload)) + payload
        self.recording.step(self.label, '>', note, frame)
        if self.held is None:
            self.socket.sendall(frame)
        else:
            self.held += frame

    @contextlib.contextmanager
    def together(self):
        """What is sent inside leaves in one piece."""
        self.held = b''
        yield
        self.socket.sendall(self.held)
        self.held = None

    def receive(self, note=None):
        head = self.exactly(4)
        payload = self.exactly(struct.unpack('>i', head)[0])
        self.recording.step(self.label, '<', note or self.describe(payload), head + payload)
        return payload

    def send_raw(self, note, payload):
        self.recording.step(self.label, '>>', note, payload)
        self.socket.sendall(payload)

    def receive_text(self):
        """What comes until the server closes, as text that is no frame."""
        received = b''
        while chunk := self.socket.recv(65536):
            received += chunk
        self.recording.step(self.label, '<<')
        self.recording.lines += ['  |' + line for line in received.decode().split('\n')]
        self.recording.step(self.label, 'closed')

    def closed(self):
        """The server closes without another byte."""
        with contextlib.suppress(ConnectionResetError):
            assert self.socket.recv(1) == b'', 'expected the server to close'
        self.recording.step(self.label, 'closed')

    def drop(self):
        """The client closes without a word."""
        self.socket.close()
        self.recording.step(self.label, 'drops')

    def exactly(self, length):
        received = b''
        while len(received) < length:
            chunk = self.socket.recv(length - len(received))
            assert chunk, f'{self.label}: closed by the server\n' + self.recent()
            received += chunk
        return received

    def recent(self):
        return '\n'.join(self.recording.lines[-12:])

    def describe(self, payload):
        if not self.greeted:
            self.greeted = True
            _, timeout_ms, session = struct.unpack('>iiq', payload[:16])
            return f'connected timeout={timeout_ms} session=0x{session & (1 << 64) - 1:x}'
        xid, zxid, err = struct.unpack('>iqi', payload[:16])
        if xid == -1:
            kind, _, length = struct.unpack('>iii', payload[16:28])
            return f'event type={kind} path={payload[28:28 + length].decode()} zxid={zxid}'
        return f'reply xid={xid} zxid={zxid} err={err}'

    # Sessions

    def handshake(self, last_zxid=0, timeout_ms=TIMEOUT_MS, session=0, password=NO_PASSWORD,
                  read_only=False):
        self.offer(last_zxid, timeout_ms, session, password, read_only)
        self.accepted()

    def offer(self, last_zxid=0, timeout_ms=TIMEOUT_MS, session=0, password=NO_PASSWORD,
              read_only=False):
        request = connect_request(last_zxid, timeout_ms, session, password, read_only)
        self.send(f'connect timeout={timeout_ms} lastZxidSeen={last_zxid}', request)

    def accepted(self):
        payload = self.receive()
        self.session = struct.unpack('>q', payload[8:16])[0]
        self.password = payload[20:36]

    def request(self, operation, note='', body=b'', xid=None):
        """Sends a request and does not wait; returns its xid."""
        if xid is None:
            xid = XID.get(operation)
        if xid is None:
            self.xid += 1
            xid = self.xid
        number = OPERATIONS.get(operation, operation)
        self.send(f'{operation} {note}'.strip(), int32(xid) + int32(number) + body)
        return xid

    def reply(self, xid):
        """Receives up to the reply to `xid`; events that come before it are written down too."""
        while True:
            payload = self.receive()
            got, zxid, _ = struct.unpack('>iqi', payload[:16])
            if got == xid:
                self.zxid = zxid
                return payload[16:]
            if xid != XID['setWatches']:
                self.recording.differs(EVENT_ZXID)
            assert got == -1, f'{self.label}: wanted {xid}, got {got}\n' + self.recent()

    def call(self, operation, note='', body=b'', xid=None):
        return self.reply(self.request(operation, note, body, xid))

    def events(self, count):
        self.recording.differs(EVENT_ZXID)
        for _ in range(count):
            assert self.receive()[:4] == int32(-1), 'expected an event\n' + self.recent()

    def quiet(self):
        """Shows that nothing was sent to this connection: a ping is answered, nothing precedes."""
        self.request('ping')
        assert self.receive()[:4] == int32(-2), 'expected silence\n' + self.recent()
