import type { Lease } from '../src/index.js';
import type { LockWorld, Service } from './lock-world.js';

export type Kind = 'mutex' | 'readWrite' | 'semaphore' | 'several';

/** How many permits the simulated semaphore has. */
export const LIMIT = 3;

/** Timers come a turn of the event loop late. */
const TICK_MS = 5;

/** A way to use what is wanted, once it is had. */
interface Held {
  readonly leases: readonly Lease[];
  readonly isWriting: boolean;
  release(): Promise<void>;
  /** For writers: the lease with which they go on as readers. */
  downgrade?(): Promise<Lease>;
}

/** What readers and writers use: it sees each access with its token, and forgets nothing. */
export class GuardedResource {
  readonly violations: string[] = [];
  private written = 0n;
  private accessed = 0n;
  private last = '';

  access(who: string, token: bigint, isWriting: boolean): void {
    const newest = isWriting ? this.accessed : this.written;
    const verb = isWriting ? 'wrote' : 'read';
    if (token < newest) this.violations.push(`${who} ${verb} with ${token} after ${newest}`);
    if (token === this.accessed && who !== this.last) {
      this.violations.push(`${who} and ${this.last} have the same token ${token}`);
    }
    if (token > this.accessed) [this.accessed, this.last] = [token, who];
    if (isWriting) this.written = token;
  }
}

/** What is known of a lease that is out. */
interface Grant {
  readonly path: string;
  readonly isWriting: boolean;
  /** What its holder had seen when it got it: a server that has seen less knows nothing of it. */
  readonly seenZxid: bigint;
}

/** All leases that are out, whoever has them: looked at from outside, at one moment. */
export class Overview {
  readonly violations: string[] = [];
  private readonly out = new Map<Lease, Grant>();
  private readonly newest = new Map<string, bigint>();
  grants = 0;

  constructor(
    private readonly world: LockWorld,
    private readonly kind: Kind,
  ) {}

  /** A lease was had. I2, I4: whoever is served later has the greater token, unless both may read. */
  granted(lease: Lease, isWriting: boolean, seenZxid: bigint): void {
    const { path, token } = lease;
    this.grants++;
    this.out.set(lease, { path, isWriting, seenZxid });
    const newest = this.newest.get(path) ?? 0n;
    if (isWriting && token <= newest) this.note(`${token} was served after ${newest} at ${path}`);
    if (isWriting) this.newest.set(path, token);
  }

  /** A writer reads on: its token stays. */
  downgraded(from: Lease, to: Lease, seenZxid: bigint): void {
    this.out.delete(from);
    this.out.set(to, { path: to.path, isWriting: false, seenZxid });
    if (from.token !== to.token) this.note(`the token ${from.token} became ${to.token}`);
  }

  over(leases: readonly Lease[]): void {
    for (const lease of leases) this.out.delete(lease);
  }

  /** I1, I5: who may go on, as each process would say now; and what the server has. */
  look(): void {
    const held = [...this.out].filter(([lease]) => lease.isHeld);
    const at = (path: string) => held.filter(([, { path: other }]) => other === path);
    for (const path of new Set(held.map(([{ path: one }]) => one))) {
      const here = at(path);
      const writers = here.filter(([, { isWriting }]) => isWriting);
      const most = this.kind === 'semaphore' ? LIMIT : writers.length > 0 ? 1 : Infinity;
      if (here.length > most) this.note(`${here.length} hold ${path} at the same time`);
    }
    const tree = this.treeIfServing();
    if (tree === null) return;
    for (const [{ nodePath }, { seenZxid }] of held) {
      if (tree.lastZxid < seenZxid) continue;
      if (tree.findText(nodePath) === -1) this.note(`${nodePath} is held, and not there`);
    }
    const permits = tree.findText('/locks/p/leases');
    if (permits === -1) return;
    const count = tree.countDescendants(permits);
    if (count > LIMIT) this.note(`${count} permits are out`);
  }

  private treeIfServing() {
    try {
      return this.world.port.tree;
    } catch {
      return null;
    }
  }

  private note(violation: string): void {
    this.violations.push(`${this.world.world.virtualMs}: ${violation}`);
  }
}

/** What contenders of a simulation have in common. */
export interface Scene {
  readonly world: LockWorld;
  readonly kind: Kind;
  readonly resource: GuardedResource;
  readonly overview: Overview;
  /** Whether holders assert before they write. */
  readonly asserts: boolean;
}

/** One service that takes what is wanted again and again, and gives up in every way there is. */
export class Contender {
  acquired = 0;
  stopped = false;
  readonly violations: string[] = [];
  private pausedAtMs = -Infinity;

  constructor(
    readonly service: Service,
    private readonly scene: Scene,
  ) {}

  pause(forMs: number): void {
    const { process } = this.service;
    const { world } = this.scene.world;
    process.pause();
    this.pausedAtMs = Infinity;
    world.after(forMs, () => {
      process.resume();
      this.pausedAtMs = world.virtualMs;
    });
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.visit(await this.acquire());
      } catch (error) {
        const { name, outcome } = error as { name: string; outcome: string };
        const errors = error instanceof AggregateError ? error.errors : [{ outcome }];
        if (!errors.every((one: { outcome: string }) => one.outcome === 'notApplied')) {
          this.violations.push(`${name} has outcome ${outcome}: ${String(error)}`);
        }
        await this.sleep(20);
      }
    }
  }

  private draw(below: number): number {
    return this.service.process.random.uint32() % below;
  }

  private async visit(held: Held): Promise<void> {
    const { overview } = this.scene;
    const { zk } = this.service;
    this.acquired++;
    let { leases } = held;
    for (const lease of leases) overview.granted(lease, held.isWriting, zk.lastZxid);
    try {
      await this.use(leases, held.isWriting);
      if (held.downgrade !== undefined && this.draw(2) === 0) {
        const reading = await held.downgrade();
        overview.downgraded(leases[0]!, reading, zk.lastZxid);
        leases = [reading];
        await this.use(leases, false);
      }
    } finally {
      overview.over(leases);
      await held.release();
      await Promise.all(leases.map((lease) => lease.release()));
    }
  }

  /** I9: within its limit and a tick. */
  private async acquire(): Promise<Held> {
    const { world } = this.scene.world;
    const how = this.draw(4);
    const waitMs = how === 0 ? 0 : 200 + this.draw(3_000);
    const controller = new AbortController();
    if (how === 1) this.service.process.clock.setTimer(waitMs / 2, () => controller.abort());
    const limitMs = how === 0 ? 5_000 : how === 1 ? waitMs / 2 : waitMs;
    const startedMs = world.virtualMs;
    try {
      // Who is told when to give up needs no limit of time.
      const { signal } = controller;
      return await this.take(how === 1 ? { signal } : { waitMs, signal });
    } finally {
      const tookMs = world.virtualMs - startedMs;
      const locks = this.scene.kind === 'several' && how === 0 ? 3 : 1;
      if (tookMs > locks * limitMs + TICK_MS && this.pausedAtMs < startedMs) {
        this.violations.push(`it took ${tookMs} ms, although its limit was ${limitMs} ms`);
      }
    }
  }

  private async take(options: { waitMs?: number; signal: AbortSignal }): Promise<Held> {
    const { locks } = this.service;
    switch (this.scene.kind) {
      case 'mutex': {
        const lease = await locks.acquire('a/b', options);
        return { leases: [lease], isWriting: true, release: () => lease.release() };
      }
      case 'readWrite': {
        if (this.draw(3) > 0) {
          const lease = await locks.acquireRead('rw', options);
          return { leases: [lease], isWriting: false, release: () => lease.release() };
        }
        const lease = await locks.acquireWrite('rw', options);
        const downgrade = () => lease.downgrade();
        return { leases: [lease], isWriting: true, release: () => lease.release(), downgrade };
      }
      case 'semaphore': {
        const quantity = 1 + this.draw(2);
        const group = await locks.acquirePermits('p', quantity, { ...options, limit: LIMIT });
        return { leases: group.leases, isWriting: false, release: () => group.release() };
      }
      case 'several': {
        const wanted = ['x', 'y', 'z'].filter(() => this.draw(3) > 0).reverse();
        const group = await locks.acquireAll(wanted.length > 0 ? wanted : ['y'], options);
        return { leases: group.leases, isWriting: true, release: () => group.release() };
      }
    }
  }

  private async use(leases: readonly Lease[], isWriting: boolean): Promise<void> {
    const { kind, asserts, resource } = this.scene;
    for (let step = this.draw(5); step > 0; step--) {
      await this.sleep(this.draw(120));
      if (asserts) leases.forEach((lease) => lease.assertHeld());
      if (kind !== 'mutex' && kind !== 'readWrite') continue;
      resource.access(this.service.name, leases[0]!.token, isWriting);
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}
