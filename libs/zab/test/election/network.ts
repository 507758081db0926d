import type { LinkFailure, Notification, ServerId } from '../../src/index.js';
import type { VirtualTime } from './virtual-time.js';

/** A server, as the network sees it. */
export interface NetworkPeer {
  readonly id: ServerId;
  onNotification(from: ServerId, said: Notification): void;
  onLinkUp(peer: ServerId, rttMs: number | null): void;
  onLinkDown(peer: ServerId, failure: LinkFailure): void;
}

export interface NetworkOptions {
  /** Milliseconds from one server to another, drawn anew for each message. */
  delayMs(from: ServerId, to: ServerId): number;
  /** Whether this message is lost, and the connection with it. */
  loses?(from: ServerId, to: ServerId): boolean;
  /** Sees every message when it is sent. */
  onSend?(from: ServerId, to: ServerId, said: Notification): void;
}

const CONNECT_TIMEOUT_MS = 500;
const IDS_MAX = 1_000;

/** One end of a connection. */
interface End {
  up: boolean;
  dialling: boolean;
  dials: number;
  /** Nothing arrives here earlier than what was sent before. */
  lastArrivalMs: number;
  /** What waits for this end's socket to the other one to take it. The newest replaces the others. */
  waiting: Notification | null;
  /** Until then the socket takes nothing. */
  stalledUntilMs: number;
}

interface Connection {
  generation: number;
  readonly ends: Map<ServerId, End>;
  /** Something was lost while the network was cut, so it will break. */
  torn: boolean;
}

const newEnd = (): End => ({
  up: false,
  dialling: false,
  dials: 0,
  lastArrivalMs: 0,
  waiting: null,
  stalledUntilMs: 0,
});

/** Election connections between servers that crash, hang and are cut off from each other. */
export class ElectionNetwork {
  private readonly peers = new Map<ServerId, NetworkPeer>();
  private readonly connections = new Map<number, Connection>();
  private readonly cut = new Set<number>();
  /** Hosts that do not even say that nobody listens. */
  private readonly silent = new Set<ServerId>();

  constructor(
    private readonly time: VirtualTime,
    private readonly options: NetworkOptions,
  ) {}

  attach(peer: NetworkPeer): void {
    this.peers.set(peer.id, peer);
  }

  isRunning(id: ServerId): boolean {
    return this.peers.has(id);
  }

  /** The process is gone; its host closes or resets what it had open. */
  crash(id: ServerId, failure: LinkFailure): void {
    this.peers.delete(id);
    for (const [other, connection, end] of this.connectionsOf(id)) {
      end.up = false;
      end.dialling = false;
      end.waiting = null;
      connection.generation += 1;
      connection.torn = this.isCut(id, other);
      if (connection.torn) continue;
      const { generation } = connection;
      this.time.after(this.options.delayMs(id, other), () => {
        if (connection.generation === generation) this.fail(other, id, failure);
      });
    }
  }

  /** The host is gone from the network, with or without its process. */
  silence(id: ServerId): void {
    this.silent.add(id);
  }

  cutOff(a: ServerId, b: ServerId): void {
    this.cut.add(nameOf(a, b));
  }

  heal(): void {
    this.cut.clear();
    this.silent.clear();
    for (const [name, connection] of this.connections) {
      if (!connection.torn) continue;
      this.breakConnection(Math.floor(name / IDS_MAX), name % IDS_MAX, 'reset');
    }
  }

  isCut(a: ServerId, b: ServerId): boolean {
    return this.cut.has(nameOf(a, b)) || this.silent.has(a) || this.silent.has(b);
  }

  /** The socket of `from` to `to` takes nothing for a while. */
  stall(from: ServerId, to: ServerId, ms: number): void {
    this.end(from, to).stalledUntilMs = this.time.nowMs + ms;
  }

  breakConnection(a: ServerId, b: ServerId, failure: LinkFailure): void {
    const connection = this.connection(a, b);
    connection.generation += 1;
    connection.torn = false;
    this.fail(a, b, failure);
    this.fail(b, a, failure);
  }

  isUp(from: ServerId, to: ServerId): boolean {
    return this.end(from, to).up;
  }

  connect(from: ServerId, to: ServerId): void {
    const end = this.end(from, to);
    if (end.up || end.dialling) return;
    end.dialling = true;
    const dial = ++end.dials;
    const startedAtMs = this.time.nowMs;
    const isCurrent = () => end.dialling && end.dials === dial;
    this.time.after(this.options.delayMs(from, to), () => {
      if (!isCurrent()) return;
      if (this.isCut(from, to)) {
        this.time.after(CONNECT_TIMEOUT_MS, () => {
          if (isCurrent()) this.fail(from, to, 'lost');
        });
      } else if (this.peers.has(to)) {
        this.establish(from, to, startedAtMs);
      } else {
        this.time.after(this.options.delayMs(to, from), () => {
          if (isCurrent()) this.fail(from, to, 'refused');
        });
      }
    });
  }

  /** Both may send at once; the one who dialled hears of it when the answer is back. */
  private establish(from: ServerId, to: ServerId, startedAtMs: number): void {
    const connection = this.connection(from, to);
    // What `to` has is left from an earlier life of `from`.
    if (this.end(to, from).up) this.fail(to, from, 'lost');
    connection.generation += 1;
    const { generation } = connection;
    const answerMs = this.options.delayMs(to, from);
    this.time.after(answerMs, () => {
      const end = this.end(from, to);
      if (connection.generation !== generation || !end.dialling) return;
      end.dialling = false;
      end.up = true;
      this.peers.get(from)?.onLinkUp(to, this.time.nowMs - startedAtMs);
    });
    const accepting = this.end(to, from);
    accepting.up = true;
    accepting.dialling = false;
    // A dialler hears nothing before it knows that it is connected.
    this.end(from, to).lastArrivalMs = this.time.nowMs + answerMs;
    this.peers.get(to)?.onLinkUp(from, null);
  }

  /** False: there is no connection, and the message is dropped. */
  send(from: ServerId, to: ServerId, said: Notification): boolean {
    const end = this.end(from, to);
    if (!end.up) return false;
    this.options.onSend?.(from, to, said);
    const waitMs = end.stalledUntilMs - this.time.nowMs;
    if (waitMs <= 0) {
      this.transmit(from, to, said);
      return true;
    }
    const { generation } = this.connection(from, to);
    if (end.waiting === null) {
      this.time.after(waitMs, () => {
        const { waiting } = end;
        end.waiting = null;
        const isSame = this.connection(from, to).generation === generation;
        if (isSame && waiting !== null && end.up) this.transmit(from, to, waiting);
      });
    }
    end.waiting = said;
    return true;
  }

  private transmit(from: ServerId, to: ServerId, said: Notification): void {
    const connection = this.connection(from, to);
    if (this.isCut(from, to)) {
      connection.torn = true;
      return;
    }
    if (this.options.loses?.(from, to) === true) {
      this.breakConnection(from, to, 'lost');
      return;
    }
    const receiver = this.end(to, from);
    const { generation } = connection;
    const { nowMs } = this.time;
    const earliestMs = nowMs + this.options.delayMs(from, to);
    receiver.lastArrivalMs = Math.max(receiver.lastArrivalMs, earliestMs);
    this.time.after(receiver.lastArrivalMs - nowMs, () => {
      if (connection.generation !== generation) return;
      if (this.isCut(from, to)) connection.torn = true;
      else if (receiver.up) this.peers.get(to)?.onNotification(from, said);
    });
  }

  private fail(id: ServerId, peer: ServerId, failure: LinkFailure): void {
    const end = this.end(id, peer);
    if (!end.up && !end.dialling) return;
    end.up = false;
    end.dialling = false;
    end.waiting = null;
    this.peers.get(id)?.onLinkDown(peer, failure);
  }

  private connection(a: ServerId, b: ServerId): Connection {
    const name = nameOf(a, b);
    let connection = this.connections.get(name);
    if (connection === undefined) {
      const ends = new Map([
        [a, newEnd()],
        [b, newEnd()],
      ]);
      connection = { generation: 0, ends, torn: false };
      this.connections.set(name, connection);
    }
    return connection;
  }

  private end(id: ServerId, peer: ServerId): End {
    return this.connection(id, peer).ends.get(id)!;
  }

  private connectionsOf(id: ServerId): [ServerId, Connection, End][] {
    return [...this.connections].flatMap(([name, connection]) => {
      const end = connection.ends.get(id);
      const [a, b] = [Math.floor(name / IDS_MAX), name % IDS_MAX];
      return end === undefined ? [] : [[a === id ? b : a, connection, end]];
    });
  }
}

function nameOf(a: ServerId, b: ServerId): number {
  return a < b ? a * IDS_MAX + b : b * IDS_MAX + a;
}
