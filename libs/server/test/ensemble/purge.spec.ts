import { expect, it } from '@jest/globals';
import { setData } from '../requests.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

const INTERVAL_MS = 300_000;

const snapshotsOf = ({ host }: TestMember) =>
  host.drive.paths().filter((path) => path.includes('/snapshot.')).length;

it.each([
  ['in that interval', INTERVAL_MS, true],
  ['never, if it is 0', 0, false],
])('members purge %s', async (_what, purgeIntervalMs, purges) => {
  const server = { purgeIntervalMs, snapRetainCount: 3, snapCount: 4 };
  const world = await EnsembleWorld.start({ server });
  const client = await world.session(world.leader, { timeoutMs: 4000 });
  for (let i = 0; i < 60; i++) {
    await client.done(setData('/', String(i)));
    await world.pass(10);
  }
  const members = [...world.members.values()];
  for (const member of members) expect(snapshotsOf(member)).toBeGreaterThan(5);
  await world.pass(INTERVAL_MS - 10_000);
  for (const member of members) expect(snapshotsOf(member)).toBeGreaterThan(5);
  await world.pass(20_000);
  for (const member of members) expect(snapshotsOf(member) <= 4).toBe(purges);
});
