import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Barriers, type Round } from '@aviary/barrier';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterAll(() => cluster.stop());

/** Services with sessions of their own; the double barrier is `m` below a base of its own. */
async function services(count: number, sessionTimeoutMs = 10_000) {
  const root = await cluster.freshBase();
  const all = Array.from({ length: count }, (_, at) => {
    const zk = cluster.client({ sessionTimeoutMs });
    return { zk, barriers: new Barriers(zk, { root, identity: `service ${at}` }) };
  });
  await Promise.all(all.map(({ zk }) => zk.connect()));
  return { directory: `${root}/m`, all };
}

/** A session that ends as that of a process that was killed: nobody says goodbye to the barrier. */
function crash({ zk }: { zk: { close(): Promise<void> } }): Promise<void> {
  return zk.close();
}

const ifOurs = membersAreOurs ? it : it.skip;

describe(`barriers on ${clusterName}`, () => {
  it('lets three services meet, round after round', async () => {
    const { directory, all } = await services(3);
    const started: number[] = [0, 0, 0, 0, 0];
    const ended: number[] = [0, 0, 0, 0, 0];
    const meet = async ({ barriers }: (typeof all)[number]): Promise<bigint[]> => {
      const tokens: bigint[] = [];
      for (let at = 0; at < started.length; at++) {
        started[at]!++;
        await barriers.double('m', 3).run(async ({ token }) => {
          expect(started[at]).toBe(3);
          tokens.push(token);
          await sleep(5);
          ended[at]!++;
        });
        expect(ended[at]).toBe(3);
      }
      return tokens;
    };
    const [first, ...others] = await Promise.all(all.map(meet));
    expect(others).toEqual([first, first]);
    await until(async () => (await cluster.childrenOf(directory)).length === 0);
    expect(all.map(({ zk }) => zk.watchCount)).toEqual([0, 0, 0]);
  });

  it('lets nobody through on what a dead round left behind', async () => {
    const { directory, all } = await services(4);
    const enter = (at: number): Promise<Round> => all[at]!.barriers.double('m', 2).enter();
    const [dead] = await Promise.all([enter(0), enter(1)]);
    await Promise.all([crash(all[0]!), crash(all[1]!)]);
    await until(async () => (await cluster.childrenOf(directory)).length === 1);
    const alone = all[2]!.barriers.double('m', 2).enter({ waitMs: 500 });
    await expect(alone).rejects.toThrow(/1 of 2 members were inside within 500 ms/);
    const rounds = await Promise.all([enter(2), enter(3)]);
    expect(rounds[0].token).toBe(rounds[1].token);
    expect(rounds[0].token).toBeGreaterThan(dead.token);
    await Promise.all(rounds.map((round) => round.leave({ waitMs: 10_000 })));
  });

  it('does not keep members waiting for one that died inside', async () => {
    const { all } = await services(3, SHORT_SESSION_MS);
    const rounds = await Promise.all(
      all.map(({ barriers }) => barriers.double('m', 3).enter({ waitMs: 10_000 })),
    );
    const leaving = rounds.slice(1).map((round) => round.leave({ waitMs: 20_000 }));
    await crash(all[0]!);
    await Promise.all(leaving);
    expect(rounds[0]!.isInside).toBe(false);
    expect(rounds[0]!.signal.aborted).toBe(true);
  });

  ifOurs(
    'keeps a round open, and a barrier raised, while the leader is killed',
    async () => {
      const { all } = await services(3);
      const [one, two, three] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
      await one.barriers.barrier('gate').raise();
      const passed = two.barriers.barrier('gate').wait({ waitMs: 25_000 });
      const waiting = one.barriers.double('m', 3).enter({ waitMs: 25_000 });
      const { restore } = await cluster.killLeader();
      const others = [two, three].map(({ barriers }) =>
        barriers.double('m', 3).enter({ waitMs: 25_000 }),
      );
      const rounds = await Promise.all([waiting, ...others]);
      expect(new Set(rounds.map(({ token }) => token)).size).toBe(1);
      expect(await three.barriers.barrier('gate').isRaised()).toBe(true);
      const leaving = rounds.map((round) => round.leave({ waitMs: 25_000 }));
      await restore();
      await Promise.all(leaving);
      await three.barriers.barrier('gate').lower();
      await passed;
    },
    60_000,
  );
});
