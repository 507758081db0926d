import { childPath, nodeName } from '@aviary/foundation';
import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  NodeExistsError,
  SessionExpiredError,
  TransactionFailedError,
  type NodeChildren,
  type ProtectedNode,
  type Stat,
  type Transaction,
  type TransactionResult,
} from '@aviary/client';
import { whenAborted, type BarrierHost } from './barrier-host.js';
import { MEMBER, READY, membersAmong } from './members.js';
import { Round } from './round.js';
import { removeStaleReady } from './stale-ready.js';
import type { Wait } from './wait.js';

/** Options of calls that belong to one session. */
type InSession = Wait['options'] & { readonly inSession: bigint };

/**
 * One attempt to enter a double barrier.
 *
 * What makes a round is one transaction: it checks that `quantity` members are there and creates
 * `ready`. So at the zxid of `ready`, which is the round's token, they all stood inside, whoever
 * may have died between the look and the deed. A member's node that is older than `ready` belongs
 * to the round; one that is younger came too late, and its owner steps out again.
 *
 * Nobody enters while `ready` is there. It is there as long as members of its round are; if it is
 * there without any, it is a leftover, and goes.
 */
export class Entry {
  private readonly host: BarrierHost;
  private readonly path: string;
  private readonly quantity: number;
  private readonly wait: Wait;
  private readonly readyPath: string;

  constructor(host: BarrierHost, path: string, quantity: number, wait: Wait) {
    this.host = host;
    this.path = path;
    this.quantity = quantity;
    this.wait = wait;
    this.readyPath = childPath(path, READY);
  }

  /** To be called once. */
  async run(): Promise<Round> {
    for (;;) {
      try {
        await this.stayOutside();
        const round = await this.inSession(await this.session());
        if (round !== null) return round;
      } catch (error) {
        if (!this.host.isPassing(error, this.wait)) throw error;
      }
    }
  }

  private async session(): Promise<bigint> {
    const { zk } = this.host;
    return zk.sessionId ?? (await zk.connect(this.wait.options)).sessionId;
  }

  /** Waits until no round is open. */
  private async stayOutside(): Promise<void> {
    for (;;) {
      const { options, signal } = this.wait;
      const { children, stat } = await this.list(options);
      if (!children.includes(READY)) return;
      const members = membersAmong(children);
      if (members.length === 0) {
        await removeStaleReady(this.host.zk, this.path, stat.version, options);
        continue;
      }
      this.wait.note(`the members of a round have not left (${members.length} are inside)`);
      await this.untilOneGoes([READY, members[0] ?? READY]);
      signal.throwIfAborted();
    }
  }

  /** The directory; made, if it is not there. */
  private async list(options: Wait['options']): Promise<NodeChildren> {
    for (;;) {
      try {
        return await this.host.zk.children(this.path, options);
      } catch (error) {
        if (!(error instanceof NoNodeError)) throw error;
        await this.host.ensureParent(this.readyPath, options);
      }
    }
  }

  /**
   * Waits until one of these nodes changes or is gone. The last of a round to leave has the lowest
   * name.
   */
  private async untilOneGoes(names: readonly string[]): Promise<void> {
    const { options, signal } = this.wait;
    const done = new AbortController();
    const both = AbortSignal.any([signal, done.signal]);
    try {
      const watches = await Promise.all(
        names.map(async (name) => {
          const { watch } = await this.host.zk.getAndWatch(childPath(this.path, name), {
            ...options,
            signal: both,
          });
          return watch;
        }),
      );
      await Promise.race(watches.map(({ fired }) => fired));
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
    } finally {
      done.abort();
    }
  }

  /** null: too late for this round, or our node is gone; start again. */
  private async inSession(sessionId: bigint): Promise<Round | null> {
    const options = { ...this.wait.options, inSession: sessionId };
    const node = await this.step(options);
    try {
      // Found after a lost answer, it could be anybody's; its owner says whose it is.
      if (node.stat.ephemeralOwner === sessionId) {
        const round = await this.awaitOpening(node, options);
        if (round !== null) return round;
      }
    } catch (error) {
      // Deleted in this turn, so that whatever the caller asks next comes after it.
      this.host.sweepAfter(this.host.removals.remove(node), this.path);
      throw error;
    }
    // Only one place at a time: a second node of ours would count twice.
    await Promise.race([this.host.removals.remove(node), whenAborted(this.wait.signal)]);
    this.wait.signal.throwIfAborted();
    return null;
  }

  /** Creates our member. */
  private async step(options: InSession): Promise<ProtectedNode> {
    const { zk, identity, acl } = this.host;
    for (;;) {
      try {
        const settings = { mode: 'ephemeral', acl, ...options } as const;
        return await zk.createProtected(childPath(this.path, MEMBER), identity, settings);
      } catch (error) {
        // Containers go when they are empty: the directory may vanish as often as it is made.
        if (!(error instanceof NoNodeError)) throw error;
        await this.host.ensureParent(this.readyPath, this.wait.options);
      }
    }
  }

  private async awaitOpening(node: ProtectedNode, options: InSession): Promise<Round | null> {
    for (;;) {
      try {
        const look = new AbortController();
        const signal = AbortSignal.any([options.signal, look.signal]);
        try {
          const round = await this.look(node, { ...options, signal });
          if (round !== 'wait') return round;
        } finally {
          look.abort();
        }
      } catch (error) {
        // The node is in doubt only with its session.
        if (!(error instanceof ConnectionLossError)) throw error;
      }
      this.wait.signal.throwIfAborted();
    }
  }

  /** One look at the barrier, and the wait for what may change it. `wait`: look again. */
  private async look(node: ProtectedNode, options: InSession): Promise<Round | null | 'wait'> {
    const { zk } = this.host;
    // In this order: a round that the first does not show has not opened when the second is read.
    const watching = zk.existsAndWatch(this.readyPath, options);
    const reading = zk.getAndWatch(node.path, options);
    const listing = zk.children(this.path, options);
    // Whatever the first of them throws, nobody asks the others.
    for (const asked of [reading, listing]) asked.catch(() => undefined);
    const { stat: ready, watch } = await watching;
    const own = await unlessGone(reading);
    const directory = await unlessGone(listing);
    const names = directory?.children ?? [];
    // A node that somebody has put in the place of ours is not ours.
    const isOurs = own?.stat.czxid === node.stat.czxid && names.includes(nodeName(node.path));
    if (own === null || directory === null || !isOurs) return null;
    const members = membersAmong(names);
    if (ready !== null) return this.roundOf(node, ready, directory.stat);
    if (names.includes(READY)) return 'wait';
    if (members.length >= this.quantity) {
      await this.open(node, members, options);
      return 'wait';
    }
    this.wait.note(`${members.length} of ${this.quantity} members were inside`);
    await Promise.race([watch.fired, own.watch.fired]);
    return 'wait';
  }

  /**
   * The round of this `ready`, if we belong to it. `wait`: it is not certain that our session
   * lives.
   */
  private roundOf(node: ProtectedNode, ready: Stat, directory: Stat): Round | null | 'wait' {
    if (ready.czxid < node.stat.czxid) return null;
    if (!this.host.zk.isSessionCertain(node.sessionId)) return 'wait';
    // Only ours write to the directory in the moment when they open a round.
    const number = directory.mzxid === ready.czxid ? directory.version : null;
    return new Round(this.host, this.path, node, { token: ready.czxid, number });
  }

  /** Opens a round with these members. If that does not work, the next look says why. */
  private async open(
    node: ProtectedNode,
    members: readonly string[],
    options: InSession,
  ): Promise<void> {
    const { zk, identity, acl } = this.host;
    const own = nodeName(node.path);
    const others = members.filter((name) => name !== own);
    const transaction: Transaction<TransactionResult[]> = zk.transaction();
    transaction.check(node.path);
    for (const name of others.slice(0, this.quantity - 1)) {
      transaction.check(childPath(this.path, name));
    }
    transaction.create(this.readyPath, identity, { acl }).set(this.path, identity);
    try {
      await transaction.commit(options);
    } catch (error) {
      if (error instanceof SessionExpiredError) throw error;
      const cause = error instanceof TransactionFailedError ? error.cause : error;
      const isOver =
        cause instanceof NodeExistsError ||
        cause instanceof NoNodeError ||
        cause instanceof BadVersionError ||
        cause instanceof ConnectionLossError;
      if (!isOver) throw error;
    }
  }
}

/** null: the node that was read is not there. */
async function unlessGone<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}
