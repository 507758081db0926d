import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import {
  ErrorCode,
  OpCode,
  getChildrenResponse,
  multiHeader,
  multiRequest,
  type MultiOperation,
} from '@aviary/protocol';
import type { CoordinationError } from '../errors.js';
import { TransactionFailedError, errorForCode } from '../server-errors.js';
import { checkPath } from './arguments.js';
import type { NodeData, NodeOperations } from './node-operations.js';
import { reading, writing, type Operation } from './operation.js';
import { readData, readStat } from './stat-reader.js';

/** One operation of a transaction: what is sent, and what to call it in errors. */
export interface TransactionStep {
  readonly name: 'create' | 'set' | 'delete' | 'check';
  /** As the caller wrote it. */
  readonly path: string;
  readonly body: MultiOperation;
}

/** The results of a transaction or of a multi-read, one by one, as they stand on the wire. */
function* resultsIn(reader: JuteReader): Generator<{ type: number; code: number }> {
  for (;;) {
    const header = multiHeader.read(reader);
    if (header.done) return;
    if (header.type !== OpCode.error) yield { type: header.type, code: ErrorCode.ok };
    else yield { type: header.type, code: reader.int() };
  }
}

function readStepResult(reader: JuteReader, type: number, operations: NodeOperations): unknown {
  switch (type) {
    case OpCode.create:
      return { path: operations.clientPath(reader.ustring() ?? ''), stat: null };
    case OpCode.create2: {
      const path = operations.clientPath(reader.ustring() ?? '');
      return { path, stat: readStat(reader) };
    }
    case OpCode.setData:
      return readStat(reader);
    case OpCode.delete:
    case OpCode.check:
      return undefined;
    default:
      throw new JuteError(`a result of type ${type} in a transaction`);
  }
}

/** The error of a transaction, told from the codes of its operations. */
function failureOf(steps: readonly TransactionStep[], codes: readonly number[]): CoordinationError {
  // Those before the failed one say 0 and those behind it "runtime inconsistency".
  const isOwn = (code: number) => code !== ErrorCode.ok && code !== ErrorCode.runtimeInconsistency;
  const index = Math.max(codes.findIndex(isOwn), 0);
  const code = codes[index] ?? ErrorCode.systemError;
  const step = steps[index];
  const error = errorForCode(code, step?.name ?? 'transaction', step?.path ?? null);
  return new TransactionFailedError(index, steps.length, error);
}

/** All of `steps`, or none of them. */
export function transactionOperation(
  steps: readonly TransactionStep[],
  operations: NodeOperations,
): Operation<unknown[]> {
  const bodies = steps.map((step) => step.body);
  const write = (writer: JuteWriter) => multiRequest.write(writer, bodies);
  const path = steps[0]?.path ?? null;
  return writing('transaction', path, OpCode.multi, write, (reader) => {
    const results: unknown[] = [];
    const codes: number[] = [];
    for (const { type, code } of resultsIn(reader)) {
      if (type === OpCode.error) codes.push(code);
      else results.push(readStepResult(reader, type, operations));
    }
    if (codes.length > 0) throw failureOf(steps, codes);
    if (results.length !== steps.length) {
      throw new JuteError(`${results.length} results for ${steps.length} operations`);
    }
    return results;
  });
}

/** One read of a multi-read. */
export type ReadRequest =
  | { readonly kind: 'get'; readonly path: string }
  | { readonly kind: 'children'; readonly path: string };

/** The result of one read: it succeeds or fails for itself, as with `Promise.allSettled`. */
export type ReadResult<R extends ReadRequest> = PromiseSettledResult<
  R extends { readonly kind: 'get' } ? NodeData : readonly string[]
>;

/** The results of reads, in their order. */
export type ReadResults<R extends readonly ReadRequest[]> = {
  -readonly [K in keyof R]: ReadResult<R[K]>;
};

/** Several reads of one moment in one request. */
export function multiReadOperation<const R extends readonly ReadRequest[]>(
  reads: R,
  operations: NodeOperations,
): Operation<ReadResults<R>> {
  for (const { path } of reads) checkPath(path, 'multiRead');
  const bodies = reads.map(({ kind, path }): MultiOperation => {
    const request = { path: operations.serverPath(path), watch: false };
    return { type: kind === 'get' ? OpCode.getData : OpCode.getChildren, request };
  });
  const write = (writer: JuteWriter) => multiRequest.write(writer, bodies);
  return reading('multiRead', reads[0]?.path ?? null, OpCode.multiRead, write, (reader) => {
    const results: PromiseSettledResult<unknown>[] = [];
    for (const { type, code } of resultsIn(reader)) {
      const path = reads[results.length]?.path ?? null;
      if (type === OpCode.error) {
        results.push({ status: 'rejected', reason: errorForCode(code, 'multiRead', path) });
      } else {
        results.push({ status: 'fulfilled', value: readOne(reader, type) });
      }
    }
    if (results.length !== reads.length) {
      throw new JuteError(`${results.length} results for ${reads.length} reads`);
    }
    return results as ReadResults<R>;
  });
}

function readOne(reader: JuteReader, type: number): unknown {
  switch (type) {
    case OpCode.getData:
      return { data: readData(reader), stat: readStat(reader) };
    case OpCode.getChildren:
      return getChildrenResponse.read(reader).children;
    default:
      throw new JuteError(`a result of type ${type} in a multi-read`);
  }
}
