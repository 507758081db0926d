import type { ByteStream, Clock, Network } from '@aviary/foundation';
import {
  initialMessage,
  type HostPort,
  type InitialMessage,
  type NotificationMessage,
} from '@aviary/protocol';
import type { LinkFailure, ServerId } from '@aviary/zab';
import { Caller, type CallerOwner } from './caller.js';
import { Dial, type DialOutcome } from './dial.js';
import type { ElectionLimits } from './options.js';
import { PeerLink, type LinkOwner } from './peer-link.js';
import { PeerSlot } from './peer-slot.js';
import type { ThrottledLog } from './throttled-log.js';

/** A call that comes so soon after we connected was made before the peer knew. */
const CALL_CROSSES_MS = 100;
/** An attempt to connect that has taken longer is hanging, when the peer itself calls. */
const ATTEMPT_HANGS_MS = 250;
/** A peer that has not connected so long after it was asked to is worth a line. */
const CALL_BACK_MS = 1000;
/** How long a call of ours may make a peer replace a connection that has crossed it. */
const DISTURBANCE_MS = 300;
/** How long the replacement may take. */
const HOLD_MS = 50;
/** The peer closes a connection of ours that we have replaced; after so long we do. */
const RETIREMENT_MS = 1000;
/** What was said earlier has arrived, or does not matter any more. */
const RESEND_WITHIN_MS = 1000;
/** Of the addresses that a peer says it has; a name among them may be looked up for each call. */
const CALLED_ADDRESSES_MAX = 8;

/** What {@link Connections} tell of. */
export interface ConnectionsOwner {
  /** Connected, or connected anew. `rttMs`: how long that took, if we ever began; else null. */
  onLinkUp(peer: ServerId, rttMs: number | null): void;
  /** A connection ended, or could not be made; not when it was replaced. */
  onLinkDown(peer: ServerId, failure: LinkFailure): void;
  onNotification(peer: ServerId, message: NotificationMessage): void;
}

/** Who we are, on the election ports of others. */
export interface ConnectionsOptions {
  readonly me: ServerId;
  readonly ownAddresses: readonly HostPort[];
  readonly isMultiAddress: boolean;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly limits: ElectionLimits;
}

/**
 * One connection to each peer, by the rule of QuorumCnxManager: the one lives that was begun by the
 * server with the larger id. Who has the smaller one only calls: it connects, says who it is and
 * closes, and is connected to at the addresses that it said.
 *
 * Where two servers find each other at once, connections and calls cross. In ZooKeeper each call ends
 * a connection that is there, and some are made twice. Here a call that must have been on its way when
 * the connection came is passed over; and since ZooKeeper's servers do not do so, a connection that
 * ends after a call of ours is given a moment to come again before it counts as lost.
 */
export class Connections implements LinkOwner, CallerOwner {
  private readonly slots = new Map<ServerId, PeerSlot>();
  private readonly callers = new Set<Caller>();
  private readonly initial: Uint8Array;
  private topic = 0;
  private isClosed = false;

  /** `addresses`: of all members; who is not among them is a stranger, and never dialled first. */
  constructor(
    private readonly options: ConnectionsOptions,
    private addresses: ReadonlyMap<ServerId, readonly HostPort[]>,
    private readonly network: Network,
    private readonly clock: Clock,
    private readonly log: ThrottledLog,
    private readonly owner: ConnectionsOwner,
  ) {
    const { me, ownAddresses, isMultiAddress } = options;
    this.initial = initialMessage(me, ownAddresses, isMultiAddress);
  }

  /** Those to whom there is a connection, ascending. */
  get connected(): readonly ServerId[] {
    const up = [...this.slots.values()].filter(({ link }) => link !== null);
    return up.map(({ id }) => id).sort((a, b) => a - b);
  }

  configure(addresses: ReadonlyMap<ServerId, readonly HostPort[]>): void {
    this.addresses = addresses;
  }

  /** What was said so far is no longer true: it is not said again on a new connection. */
  changeTopic(): void {
    this.topic++;
  }

  close(): void {
    this.isClosed = true;
    for (const caller of this.callers) caller.drop();
    for (const slot of this.slots.values()) slot.drop();
    this.callers.clear();
    this.slots.clear();
  }

  /**
   * Connects to `peer`, or calls it so that it connects to us, unless that is under way. How it went
   * is told, except that a peer was called.
   */
  connect(peer: ServerId): void {
    if (this.isClosed) return;
    const slot = this.slotOf(peer);
    if (slot.isIdle) this.dial(slot, this.addresses.get(peer) ?? []);
  }

  /** Sends to `peer`; what waits for it already is dropped, as is everything without a connection. */
  say(peer: ServerId, frame: Uint8Array): void {
    const slot = this.slots.get(peer);
    if (slot === undefined) return;
    slot.last = { frame, saidAtMs: this.clock.monotonicMs(), topic: this.topic };
    slot.link?.send(frame);
  }

  accept(stream: ByteStream): void {
    if (this.isClosed) {
      stream.destroy();
      return;
    }
    const { handshakeTimeoutMs, limits } = this.options;
    if (this.callers.size >= limits.callersMax) this.dropOldestCaller();
    const caller = new Caller(stream, this.clock, handshakeTimeoutMs, this);
    this.callers.add(caller);
    stream.start(caller);
  }

  onDismissed(caller: Caller, reason: string | null): void {
    this.callers.delete(caller);
    if (reason !== null) this.refuse(caller, reason);
  }

  onIntroduced(caller: Caller, { serverId, addresses }: InitialMessage): PeerLink | null {
    this.callers.delete(caller);
    const { me } = this.options;
    if (serverId !== null && serverId > me) return this.takeOver(caller, serverId);
    caller.stream.destroy();
    if (serverId === null) {
      this.refuse(
        caller,
        'It is an observer of before ZooKeeper 3.5, which cannot be called back.',
      );
    } else if (serverId < 0) {
      this.refuse(caller, `It says that it is server ${serverId}: ids begin at 0.`);
    } else if (serverId === me) {
      this.refuse(
        caller,
        `It says that it is server ${me}, as we are: one of the two needs another id in its ` +
          'myid file, or an address in the configuration leads to the wrong server.',
      );
    } else this.callBack(serverId, addresses);
    return null;
  }

  onNotification({ peer }: PeerLink, message: NotificationMessage): void {
    this.owner.onNotification(peer, message);
  }

  onIgnored({ peer }: PeerLink, reason: string): void {
    this.log.warn(`ignored ${this.subject(peer)}`, `Server ${peer} makes no sense: ${reason}.`);
  }

  onBroken(link: PeerLink, reason: string): void {
    const { peer, remoteAddress } = link;
    const message = `The election connection with server ${peer} is closed: ${reason}.`;
    this.log.warn(`broken ${this.subject(peer)}`, message, { peer: remoteAddress });
  }

  onFlood({ peer, remoteAddress }: PeerLink): void {
    const message = `Server ${peer} sends more than any election takes; it is slowed down.`;
    this.log.warn(`flood ${this.subject(peer)}`, message, { peer: remoteAddress });
  }

  onLinkClosed(link: PeerLink, failure: LinkFailure): void {
    const slot = this.slots.get(link.peer);
    if (slot?.link !== link) return;
    slot.link = null;
    const { unanswered, disturbedAtMs } = slot;
    slot.unanswered = null;
    slot.disturbedAtMs = null;
    if (unanswered !== null && this.ageMs(link.sinceMs) < CALL_CROSSES_MS) {
      // The peer meant it: it had restarted just then.
      this.dial(slot, unanswered);
    } else if (disturbedAtMs !== null && this.ageMs(disturbedAtMs) < DISTURBANCE_MS) {
      // To call again would have the same effect on what comes now, and so on.
      slot.hold = this.clock.setTimer(HOLD_MS, () => {
        slot.hold = null;
        this.lose(slot, failure);
      });
      return;
    }
    this.lose(slot, failure);
  }

  private lose(slot: PeerSlot, failure: LinkFailure): void {
    if (slot.isIdle && this.isStranger(slot.id)) this.slots.delete(slot.id);
    this.owner.onLinkDown(slot.id, failure);
  }

  /** A peer with a larger id has connected. */
  private takeOver(caller: Caller, id: ServerId): PeerLink {
    const { stream } = caller;
    const slot = this.slotOf(id);
    slot.dial?.cancel();
    slot.dial = null;
    const before = slot.link?.remoteAddress ?? stream.remote.address;
    if (before !== stream.remote.address) {
      const message =
        `Server ${id} has connected from ${stream.remote.address} while it is connected ` +
        `from ${before}: if both run, two servers have one id in their myid files.`;
      this.log.warn(`moved ${this.subject(id)}`, message);
    }
    return this.adopt(slot, stream, false);
  }

  /** A peer with a smaller id wants to be connected to. */
  private callBack(id: ServerId, said: readonly HostPort[]): void {
    const slot = this.slotOf(id);
    const known = this.addresses.get(id) ?? [];
    const targets = [...said.slice(0, CALLED_ADDRESSES_MAX), ...known];
    const { link, dial } = slot;
    const isCrossing = link !== null && this.ageMs(link.sinceMs) < CALL_CROSSES_MS;
    if (isCrossing || (dial !== null && this.ageMs(dial.startedMs) < ATTEMPT_HANGS_MS)) {
      slot.unanswered = targets;
      return;
    }
    dial?.cancel();
    this.dial(slot, targets);
  }

  private dial(slot: PeerSlot, targets: readonly HostPort[]): void {
    const { askedAtMs, id } = slot;
    if (askedAtMs !== null && this.ageMs(askedAtMs) > CALL_BACK_MS) {
      const where = this.options.ownAddresses.map(({ host, port }) => `${host}:${port}`).join(', ');
      const message = `Server ${id} was asked to connect to us and has not: can it reach ${where}?`;
      this.log.warn(`silent ${this.subject(id)}`, message);
    }
    const { connectTimeoutMs } = this.options;
    const dial = new Dial(this.network, this.clock, connectTimeoutMs, (outcome) => {
      slot.dial = null;
      this.onDialled(slot, outcome);
    });
    slot.dial = dial;
    dial.begin(targets);
  }

  private onDialled(slot: PeerSlot, outcome: DialOutcome): void {
    const { id, unanswered } = slot;
    slot.unanswered = null;
    if (outcome.kind === 'failed') {
      if (unanswered !== null) {
        this.dial(slot, unanswered);
        return;
      }
      const why = outcome.problem === '' ? 'it has no address' : outcome.problem;
      const message = `Cannot reach server ${id} for elections: ${why}.`;
      this.log.warn(`reach ${this.subject(id)}`, message);
      slot.askedAtMs = null;
      // The peer wanted another connection in place of this one.
      slot.link?.drop();
      slot.link = null;
      this.lose(slot, outcome.failure);
      return;
    }
    const { stream, rttMs } = outcome;
    slot.rttMs = rttMs;
    stream.write(this.initial);
    if (id < this.options.me) {
      this.adopt(slot, stream, true);
      return;
    }
    stream.end();
    slot.askedAtMs ??= this.clock.monotonicMs();
    slot.disturbedAtMs = this.clock.monotonicMs();
  }

  private adopt(slot: PeerSlot, stream: ByteStream, isOutgoing: boolean): PeerLink {
    const { link: before, last, rttMs, id } = slot;
    const link = new PeerLink(id, stream, isOutgoing, this.clock, this);
    slot.link = link;
    slot.hold?.cancel();
    slot.hold = null;
    slot.askedAtMs = null;
    slot.unanswered = null;
    // To close it first would look to the peer as if we had gone.
    if (isOutgoing) before?.retire(RETIREMENT_MS);
    else before?.drop();
    if (isOutgoing) stream.start(link);
    this.owner.onLinkUp(id, rttMs);
    if (last !== null && last === slot.last && slot.link === link) this.sayAgain(slot, link);
    return link;
  }

  /**
   * The last message may have been lost with the connection before. It is said again as in
   * QuorumCnxManager.SendWorker, but only if that can matter: to a ZooKeeper server that is about to
   * decide, every message means another 200 ms of waiting.
   */
  private sayAgain({ last }: PeerSlot, link: PeerLink): void {
    if (last?.topic !== this.topic || this.ageMs(last.saidAtMs) > RESEND_WITHIN_MS) return;
    link.send(last.frame);
  }

  private slotOf(id: ServerId): PeerSlot {
    const known = this.slots.get(id);
    if (known !== undefined) return known;
    if (this.isStranger(id)) this.makeRoomForStranger();
    const slot = new PeerSlot(id);
    this.slots.set(id, slot);
    return slot;
  }

  private makeRoomForStranger(): void {
    const strangers = [...this.slots.values()].filter((slot) => this.isStranger(slot.id));
    if (strangers.length < this.options.limits.strangersMax) return;
    const [oldest] = strangers;
    const message =
      `More than ${this.options.limits.strangersMax} servers that are not in the configuration ` +
      'connect for elections; the oldest connection is closed.';
    this.log.warn('strangers', message);
    oldest.drop();
    this.slots.delete(oldest.id);
    this.owner.onLinkDown(oldest.id, 'lost');
  }

  private dropOldestCaller(): void {
    const [oldest] = this.callers;
    this.callers.delete(oldest);
    oldest.drop();
    this.refuse(oldest, 'There are too many that have not said whose they are.');
  }

  private refuse({ stream }: Caller, why: string): void {
    const message = `A connection from ${stream.remote.address} to the election port is closed. ${why}`;
    this.log.warn('callers', message);
  }

  private isStranger(id: ServerId): boolean {
    return !this.addresses.has(id);
  }

  /** What is logged of strangers counts as one. */
  private subject(id: ServerId): string {
    return this.isStranger(id) ? 'strangers' : String(id);
  }

  private ageMs(sinceMs: number): number {
    return this.clock.monotonicMs() - sinceMs;
  }
}
