import { beforeEach, describe, expect, it } from '@jest/globals';
import { TransactionFailedError, type Transaction, type TransactionResult } from '@aviary/client';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../../test/recipes/recipe-world.js';
import { rejection } from '../../../../test/rejection.js';
import { Receipts } from '../../src/index.js';

let world: RecipeWorld;
let ann: Service;
let receipts: Receipts;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  receipts = new Receipts(ann.zk, { directory: '/receipts' });
  await world.in(ann, () => ann.zk.create('/items'));
});

const sequential = { mode: 'persistentSequential' } as const;
const addItem = (): Transaction<TransactionResult[]> => {
  const transaction: Transaction<TransactionResult[]> = ann.zk.transaction();
  return transaction.create('/items/item-', 'x', sequential);
};
const put = (waitMs?: number) => world.in(ann, () => receipts.commit(addItem, { waitMs }));
const items = () => world.children('/items');

it('gives the results of the transaction, without its own', async () => {
  expect(await put()).toEqual([expect.objectContaining({ path: '/items/item-0000000000' })]);
  expect(await put()).toHaveLength(1);
  // One ephemeral node serves one transaction after the other.
  expect(await world.children('/receipts')).toHaveLength(1);
});

it('draws its names as its client does', async () => {
  const zk = new Proxy(ann.zk, {
    get: (target, key): unknown =>
      key === 'random' ? { bytes: () => Buffer.alloc(16, 7) } : Reflect.get(target, key, target),
  });
  receipts = new Receipts(zk, { directory: '/receipts' });
  await put();
  expect(await world.children('/receipts')).toEqual([`receipt-${'07'.repeat(16)}`]);
  expect(ann.zk.random).toBe(ann.process.random);
});

it('applies a transaction once, wherever the connection breaks', async () => {
  let lost = 0;
  for (let round = 0; round < 26; round++) {
    world.world.after(round, () => world.world.fabric.resetBetween('ann', 'server'));
    if ((await put()) === null) lost++;
    expect(await items()).toHaveLength(round + 1);
  }
  // Whatever became of them, one receipt has served them all.
  expect(await world.children('/receipts')).toHaveLength(1);
  // Between its arrival and its answer's.
  expect(lost).toBeGreaterThan(5);
  expect(lost).toBeLessThan(15);
});

it('says unknown when the session ends before anybody could look', async () => {
  await put();
  const putting = rejection(world.begin(ann, () => receipts.commit(addItem)));
  await world.pass(15);
  world.world.partition(['ann'], ['server']);
  await world.pass(3 * SESSION_TIMEOUT_MS);
  world.world.heal();
  expect(await world.world.settle(putting)).toMatchObject({ outcome: 'unknown' });
  await put();
  expect(await world.children('/receipts')).toHaveLength(1);
});

it('says unknown when somebody has deleted the receipt', async () => {
  await put();
  const putting = rejection(world.begin(ann, () => receipts.commit(addItem)));
  await world.pass(15);
  world.world.fabric.resetBetween('ann', 'server');
  world.world.partition(['ann'], ['server']);
  const [receipt] = await world.children('/receipts');
  await world.look((zk) => zk.delete(`/receipts/${receipt}`));
  world.world.heal();
  expect(await world.world.settle(putting)).toMatchObject({ outcome: 'unknown' });
  expect(await items()).toHaveLength(2);
});

it('says unknown when its time is over, and not later', async () => {
  await put();
  const startedMs = world.world.virtualMs;
  const putting = rejection(world.begin(ann, () => receipts.commit(addItem, { waitMs: 300 })));
  await world.pass(15);
  world.world.fabric.resetBetween('ann', 'server');
  world.world.partition(['ann'], ['server']);
  expect(await world.world.settle(putting)).toMatchObject({
    name: 'DeadlineExceededError',
    outcome: 'unknown',
  });
  expect(world.world.virtualMs - startedMs).toBeLessThan(310);
  world.world.heal();
  await world.in(ann, () => ann.zk.whenConnected());
  await world.pass(100);
  expect(await items()).toHaveLength(2);
});

describe('a transaction that is refused', () => {
  it('is not applied, and says which operation failed', async () => {
    const transaction = () => ann.zk.transaction().check('/items').delete('/missing');
    const error = await rejection(world.in(ann, () => receipts.commit(transaction)));
    expect(error).toBeInstanceOf(TransactionFailedError);
    expect(error).toMatchObject({ index: 1, outcome: 'notApplied' });
  });

  it('is tried again if it was for the receipt', async () => {
    await put();
    const [name] = await world.children('/receipts');
    await world.look((zk) => zk.delete(`/receipts/${name}`));
    await put();
    expect(await items()).toHaveLength(2);
  });
});

it('leaves nothing behind when it is closed', async () => {
  await world.in(ann, () =>
    Promise.all(Array.from({ length: 20 }, () => receipts.commit(addItem))),
  );
  await world.pass(100);
  expect(await world.children('/receipts')).toHaveLength(16);
  await world.in(ann, () => receipts.close());
  expect(await world.children('/receipts')).toEqual([]);
  expect(await items()).toHaveLength(20);
});
