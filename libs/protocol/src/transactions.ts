import {
  JuteError,
  bool,
  buffer,
  int,
  long,
  nullableVector,
  record,
  ustring,
  vector,
  type Codec,
  type Infer,
  type JuteReader,
} from '@aviary/jute';
import { acl } from './acl.js';
import { OpCode } from './opcodes.js';

// `zookeeper.jute`, module org.apache.zookeeper.txn: what the log, the proposals and the tree share.

/** Class TxnHeader. `time` is the leader's wall clock, ms since 1970. */
export const txnHeader = record('TxnHeader', {
  clientId: long,
  cxid: int,
  zxid: long,
  time: long,
  type: int,
});
export type TxnHeader = Infer<typeof txnHeader>;

/** Bytes of a TxnHeader. */
export const TXN_HEADER_BYTES = 32;

/** Class TxnDigest: the digest of the tree after the transaction. */
export const txnDigest = record('TxnDigest', { version: int, treeDigest: long });
export type TxnDigest = Infer<typeof txnDigest>;

/** Bytes of a TxnDigest. */
export const TXN_DIGEST_BYTES = 12;

/** The digest algorithm that this and every released server uses. */
export const DIGEST_VERSION = 2;

/** Class CreateTxn; of create and create2. */
export const createTxn = record('CreateTxn', {
  path: ustring,
  data: buffer,
  acl: nullableVector(acl),
  ephemeral: bool,
  parentCVersion: int,
});

/** Class CreateTTLTxn. */
export const createTtlTxn = record('CreateTTLTxn', {
  path: ustring,
  data: buffer,
  acl: nullableVector(acl),
  parentCVersion: int,
  ttl: long,
});

/** Class CreateContainerTxn. */
export const createContainerTxn = record('CreateContainerTxn', {
  path: ustring,
  data: buffer,
  acl: nullableVector(acl),
  parentCVersion: int,
});

/** Class DeleteTxn; of delete and deleteContainer. */
export const deleteTxn = record('DeleteTxn', { path: ustring });

/** Class SetDataTxn; of setData and reconfig. `version` is the new one. */
export const setDataTxn = record('SetDataTxn', { path: ustring, data: buffer, version: int });

/** Class SetACLTxn; `version` is the new aversion. */
export const setAclTxn = record('SetACLTxn', {
  path: ustring,
  acl: nullableVector(acl),
  version: int,
});

/** Class CheckVersionTxn; only inside a multi. */
export const checkVersionTxn = record('CheckVersionTxn', { path: ustring, version: int });

/** Class CreateSessionTxn; the timeout in milliseconds. */
export const createSessionTxn = record('CreateSessionTxn', { timeOut: int });

/** Class CloseSessionTxn. */
export const closeSessionTxn = record('CloseSessionTxn', { paths2Delete: vector(ustring) });

/** Class ErrorTxn: a write that failed. */
export const errorTxn = record('ErrorTxn', { err: int });

/** Class Txn: one part of a MultiTxn. */
export const subTxn = record('Txn', { type: int, data: buffer });

/** Class MultiTxn. If any part has type -1, no part applies. */
export const multiTxn = record('MultiTxn', { txns: vector(subTxn) });

const codecs = new Map<number, Codec<unknown>>([
  [OpCode.create, createTxn],
  [OpCode.create2, createTxn],
  [OpCode.createTTL, createTtlTxn],
  [OpCode.createContainer, createContainerTxn],
  [OpCode.delete, deleteTxn],
  [OpCode.deleteContainer, deleteTxn],
  [OpCode.setData, setDataTxn],
  [OpCode.reconfig, setDataTxn],
  [OpCode.setACL, setAclTxn],
  [OpCode.check, checkVersionTxn],
  [OpCode.createSession, createSessionTxn],
  [OpCode.closeSession, closeSessionTxn],
  [OpCode.error, errorTxn],
  [OpCode.multi, multiTxn],
] as [number, Codec<unknown>][]);

/** The record of a transaction type; undefined for a number that no server can replay. */
export function txnCodec(type: number): Codec<unknown> | undefined {
  return codecs.get(type);
}

/** A transaction as it stands in a log record or a proposal, decoded for people and tests. */
export interface Transaction {
  readonly header: TxnHeader;
  /** The record of `header.type`; null when a closeSession of an old server has none. */
  readonly record: unknown;
  readonly digest: TxnDigest | null;
}

/**
 * Decodes the payload of a log record or proposal: header, record, optional digest.
 *
 * For tools and tests; the server applies transactions from their bytes.
 *
 * @throws {JuteError} The bytes are no transaction that a server could replay. Logs of servers before
 * 3.4, whose create has no parentCVersion, count as such.
 */
export function readTransaction(reader: JuteReader): Transaction {
  const header = txnHeader.read(reader);
  const codec = txnCodec(header.type);
  if (codec === undefined) throw new JuteError(`unknown transaction type ${header.type}`);
  const body = isBareClose(header, reader) ? null : codec.read(reader);
  const digest = reader.remaining >= TXN_DIGEST_BYTES ? txnDigest.read(reader) : null;
  return { header, record: body, digest };
}

/**
 * Whether a closeSession stands without its record, as servers with `closeSessionTxn.enabled=false`
 * write it: nothing follows the header, or the digest alone. A record of two paths is longer than a
 * digest, so a count of two in as many bytes is the digest's version.
 */
function isBareClose(header: TxnHeader, reader: JuteReader): boolean {
  if (header.type !== OpCode.closeSession) return false;
  if (reader.remaining !== TXN_DIGEST_BYTES) return reader.remaining < 4;
  const version = reader.int();
  reader.position -= 4;
  return version === DIGEST_VERSION;
}
