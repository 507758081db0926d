import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
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
import { PREPARER_OPTIONS } from './model/packed-world.js';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

type Example = (scope: object) => { readonly tree: DataTree; readonly error: number };

/** The example of the README; it gives back what it made. */
async function exampleWith(names: readonly string[]): Promise<Example> {
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const source = `function example({ ${names.join(', ')} }) {${block}; return { tree, error };}`;
  const { code } = await transform(source, {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function(`${code}; return example;`)() as Example;
}

describe('the README', () => {
  it('has an example that works', async () => {
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
    const { tree, error } = (await exampleWith(Object.keys(scope)))(scope);
    expect(error).toBe(0);
    expect(created).toEqual(['type 1']);
    expect(tree.nodes.pathOf(tree.findText('/price'))).toBe('/price');
    expect(tree.lastZxid).toBe(1);
    expect(tree.recomputeDigest()).toBe(true);
  });
});
