import { childPath } from '@aviary/foundation';
import {
  ConnectionLossError,
  NoNodeError,
  SessionExpiredError,
  type ProtectedNode,
  type Stat,
} from '@aviary/client';
import {
  AttemptLimits,
  Lease,
  Place,
  type AcquisitionTerms,
  type SessionOptions,
} from '@aviary/coordination';
import type { LayoutRules } from './lock-layout.js';
import type { SemaphoreLimit } from './semaphore-limit.js';

/** What one attempt to take permits knows and needs. */
export interface PermitTerms extends Omit<AcquisitionTerms, 'discipline'> {
  readonly rules: LayoutRules;
  /** How many permits, all or none. */
  readonly quantity: number;
  readonly limit: SemaphoreLimit;
}

/** The permits that are out, by name, and how many there are. */
interface Look {
  readonly names: readonly string[];
  readonly limit: number;
}

interface WatchedLook extends Look {
  /** Resolves when one of the two may have changed. */
  readonly changed: Promise<unknown>;
  /** Ends the watches. */
  cancel(): void;
}

/**
 * One attempt to take permits of a semaphore, in Curator's way: under a lock, so that only one of
 * those who wait looks at the permits that are out, and they are served in the order of arrival.
 *
 * A permit's node is made once there is room for it, and never before, so nobody has to give one back
 * that he has not got; all of an attempt are made under the same lock, so two who want several cannot
 * each have a part. What was made is deleted, unless all of it became leases: the lock was ours until
 * then, whoever else deletes nodes.
 */
export class PermitAcquisition {
  private readonly terms: PermitTerms;
  private readonly limits: AttemptLimits;
  private ahead: number | null = null;
  private behind: string | null = null;
  private shortage: string | null = null;
  /** How many creates had to be sent again, since their directory was missing. */
  private repeats = 0;

  constructor(terms: PermitTerms) {
    this.terms = terms;
    this.limits = new AttemptLimits(terms);
  }

  /** The directory of the semaphore. */
  get path(): string {
    return this.terms.path;
  }

  /** Ends the attempt. */
  close(): void {
    this.limits.close();
  }

  /** To be called once. */
  async run(): Promise<readonly Lease[]> {
    this.limits.arm();
    try {
      for (;;) {
        const { zk } = this.terms;
        const sessionId = zk.sessionId ?? (await zk.connect(this.limits.options)).sessionId;
        const leases = await this.runInSession({ ...this.limits.options, inSession: sessionId });
        if (leases !== null) return leases;
      }
    } catch (error) {
      throw this.errorOf(error);
    } finally {
      this.limits.disarm();
    }
  }

  private errorOf(error: unknown): unknown {
    const { ahead, behind, shortage } = this;
    const { noun, path, waitMs, errors } = this.terms;
    const told = this.limits.errorOf(error, { noun, path, ahead, behind, shortage });
    if (waitMs !== 0 || !(told instanceof errors.Unavailable)) return told;
    // Whoever stood before us waited for a permit himself all that time.
    const isBusy = (ahead ?? 0) > 0 || shortage !== null;
    return isBusy ? new errors.Busy(this.terms, ahead ?? 0, shortage) : told;
  }

  /** null: the session or our place ended; start again. */
  private async runInSession(options: SessionOptions): Promise<readonly Lease[] | null> {
    let place: Place | null = null;
    try {
      place = await Place.enter(this.guardTerms(), options);
      return (await this.awaitTurn(place, options)) ? await this.takeRoom(place, options) : null;
    } catch (error) {
      if (error instanceof SessionExpiredError && !this.limits.isCut) return null;
      throw error;
    } finally {
      // In this turn, so that whatever the caller asks next comes after it.
      void place?.leave();
    }
  }

  private guardTerms() {
    const { rules, path, log, parents } = this.terms;
    return {
      ...this.terms,
      path: rules.semaphore(path).guard,
      discipline: rules.disciplines.mutex,
      parents,
      warn: (message: string) => log.warn(message),
    };
  }

  /** Waits until the guard is ours. false: our place is gone. */
  private async awaitTurn(place: Place, options: SessionOptions): Promise<boolean> {
    for (;;) {
      const standing = await place.look(options);
      if (standing === null) return false;
      this.ahead = standing.ahead;
      this.shortage = null;
      if (standing.ahead === 0) return true;
      // Who does not want to wait for permits waits for whoever is just taking one.
      if (this.terms.waitMs === 0) await this.throwIfFull(options);
      await place.awaitChange(standing, options, (behind) => (this.behind = behind));
    }
  }

  private async throwIfFull(options: SessionOptions): Promise<void> {
    const look = await this.look(options);
    if (!this.isRoomComing(look)) throw this.busy(look);
  }

  /** Waits until there is room, and takes it. */
  private async takeRoom(place: Place, options: SessionOptions): Promise<readonly Lease[] | null> {
    // Who stood before us in the queue of the guard is gone, and is nobody to wait for.
    this.behind = null;
    if (this.hasRoom(await this.look(options))) return this.take(place, options);
    for (;;) {
      const look = await this.lookAndWatch(options);
      try {
        if (this.hasRoom(look)) return await this.take(place, options);
        if (this.terms.waitMs === 0 && !this.isRoomComing(look)) throw this.busy(look);
        await look.changed;
      } finally {
        look.cancel();
      }
      options.signal.throwIfAborted();
    }
  }

  /** Whether there is room. What is missing otherwise is told to a caller whose time is over. */
  private hasRoom({ names, limit }: Look): boolean {
    const hasRoom = names.length + this.terms.quantity <= limit;
    // With room there is nothing in the way any more: what does not come then is an answer.
    this.ahead = hasRoom ? 0 : names.length;
    this.shortage = hasRoom ? null : this.shortageAt({ names, limit });
    return hasRoom;
  }

  private shortageAt({ names, limit }: Look): string {
    const { quantity } = this.terms;
    return `the limit is ${limit}, ${counted(names.length)} out, and ${counted(quantity)} wanted`;
  }

  private busy(look: Look): Error {
    const { errors } = this.terms;
    return new errors.Busy(this.terms, look.names.length, this.shortageAt(look));
  }

  /** Whether there will be room once what this process itself has let go of is gone. */
  private isRoomComing({ names, limit }: Look): boolean {
    const { removals, quantity, rules, path } = this.terms;
    const { permits } = rules.semaphore(path);
    const others = names.filter((name) => removals.whenGone([childPath(permits, name)]) === null);
    return others.length + quantity <= limit;
  }

  /** The permits that are out, and how many there are. */
  private look(options: SessionOptions): Promise<Look> {
    const { zk, path, rules, limit } = this.terms;
    const { permits } = rules.semaphore(path);
    return overConnections(async () => {
      const listing = zk.children(permits, options);
      const listed = listing.then(({ children }) => children, noneIfMissing);
      const [names, count] = await Promise.all([listed, limit.read(options)]);
      return { names, limit: count };
    });
  }

  /** As {@link look}, with watches on both. */
  private lookAndWatch(options: SessionOptions): Promise<WatchedLook> {
    const { zk, path, rules, limit } = this.terms;
    const { permits } = rules.semaphore(path);
    return overConnections(async () => {
      const canceller = new AbortController();
      const signal = AbortSignal.any([options.signal, canceller.signal]);
      const watching = { ...options, signal };
      const cancel = () => canceller.abort();
      try {
        const [listed, limited] = await Promise.all([
          zk.childrenAndWatch(permits, watching).catch(noDirectory),
          limit.readAndWatch(watching),
        ]);
        const watches = [listed.watch, limited.watch].filter((watch) => watch !== null);
        const changed = Promise.race(watches.map(({ fired }) => fired));
        return { names: listed.children, limit: limited.limit, changed, cancel };
      } catch (error) {
        cancel();
        throw error;
      }
    });
  }

  /**
   * Makes the permits' nodes. null: our place in the guard's queue was gone by then, so somebody else
   * may have taken the same room; or the answers took too long to prove that the session lives.
   *
   * @throws what the creates throw; nothing stays then.
   */
  private async take(place: Place, options: SessionOptions): Promise<readonly Lease[] | null> {
    const { zk, removals, quantity } = this.terms;
    const creating = Array.from({ length: quantity }, () => this.makePermit(options));
    const guarding = this.placeBehind(creating, place, options);
    const [guard, ...permits] = await Promise.allSettled([guarding, ...creating]);
    const nodes = permits.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = [...permits, guard].find((one) => one.status === 'rejected');
    const guardStat = guard.status === 'fulfilled' ? guard.value : null;
    const isOurs = [guardStat, ...nodes.map(({ stat }) => stat)].every(
      (stat) => stat?.ephemeralOwner === options.inSession,
    );
    const isCertain = zk.isSessionCertain(options.inSession);
    if (failed === undefined && isOurs && isCertain && !options.signal.aborted) {
      const leases = nodes.map((node) => this.lease(node));
      // Somebody asked for it while it waited, and it loses what it was asked for.
      if (guardStat?.version !== 0) leases.forEach((lease) => lease.lose('revoked'));
      return leases;
    }
    nodes.forEach((node) => void removals.remove(node));
    if (failed !== undefined) throw failed.reason;
    options.signal.throwIfAborted();
    return null;
  }

  /**
   * What the servers know of our place in the guard's queue once `creating` is done; null: it is gone.
   * One that is there was there all the time. Asked for in the same breath as the permits, and again
   * if they took more than one request or connection.
   */
  private async placeBehind(
    creating: readonly Promise<unknown>[],
    { node }: Place,
    options: SessionOptions,
  ): Promise<Stat | null> {
    const { zk } = this.terms;
    const { repeats } = this;
    const { state } = zk;
    const ask = () => zk.exists(node.path, options);
    const asked = await Promise.allSettled([ask(), ...creating]);
    const isBehind = zk.state === state && this.repeats === repeats;
    if (isBehind && asked[0].status === 'fulfilled') return asked[0].value;
    return overConnections(ask);
  }

  private async makePermit(options: SessionOptions): Promise<ProtectedNode> {
    const { zk, path, rules, identity, acl } = this.terms;
    const { permits, name, mode } = rules.semaphore(path);
    for (;;) {
      try {
        const settings = { mode, acl, ...options };
        return await zk.createProtected(childPath(permits, name), identity, settings);
      } catch (error) {
        if (!(error instanceof NoNodeError)) throw error;
        this.repeats++;
        const { signal, deadlineMs } = options;
        await zk.ensurePath(permits, { mode: rules.parents, acl, signal, deadlineMs });
      }
    }
  }

  private lease(node: ProtectedNode): Lease {
    const { zk, noun, path, maxHoldMs, removals, onHeld, onReleased } = this.terms;
    const lease: Lease = new Lease({
      zk,
      noun,
      path,
      node,
      maxHoldMs,
      remove: () => removals.removeSoon(node),
      onReleased: () => onReleased(lease),
    });
    onHeld(lease);
    return lease;
  }
}

function counted(permits: number): string {
  return permits === 1 ? '1 is' : `${permits} are`;
}

/** Asks again for as long as it is connections that fail. */
async function overConnections<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ConnectionLossError)) throw error;
    }
  }
}

function noDirectory(error: unknown): {
  readonly children: readonly string[];
  readonly watch: null;
} {
  return { children: noneIfMissing(error), watch: null };
}

function noneIfMissing(error: unknown): readonly string[] {
  if (error instanceof NoNodeError) return [];
  throw error;
}
