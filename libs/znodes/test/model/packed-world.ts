import { JuteReader, JuteWriter, decode, encode, type Codec } from '@aviary/jute';
import {
  OpCode,
  STAT_BYTES,
  readTransaction,
  stat,
  txnCodec,
  txnDigest,
  txnHeader,
  type Stat,
  type Transaction,
} from '@aviary/protocol';
import { principalOf } from '../../src/acl-rules.js';
import { DataTree } from '../../src/data-tree.js';
import { OutstandingChanges } from '../../src/outstanding-changes.js';
import { QuotaKeeper } from '../../src/quota.js';
import { RequestPreparer, type PreparerOptions } from '../../src/request-preparer.js';
import {
  TransactionApplier,
  type DigestMode,
  type ResultSink,
} from '../../src/transaction-applier.js';
import { CONTAINER_NEVER_USED_MS, type NaiveResult } from './naive-tree.js';
import { bodyOf, embedded, halvesOf, type Client, type WriteRequest } from './requests.js';

export const PREPARER_OPTIONS: PreparerOptions = {
  extendedTypesEnabled: true,
  enforceQuota: false,
  digestEnabled: true,
  transactionBytesMax: 2 * 0xf_ffff,
  containerNeverUsedMs: CONTAINER_NEVER_USED_MS,
};

const SEED = 0x5eed;

/** A tree with whoever applies transactions to it, from a fresh start unless one is given. */
export function applierFor(tree: DataTree = DataTree.fresh({ seed: SEED })): {
  tree: DataTree;
  quotas: QuotaKeeper;
  applier: TransactionApplier;
} {
  const quotas = new QuotaKeeper(tree);
  quotas.loadFromTree();
  return { tree, quotas, applier: new TransactionApplier(tree, quotas) };
}

export function emptyTree(): DataTree {
  return new DataTree({ seed: SEED });
}

/** The results of a transaction, as a server would turn them into a reply. */
class Results implements ResultSink {
  results: NaiveResult[] = [];

  constructor(private readonly tree: DataTree) {}

  created(type: number, node: number, bytes: Uint8Array, start: number, end: number): void {
    const path = Buffer.from(bytes.subarray(start, end)).toString();
    const hasStat = type !== OpCode.create;
    const shown = hasStat ? { type: 15, path, stat: this.statOf(node) } : { type: 1, path };
    this.results.push(shown);
  }

  changed(type: number, node: number): void {
    this.results.push({ type, stat: this.statOf(node) });
  }

  done(type: number): void {
    this.results.push({ type });
  }

  failed(code: number): void {
    this.results.push({ error: code });
  }

  private statOf(node: number): Stat {
    const { nodes } = this.tree;
    nodes.select(node);
    return decode(stat, nodes.bytes.slice(nodes.statAt, nodes.statAt + STAT_BYTES));
  }
}

/** The tree as a server has it: requests are prepared, and some time later applied. */
export class PackedWorld {
  readonly tree = DataTree.fresh({ seed: SEED });
  readonly quotas = new QuotaKeeper(this.tree);
  readonly changes = new OutstandingChanges(this.tree);
  readonly preparer: RequestPreparer;
  readonly applier = new TransactionApplier(this.tree, this.quotas);
  /** Every transaction that was made. */
  readonly log: Uint8Array[] = [];
  private applied = 0;
  private readonly writer = new JuteWriter(64);
  private readonly reader = new JuteReader(new Uint8Array(0));

  constructor(readonly options: PreparerOptions = PREPARER_OPTIONS) {
    this.preparer = new RequestPreparer(this.tree, this.changes, this.quotas, options);
  }

  /** Transactions that are made and not yet applied. */
  get outstanding(): number {
    return this.log.length - this.applied;
  }

  get nextZxid(): number {
    return this.log.length + 1;
  }

  prepare(request: WriteRequest, client: Client, timeMs: number): number {
    return this.prepareBytes(request.type, bodyOf(request), client, timeMs);
  }

  /** Makes the transaction of a request with that body, good or bad; returns the error code. */
  prepareBytes(type: number, body: Uint8Array, client: Client, timeMs: number): number {
    const { writer } = this;
    writer.clear();
    // A batch has transactions before this one.
    writer.raw(new Uint8Array(this.log.length % 7).fill(0xdd));
    const start = writer.position;
    const reader = embedded(body, this.reader);
    const { bytes, end } = reader;
    const copy = bytes.slice();
    const origin = {
      ...halvesOf(client.session),
      xid: this.nextZxid * 3,
      who: principalOf(client.ids),
    };
    const error = this.preparer.prepare(type, reader, origin, this.nextZxid, timeMs, writer);
    const isIntact =
      reader.bytes === bytes && reader.end === end && Buffer.compare(bytes, copy) === 0;
    if (!isIntact || reader.position > end) throw new Error('the reader was left inconsistent');
    this.log.push(writer.bytes.slice(start, writer.position));
    return error;
  }

  /** Applies the next transaction, and returns its results. The changes hear of it later. */
  applyNext(mode: DigestMode): NaiveResult[] {
    const bytes = this.log[this.applied++]!;
    return this.apply(bytes, mode);
  }

  /** Says that what was applied is applied, as the server does after a batch. */
  settle(): void {
    this.changes.applied(this.tree.lastZxid);
  }

  private apply(bytes: Uint8Array, mode: DigestMode): NaiveResult[] {
    const sink = new Results(this.tree);
    this.applier.apply(bytes, 0, bytes.length, mode, sink);
    return sink.results;
  }
}

interface SubTransaction {
  readonly type: number;
  readonly data: Uint8Array;
}

function codecOf(type: number): Codec<unknown> {
  const codec = txnCodec(type);
  if (codec === undefined) throw new Error(`no server can replay a transaction of type ${type}`);
  return codec;
}

/** The parts of a multi are checked too: other servers decode them one by one. */
function partAnew({ type, data }: SubTransaction): SubTransaction {
  const isPart = [1, 2, 5, 13, 19, 21, -1].includes(type);
  if (!isPart) throw new Error(`the reference knows no part of type ${type} in a multi`);
  return { type, data: encode(codecOf(type), decode(codecOf(type), data)) };
}

/** What was decoded, in bytes again. */
function encodeAnew({ header, record, digest }: Transaction): Uint8Array {
  const writer = new JuteWriter();
  txnHeader.write(writer, header);
  let body = record;
  if (header.type === OpCode.multi) {
    const { txns } = record as { txns: SubTransaction[] };
    body = { txns: txns.map(partAnew) };
  }
  codecOf(header.type).write(writer, body);
  if (digest !== null) txnDigest.write(writer, digest);
  return writer.take();
}

/** Decodes a transaction that was made; throws if another server could not, or reads it otherwise. */
export function checkedTransaction(bytes: Uint8Array, options: PreparerOptions): Transaction {
  const reader = new JuteReader(bytes);
  const transaction = readTransaction(reader);
  if (reader.remaining > 0) throw new Error('the transaction has bytes behind its end');
  const { type } = transaction.header;
  if (type === OpCode.check) throw new Error('no log may hold a check by itself');
  if (Buffer.compare(encodeAnew(transaction), bytes) !== 0) {
    throw new Error('the transaction is not what its parts are in bytes');
  }
  const hasDigest = options.digestEnabled && type !== OpCode.error;
  if ((transaction.digest !== null) !== hasDigest) throw new Error('digest missing, or too many');
  if (bytes.length > options.transactionBytesMax) throw new Error('the transaction is too long');
  return transaction;
}
