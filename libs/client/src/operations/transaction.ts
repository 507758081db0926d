import { OpCode, type Stat } from '@aviary/protocol';
import type { CreateSettings, NodeInput, VersionCondition } from './arguments.js';
import type { TransactionStep } from './multi.js';
import type { NodeOperations } from './node-operations.js';
import type { CallOptions } from './operation.js';

/** A node that a transaction made. Servers leave out the Stat of most; it is null then. */
export interface CreatedInTransaction {
  readonly path: string;
  readonly stat: Stat | null;
}

/** A result of a transaction's operation: of create, of set, of delete and check. */
export type TransactionResult = CreatedInTransaction | Stat | undefined;

/**
 * Collects operations that are applied together or not at all. Each sees what those before it did.
 *
 * The methods add to this transaction and return it; the type of the result grows with them. In a
 * loop, annotate it: `const t: Transaction<TransactionResult[]> = zk.transaction()`.
 *
 * Arguments are checked at once: a wrong one throws InvalidArgumentError here, before anything is
 * sent.
 */
export class Transaction<R extends readonly TransactionResult[] = []> {
  private readonly operations: NodeOperations;
  private readonly run: (
    steps: readonly TransactionStep[],
    options: CallOptions,
  ) => Promise<unknown[]>;
  private readonly steps: TransactionStep[] = [];

  /** @internal Use `zk.transaction()`. */
  constructor(
    operations: NodeOperations,
    run: (steps: readonly TransactionStep[], options: CallOptions) => Promise<unknown[]>,
  ) {
    this.operations = operations;
    this.run = run;
  }

  /** How many operations were added. */
  get size(): number {
    return this.steps.length;
  }

  /** Creates a node; see `ZooKeeper.create`. */
  create(
    path: string,
    data?: NodeInput,
    settings: CreateSettings = {},
  ): Transaction<[...R, CreatedInTransaction]> {
    const { opCode, request } = this.operations.createBody('create', path, data, settings);
    const body =
      opCode === OpCode.createTTL ? { type: opCode, request } : { type: opCode, request };
    return this.with({ name: 'create', path, body });
  }

  /** Replaces a node's data, if it has the version. */
  set(path: string, data: NodeInput, condition: VersionCondition = {}): Transaction<[...R, Stat]> {
    const request = this.operations.setBody('set', path, data, condition);
    return this.with({ name: 'set', path, body: { type: OpCode.setData, request } });
  }

  /** Deletes a node, if it has the version. */
  delete(path: string, condition: VersionCondition = {}): Transaction<[...R, undefined]> {
    const request = this.operations.versionBody('delete', path, condition);
    return this.with({ name: 'delete', path, body: { type: OpCode.delete, request } });
  }

  /** Changes nothing, and fails the transaction unless the node exists and has the version. */
  check(path: string, condition: VersionCondition = {}): Transaction<[...R, undefined]> {
    const request = this.operations.versionBody('check', path, condition);
    return this.with({ name: 'check', path, body: { type: OpCode.check, request } });
  }

  /**
   * Applies all operations, or none.
   *
   * @returns One result for each operation, in their order.
   * @throws {TransactionFailedError} An operation failed: `index` says which, `cause` why.
   * @throws {ConnectionLossError} With outcome `unknown` all of it was applied, or nothing.
   */
  async commit(options: CallOptions = {}): Promise<R> {
    return (await this.run([...this.steps], options)) as unknown as R;
  }

  private with<S extends readonly TransactionResult[]>(step: TransactionStep): Transaction<S> {
    this.steps.push(step);
    return this as unknown as Transaction<S>;
  }
}
