import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Rollout } from '../src/index.js';
import { parseAcknowledged } from '../src/core/acknowledgement.js';
import { ConfigWorld, SESSION_TIMEOUT_MS, STEADY, type Service } from './config-world.js';
import { Pricing } from './schemas.js';

let world: ConfigWorld;
let ops: Service;
let fleet: Service[];

const ACKS = '/config-records/config%2Fpricing/acks';

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ops = await world.connected('ops');
  fleet = [];
  for (const name of ['ann', 'bob', 'cas']) fleet.push(await world.connected(name));
});

const publish = (value: unknown) => world.in(ops, () => ops.configs.publish('pricing', value));
/** Begins to follow, the strict ones with a narrower schema. */
function follow(services: readonly Service[], schema: typeof Pricing = Pricing) {
  return services.map(({ configs }) => configs.watch('pricing', { schema }));
}
const Strict = Pricing.refine(({ vat }) => vat < 0.3, {
  path: ['vat'],
  message: 'must be below 0.3',
});

describe('the rollout of a version', () => {
  it('shows the publisher who took it and who rejected it, and why', async () => {
    await publish({ vat: 0.1 });
    follow(fleet.slice(0, 2));
    follow(fleet.slice(2), Strict);
    await world.pass(200);
    const { version, rollout$ } = await publish({ vat: 0.5 });
    const seen: Rollout[] = [];
    const subscription = rollout$.subscribe((rollout) => seen.push(rollout));
    await world.pass(500);
    const last = seen.at(-1)!;
    expect(last).toMatchObject({
      path: '/config/pricing',
      version,
      taken: 2,
      rejected: 1,
      pending: 0,
    });
    expect(last.summary).toBe('2 of 3 on version 2, 1 rejected: vat: must be below 0.3');
    expect(last.instances.map(({ identity, status }) => `${identity} ${status}`)).toEqual([
      'ann taken',
      'bob taken',
      'cas rejected',
    ]);
    expect(last.instances[2]).toMatchObject({ taken: { number: 1 }, rejected: { version } });
    await publish({ vat: 0.2 });
    await world.pass(500);
    expect(seen.at(-1)!.summary).toBe('3 of 3 on version 2');
    // What it rejected once is nothing to tell any more.
    expect(seen.at(-1)!.instances[2]).toMatchObject({ identity: 'cas', rejected: null });
    subscription.unsubscribe();
    await world.pass(50);
    expect(ops.zk.watchCount).toBe(0);
  });

  it('counts who has not said anything yet, and forgets who is gone', async () => {
    await publish({ vat: 0.1 });
    follow(fleet);
    await world.pass(200);
    const seen: string[] = [];
    const [first] = fleet;
    first!.process.pause();
    const { rollout$ } = await publish({ vat: 0.2 });
    rollout$.subscribe(({ summary }) => seen.push(summary));
    await world.pass(500);
    expect(seen.at(-1)).toBe('2 of 3 on version 2, 1 pending');
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(seen.at(-1)).toBe('2 of 2 on version 2');
    // It comes back with a new session, and with what was published meanwhile.
    first!.process.resume();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(seen.at(-1)).toBe('3 of 3 on version 2');
    await world.in(fleet[1]!, () => fleet[1]!.configs.close());
    await world.pass(100);
    expect(seen.at(-1)).toBe('2 of 2 on version 2');
    expect(await world.children(ACKS)).toHaveLength(2);
  });

  it('follows the newest version for who has not published', async () => {
    const seen: string[] = [];
    ops.configs.rollout$('pricing').subscribe(({ summary }) => seen.push(summary));
    await world.pass(200);
    expect(seen).toEqual(['there are no data, and 0 that wait for some']);
    follow(fleet, Strict);
    await publish({ vat: 0.1 });
    await world.pass(300);
    expect(seen.at(-1)).toBe('3 of 3 on version 1');
    await world.write('/config/pricing', 'garbage');
    await world.pass(300);
    expect(seen.at(-1)).toMatch(
      /^0 of 3 on version 2, 3 rejected: it is no JSON at line 1, column 1/,
    );
    await world.in(ops, () => ops.configs.rollback('pricing'));
    await world.pass(300);
    expect(seen.at(-1)).toBe('3 of 3 on version 3');
  });

  it('is told by one node for each instance, which goes with it', async () => {
    await publish({ vat: 0.1 });
    const [live] = follow(fleet.slice(0, 1));
    await world.pass(200);
    const [node] = await world.children(ACKS);
    const { data, stat } = await world.look((zk) => zk.get(`${ACKS}/${node}`));
    expect(stat.ephemeralOwner).toBe(fleet[0]!.zk.sessionId);
    expect(parseAcknowledged(data)).toEqual({
      identity: 'ann',
      taken: live!.version,
      rejected: null,
    });
    await world.in(fleet[0]!, () => live!.close());
    expect(await world.children(ACKS)).toEqual([]);
  });

  it('ends with the client, also that of one version', async () => {
    const { rollout$ } = await publish({ vat: 0.1 });
    const ends: string[] = [];
    rollout$.subscribe({ complete: () => ends.push('one') });
    ops.configs.rollout$('pricing').subscribe({ complete: () => ends.push('newest') });
    await world.pass(100);
    expect(ends).toEqual([]);
    await world.in(ops, () => ops.zk.close());
    expect(ends.sort()).toEqual(['newest', 'one']);
  });

  it('is taken back without complaint, also while it is being written', async () => {
    const [ann] = fleet;
    await publish({ vat: 0.1 });
    const [live] = follow([ann!]);
    await world.pass(200);
    const publishing = world.begin(ops, () => ops.configs.publish('pricing', { vat: 0.2 }));
    await world.world.reach(() => live!.value.vat === 0.2);
    await world.in(ann!, () => live!.close());
    await world.world.settle(publishing);
    expect(ann!.lines).toEqual([]);
  });

  it('is not told by who was told not to', async () => {
    const dan = await world.connected('dan', {}, { acknowledge: false });
    await publish({ vat: 0.1 });
    follow([dan]);
    await world.pass(200);
    expect(world.port.tree.findText(ACKS)).toBe(-1);
  });

  it.each([
    '',
    'null',
    '7',
    '{"identity":"x"}',
    '{"identity":"x","taken":{},"rejected":null}',
    '{"identity":"x","taken":null}',
    '{"identity":"x","taken":null,"rejected":0}',
  ])('leaves out nodes of others: %j', async (data) => {
    await publish({ vat: 0.1 });
    await world.write(`${ACKS}/stranger`, data);
    follow(fleet);
    await world.pass(200);
    const seen: string[] = [];
    ops.configs.rollout$('pricing').subscribe(({ summary }) => seen.push(summary));
    await world.pass(300);
    expect(seen.at(-1)).toBe('3 of 3 on version 1');
  });
});

it('T5: an acknowledgement of the session before is never taken for one of this session', async () => {
  await publish({ vat: 0.1 });
  const [ann] = fleet;
  follow([ann!]);
  await world.pass(200);
  const before = ann!.zk.sessionId;
  // Nobody at the server counts the time for which it stands still; the client does.
  world.host.process?.pause();
  await world.pass(2 * SESSION_TIMEOUT_MS);
  world.host.process?.resume();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  expect(ann!.zk.sessionId).not.toBe(before);
  const nodes = await world.children(ACKS);
  expect(nodes).toHaveLength(1);
  const stat = await world.look((zk) => zk.exists(`${ACKS}/${nodes[0]}`));
  expect(stat?.ephemeralOwner).toBe(ann!.zk.sessionId);
});
