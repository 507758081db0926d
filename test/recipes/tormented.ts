import type { RecipeWorld, Service } from './recipe-world.js';
import { torment } from './torment.js';

/** Timers come a turn of the event loop late. */
const TICK_MS = 5;

/** The seeds of a simulation: as many as `RECIPE_SEEDS` says, or else `everyday`, from `SEED` on. */
export function recipeSeeds(everyday: number): readonly number[] {
  const { RECIPE_SEEDS = everyday, SEED = 1 } = process.env;
  return Array.from({ length: Number(RECIPE_SEEDS) }, (_, at) => Number(SEED) + at);
}

/** A service under faults, which keeps the books of what was not as it should be. */
export abstract class Tormented<S extends Service, W extends RecipeWorld = RecipeWorld> {
  stopped = false;
  readonly violations: string[] = [];
  private pausedAtMs = -Infinity;

  constructor(
    protected readonly world: W,
    readonly service: S,
  ) {}

  /** Works until it is {@link stopped}. */
  abstract run(): Promise<void>;

  pause(forMs: number): void {
    const { process } = this.service;
    process.pause();
    this.pausedAtMs = Infinity;
    this.world.world.after(forMs, () => {
      process.resume();
      this.pausedAtMs = this.world.world.virtualMs;
    });
  }

  /** A call that must have ended after `limitMs`, if its process was not paused meanwhile. */
  protected async timed<T>(limitMs: number, what: string, call: () => Promise<T>): Promise<T> {
    const startedMs = this.world.world.virtualMs;
    try {
      return await call();
    } finally {
      const tookMs = this.world.world.virtualMs - startedMs;
      if (tookMs > limitMs + TICK_MS && this.pausedAtMs < startedMs) {
        this.violations.push(`${what} took ${tookMs} ms, although its limit was ${limitMs} ms`);
      }
    }
  }

  /** A random number from 0 up, below `limit`. */
  protected below(limit: number): number {
    return this.service.process.random.uint32() % limit;
  }

  protected sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

/** Faults for `forMs` from now, for all of them and for their server. */
export function tormentAll(
  world: RecipeWorld,
  all: readonly Tormented<Service>[],
  forMs: number,
): void {
  const services = all.map(({ service }) => service);
  torment(world, services, forMs, (victim, pauseMs) => {
    all.find(({ service }) => service === victim)?.pause(pauseMs);
  });
}

/** Watches that are left although nobody waits for anything any more. */
export function watchesLeft(world: RecipeWorld, services: readonly Service[]): string[] {
  const watching = services.filter(({ zk }) => zk.watchCount > 0);
  const violations = watching.map(({ name }) => `${name} still watches`);
  if (world.watchCount > 0) violations.push(`${world.watchCount} watches are left at the server`);
  return violations;
}

/** What a planted mistake is first convicted of, within `seeds` runs; empty: of nothing. */
export async function firstConviction(
  run: (seed: number) => Promise<{ readonly violations: readonly string[] }>,
  seeds = 40,
): Promise<string> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations } = await run(seed);
    if (violations.length > 0) return violations.join();
  }
  return '';
}
