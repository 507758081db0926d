import { beforeEach, expect, it } from '@jest/globals';
import { LockClient } from '../src/index.js';
import { CountingClock } from '../../leader/test/leader-world.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';

let world: LockWorld;
let ann: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

/** Everybody may read and create, nobody delete: removals are refused, and tried again later. */
const acl = [{ perms: 1 | 4, id: { scheme: 'world', id: 'anyone' } }];

it('I8: no timer is left of a deletion that was refused, once the client is closed', async () => {
  const process = world.world.addHost('bob').boot();
  const clock = new CountingClock(process.clock);
  const { zk } = world.serviceOf('bob', process, { clock });
  await world.in({ process }, () => zk.connect());
  await world.look((other) => other.ensurePath('/l/a', { acl }));
  const locks = new LockClient(zk, { root: '/l', acl });
  const lease = await world.in({ process }, () => locks.acquire('a'));
  void world.begin({ process }, () => lease.release());
  await world.pass(8_000);
  await world.in({ process }, () => zk.close());
  await world.pass(10);
  expect(clock.pending.size).toBe(0);
});

it('says behind whom it waited on one line, whatever that one wrote into its node', async () => {
  await world.look((zk) => zk.ensurePath('/locks/a'));
  const foreign = '/locks/a/_c_00000000000000000000000000000000-lock-';
  const data = `two\nlines${'x'.repeat(500_000)}`;
  await world.in(ann, () => ann.zk.create(foreign, data, { mode: 'ephemeralSequential' }));
  const error = await rejection(world.acquire(ann, 'a', { waitMs: 300 }));
  expect(error).toMatchObject({ name: 'LockTimeoutError', behind: data });
  const { message } = error as Error;
  expect(message).not.toContain('\n');
  expect(message.length).toBeLessThan(1_000);
});
