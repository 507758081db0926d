import { expect } from '@jest/globals';
import type { EnsembleWorld } from '../ensemble/ensemble-world.js';
import { loggedTransactions, replayLogs } from '../log-replay.js';

/** What a member's logs and its memory say. */
interface Account {
  readonly transactions: number;
  readonly digest: readonly number[];
  readonly nodes: number;
  readonly mismatches: number;
}

/**
 * The members have logged the same, every transaction can be decoded and applied, and memory shows
 * what the logs make. For members that began with empty directories and have purged nothing.
 */
export async function expectAgreement(world: EnsembleWorld, ids: readonly number[]): Promise<void> {
  await world.reach(() => {
    const applied = ids.map((id) => world.member(id).server.state.lastApplied);
    return applied.every((zxid) => zxid === applied[0]);
  });
  const accounts: Account[] = [];
  for (const id of ids) {
    const { host, server } = world.member(id);
    const { tree, transactions, digestMismatches } = await replayLogs(host.drive);
    const decoded = await loggedTransactions(host.drive);
    expect(decoded).toHaveLength(transactions);
    const { high, low } = server.state.tree.digest;
    expect(tree.digest.equals(high, low)).toBe(true);
    expect(tree.recomputeDigest()).toBe(true);
    accounts.push({
      transactions,
      digest: [high, low],
      nodes: tree.nodes.size,
      mismatches: digestMismatches,
    });
  }
  expect(accounts[0]?.mismatches).toBe(0);
  for (const account of accounts) expect(account).toEqual(accounts[0]);
}
