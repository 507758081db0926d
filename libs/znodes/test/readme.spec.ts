import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { JuteReader, JuteWriter, encode } from '@aviary/jute';
import { OPEN_ACL, OpCode, createRequest } from '@aviary/protocol';
import {
  DataTree,
  OutstandingChanges,
  QuotaKeeper,
  RequestPreparer,
  TransactionApplier,
  noResults,
  principalOf,
} from '@aviary/znodes';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import { PREPARER_OPTIONS } from './model/packed-world.js';

const readme = readmeIn(join(import.meta.dirname, '..'));

/** What the example makes. */
interface Made {
  readonly tree: DataTree;
  readonly error: number;
}

describe('the README', () => {
  it('has an example that works', async () => {
    expect(readme.examples).toHaveLength(1);
    const request = { path: '/price', data: Buffer.from('100'), acl: OPEN_ACL, flags: 0 };
    const created: string[] = [];
    const scope = {
      DataTree,
      QuotaKeeper,
      OutstandingChanges,
      RequestPreparer,
      TransactionApplier,
      OpCode,
      seed: 7,
      options: PREPARER_OPTIONS,
      body: new JuteReader(encode(createRequest, request)),
      origin: { sessionHigh: 0, sessionLow: 1, xid: 1, who: principalOf([]) },
      zxid: 1,
      timeMs: 1_000,
      writer: new JuteWriter(),
      results: { ...noResults, created: (type: number) => created.push(`type ${type}`) },
    };
    const example = `${readme.examples[0]!}return { tree, error };`;
    const { tree, error } = await runExample<Made>(example, scope);
    expect(error).toBe(0);
    expect(created).toEqual(['type 1']);
    expect(tree.nodes.pathOf(tree.findText('/price'))).toBe('/price');
    expect(tree.lastZxid).toBe(1);
    expect(tree.recomputeDigest()).toBe(true);
  });
});
