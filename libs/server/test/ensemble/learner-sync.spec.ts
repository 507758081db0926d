import { describe, expect, it } from '@jest/globals';
import { create, setData } from '../requests.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

/** Transactions that members remember. */
const REMEMBERED = 1000;
const MISSED = REMEMBERED + 400;
const BIG = 'x'.repeat(8000);
const BIG_NODES = 120;
const SNAP_COUNT = 100;
const BATCH = 100;

/** An ensemble with a snapshot that is larger than the logs that follow, and a follower that is gone. */
async function missing(options: { big?: number; snapCount?: number } = {}): Promise<{
  world: EnsembleWorld;
  follower: TestMember;
}> {
  const { big = BIG_NODES, snapCount = SNAP_COUNT } = options;
  const world = await EnsembleWorld.start({ server: { snapCount, purgeIntervalMs: 0 } });
  const { leader } = world;
  const client = await world.session(leader);
  for (let i = 0; i < big; i++) await client.done(create(`/big-${i}`, { data: BIG }));
  await client.done(create('/counter'));
  const { follower } = world;
  await world.reach(() => contentsOf(follower) === contentsOf(leader));
  await world.pass(1000);
  follower.kill();
  return { world, follower };
}

async function count(world: EnsembleWorld, at: TestMember, times: number): Promise<void> {
  const client = await world.session(at);
  for (let done = 0; done < times; done += BATCH) {
    client.send(...Array.from({ length: BATCH }, (_, i) => setData('/counter', `${done + i}`)));
    await client.replies(BATCH);
  }
}

function contentsOf({ server }: TestMember): string {
  const { digest, lastZxid, nodes } = server.state.tree;
  return `${nodes.size} ${digest.high}.${digest.low} ${lastZxid}`;
}

async function allHaveTheSame(world: EnsembleWorld): Promise<void> {
  await world.settle();
  await world.reach(() => {
    const contents = [...world.members.values()].map(contentsOf);
    return contents.every((one) => one === contents[0]);
  });
}

/** How the leader has brought its learners up to date, but for those that missed nothing. */
function waysOf({ log }: TestMember): string[] {
  return log.lines.filter((line) => line.includes(' gets ') && !line.includes(' 0 transactions'));
}

describe('a learner that missed more than is in memory', () => {
  it('gets it from the logs, where they are small beside a snapshot', async () => {
    const { world, follower } = await missing();
    const { leader } = world;
    await count(world, leader, MISSED);
    follower.boot();
    await allHaveTheSame(world);
    const [way] = waysOf(leader);
    expect(way).toMatch(
      /gets DIFF and 1\d\d\d transactions, [1-9]\d+ of them from the logs on the/,
    );
  });

  it('gets a snapshot where the logs are large beside it', async () => {
    const { world, follower } = await missing({ big: 1 });
    const { leader } = world;
    await count(world, leader, MISSED);
    follower.boot();
    await allHaveTheSame(world);
    expect(waysOf(leader).join()).toMatch(/^info server \d gets a snapshot of \d+ znodes.$/);
  });

  it('gets what is written meanwhile behind that, without a hole', async () => {
    const { world, follower } = await missing();
    const { leader } = world;
    await count(world, leader, MISSED);
    // Each read takes as long as many writes do.
    leader.host.drive.plan({
      on: ({ kind }) => kind === 'read',
      nth: 'all',
      action: { kind: 'delay', ms: 60 },
    });
    follower.boot();
    await world.reach(() => waysOf(leader).length > 0 || follower.server.lifecycle === 'serving');
    await count(world, leader, 2 * REMEMBERED);
    await allHaveTheSame(world);
    expect(waysOf(leader).join('\n')).toMatch(/of them from the logs on the disk/);
    expect(follower.warnings.join('\n')).not.toContain('hole');
  });

  it('comes again where what it misses is purged while it is read', async () => {
    const { world, follower } = await missing();
    const { leader } = world;
    const { drive } = leader.host;
    await count(world, leader, MISSED);
    for (const nth of [3, 7, 9, 11]) {
      drive.plan({
        on: ({ kind, path }) => kind === 'open' && path.includes('/log.'),
        nth,
        action: { kind: 'fail', code: 'ENOENT' },
      });
      follower.boot();
      await allHaveTheSame(world);
      follower.kill();
      drive.clearRules();
      await count(world, leader, MISSED);
    }
    const purged = leader.warnings.filter((line) => line.includes('was purged meanwhile'));
    expect(purged.length).toBeGreaterThan(0);
    follower.boot();
    await allHaveTheSame(world);
  });

  it('has what nobody else has no more', async () => {
    const { world, follower } = await missing();
    const { leader } = world;
    const other = [...world.members.values()].find((one) => one !== leader && one !== follower)!;
    const client = await world.session(leader);
    other.kill();
    client.send(create('/orphan'));
    await world.pass(50);
    const [had, has] = [other.server.state.lastLogged, leader.server.state.lastLogged];
    expect(has).toBeGreaterThan(had);
    leader.kill();
    follower.boot();
    other.boot();
    await world.settle();
    await count(world, world.leader, MISSED);
    leader.boot();
    await allHaveTheSame(world);
    expect(waysOf(world.leader).join('\n')).toMatch(/gets a snapshot/);
  });

  it('gets a snapshot where the log is damaged, and is told so once', async () => {
    const { world, follower } = await missing();
    const { leader } = world;
    await count(world, leader, MISSED);
    leader.host.drive.plan({
      on: ({ kind, path }) => kind === 'read' && path.includes('/log.'),
      nth: 'all',
      action: { kind: 'fail', code: 'EIO' },
    });
    follower.boot();
    await allHaveTheSame(world);
    expect(waysOf(leader).join()).toMatch(/gets a snapshot/);
    expect(leader.warnings.filter((line) => line.includes('The log cannot be read'))).toHaveLength(
      1,
    );
  });
});
