import type { Clock, Timer } from '@aviary/foundation';
import {
  RecipeWorld,
  type Service as ConnectedService,
} from '../../../test/recipes/recipe-world.js';
import { Leaders, type LeaderRole, type LeaderTerm, type LeadersOptions } from '../src/index.js';

export { SESSION_TIMEOUT_MS, STEADY } from '../../../test/recipes/recipe-world.js';

/** A process of a service, with its client and its roles. */
export interface Service extends ConnectedService {
  readonly leaders: Leaders;
  /** The role that the tests contend for. */
  readonly role: LeaderRole;
}

/** A server and services that contend for roles, in one simulated world. */
export class LeaderWorld extends RecipeWorld<Pick<Service, 'leaders' | 'role'>, LeadersOptions> {
  protected override equip({ zk, name, log }: ConnectedService, options?: LeadersOptions) {
    const leaders = new Leaders(zk, { identity: name, log, ...options });
    return { leaders, role: leaders.role('a') };
  }

  /** Lets them campaign one after the other, so that they stand in this order. */
  async campaign(...services: Service[]): Promise<void> {
    for (const { role, process } of services) {
      process.run(() => role.campaign());
      while (!(await this.ids()).includes(role.id)) await this.pass(20);
    }
  }

  /** Waits until the service leads. */
  async leading({ role }: Service, virtualMsMax = 60_000): Promise<LeaderTerm> {
    await this.world.reach(() => role.term !== null, { virtualMsMax });
    return role.term!;
  }

  /** The nodes of those who take part, in the order of their numbers. */
  async nodes(): Promise<string[]> {
    const names = await this.look(async (zk) => {
      const found = await zk.exists('/leaders/a');
      return found === null ? [] : (await zk.children('/leaders/a')).children;
    });
    return [...names].sort((one, other) => one.slice(-10).localeCompare(other.slice(-10)));
  }

  /** What they call themselves, in the same order. */
  async ids(): Promise<string[]> {
    const names = await this.nodes();
    return this.look(async (zk) => {
      const read = names.map(async (name) => (await zk.get(`/leaders/a/${name}`)).data);
      return (await Promise.all(read)).map(String);
    });
  }
}

/** A clock that knows which of its timers have neither fired nor been cancelled. */
export class CountingClock implements Clock {
  readonly pending = new Set<Timer>();

  constructor(private readonly inner: Clock) {}

  monotonicMs(): number {
    return this.inner.monotonicMs();
  }

  wallMs(): number {
    return this.inner.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: Timer = {
      cancel: () => {
        this.pending.delete(timer);
        set.cancel();
      },
    };
    const set = this.inner.setTimer(delayMs, () => {
      this.pending.delete(timer);
      callback();
    });
    this.pending.add(timer);
    return timer;
  }

  atEndOfTurn(callback: () => void): void {
    this.inner.atEndOfTurn(callback);
  }
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the promise was not rejected');
}
