import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Leaders, type LeaderRole, type LeaderTerm, type LeadersOptions } from '@aviary/leader';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const TEST_MS = 60_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, TEST_MS);

afterAll(() => cluster.stop(), TEST_MS);

/** What all leaders write to: it sees tokens and forgets nothing. */
class Resource {
  readonly violations: string[] = [];
  readonly leaders: string[] = [];
  private token = 0n;

  write(leader: string, token: bigint): void {
    if (token < this.token)
      this.violations.push(`${leader} wrote with ${token} after ${this.token}`);
    if (token > this.token) this.leaders.push(leader);
    this.token = token;
  }
}

/** A service of its own that takes part for the role `a` below `base`. */
function candidate(
  base: string,
  identity: string,
  options: LeadersOptions = {},
): { readonly leaders: Leaders; readonly role: LeaderRole } {
  const zk = cluster.client({ sessionTimeoutMs: 3 * SHORT_SESSION_MS });
  const leaders = new Leaders(zk, { root: base, identity, graceMs: 2_000, ...options });
  return { leaders, role: leaders.role('a') };
}

/** Lets them campaign one after the other, so that they stand in this order. */
async function inThisOrder(base: string, roles: readonly LeaderRole[]): Promise<void> {
  for (const [at, role] of roles.entries()) {
    role.campaign();
    await until(async () => (await cluster.childrenOf(`${base}/a`)).length === at + 1);
  }
}

const leading = (role: LeaderRole): Promise<LeaderTerm> => until(() => role.term);

describe(`leaders on ${clusterName}`, () => {
  it('follow each other in the order in which they came, and leave nothing', async () => {
    const base = await cluster.freshBase();
    const all = ['ann', 'bob', 'cas'].map((name) => candidate(base, name));
    const [ann, bob, cas] = all.map(({ role }) => role) as [LeaderRole, LeaderRole, LeaderRole];
    await inThisOrder(base, [ann, bob, cas]);
    const first = await leading(ann);
    expect([bob.term, cas.term]).toEqual([null, null]);
    await ann.withdraw();
    const second = await leading(bob);
    expect(second.token).toBeGreaterThan(first.token);
    await bob.resign();
    expect((await leading(cas)).token).toBeGreaterThan(second.token);
    await Promise.all(all.map(({ leaders }) => leaders.close()));
    await until(async () => (await cluster.childrenOf(`${base}/a`)).length === 0);
  });

  it('hand over to whom they choose, asked by any of them', async () => {
    const base = await cluster.freshBase();
    const all = ['ann', 'bob', 'cas', 'dan'].map((name) => candidate(base, name));
    const roles = all.map(({ role }) => role);
    await inThisOrder(base, roles);
    let { token } = await leading(roles[0]!);
    for (const [by, to] of [
      [0, 3],
      [1, 2],
      [2, 0],
    ] as const) {
      await roles[by]!.transferTo(roles[to]!.id, { waitMs: 10_000 });
      const term = await leading(roles[to]!);
      expect(term.token).toBeGreaterThan(token);
      ({ token } = term);
    }
    await Promise.all(all.map(({ leaders }) => leaders.close()));
  });

  it('are seen by an observer, and write under the guard of their term', async () => {
    const base = await cluster.freshBase();
    const [ann, bob, onlooker] = ['ann', 'bob', 'onlooker'].map((name) => candidate(base, name));
    const seen: (string | null)[] = [];
    const subscription = onlooker!.role.status$.subscribe(({ leader }) => {
      if (seen.at(-1) !== (leader?.id ?? null)) seen.push(leader?.id ?? null);
    });
    await until(() => seen.length === 1);
    await inThisOrder(base, [ann!.role, bob!.role]);
    const term = await leading(ann!.role);
    await term.transaction().create(`${base}/written`, 'by ann').commit();
    await ann!.leaders.close();
    await expect(term.transaction().create(`${base}/late`).commit()).rejects.toMatchObject({
      name: 'LeaseLostError',
    });
    await until(() => seen.at(-1) === 'bob');
    await bob!.leaders.close();
    await until(() => seen.at(-1) === null);
    expect(seen).toEqual([null, 'ann', 'bob', null]);
    subscription.unsubscribe();
  });

  if (membersAreOurs) {
    it(
      'I6: lead one at a time while members are killed and stopped',
      async () => {
        const base = await cluster.freshBase();
        const resource = new Resource();
        const all = ['ann', 'bob', 'cas'].map((name, at) =>
          candidate(base, name, { onSuspended: at === 1 ? 'hold-until-deadline' : 'abort' }),
        );
        for (const { role } of all) {
          role.campaign(async (term) => {
            for (let step = 0; step < 20 && !term.signal.aborted; step++) {
              await new Promise((resolve) => setTimeout(resolve, 10));
              if (!term.isHeld) return;
              resource.write(role.id, term.token);
            }
          });
        }
        const turns = async (count: number): Promise<void> => {
          const before = resource.leaders.length;
          await until(() => resource.leaders.length >= before + count);
        };
        await turns(6);
        const { restore } = await cluster.killLeader();
        await turns(6);
        await restore();
        const leader = await cluster.members.settled();
        const stopped = cluster.members.members.find((member) => member !== leader)!;
        cluster.members.signal(stopped, 'SIGSTOP');
        await turns(6);
        cluster.members.signal(stopped, 'SIGCONT');
        await turns(3);
        await Promise.all(all.map(({ leaders }) => leaders.close()));
        expect(resource.violations).toEqual([]);
        expect(new Set(resource.leaders).size).toBe(3);
        await until(async () => (await cluster.childrenOf(`${base}/a`)).length === 0);
      },
      TEST_MS,
    );
  }
});
