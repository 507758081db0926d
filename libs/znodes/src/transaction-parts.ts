import { readInt32 } from '@aviary/foundation';
import { JuteError, type JuteReader } from '@aviary/jute';
import { OpCode } from '@aviary/protocol';
import { PATH_BYTES_MAX } from './node-record.js';

/** What is common to the transactions that create a node, as places in their bytes. */
export interface CreateParts {
  pathStart: number;
  pathEnd: number;
  dataStart: number;
  /** -1: null. */
  dataLength: number;
  aclStart: number;
  aclEnd: number;
  isEphemeral: boolean;
  /** Children ever created under the parent, this one included; -1: not recorded. */
  parentCVersion: number;
  ttlHigh: number;
  ttlLow: number;
}

/** A place for the parts of one transaction; used again for the next. */
export const createParts: CreateParts = {
  pathStart: 0,
  pathEnd: 0,
  dataStart: 0,
  dataLength: 0,
  aclStart: 0,
  aclEnd: 0,
  isEphemeral: false,
  parentCVersion: 0,
  ttlHigh: 0,
  ttlLow: 0,
};

/** Moves over a string or buffer; returns its length, -1 for null. It starts at `position - length`. */
export function skipBuffer(reader: JuteReader): number {
  const length = reader.length();
  if (length > 0) reader.skip(length);
  return length;
}

/** Moves over a string that must not be null; returns its length. */
export function skipString(reader: JuteReader): number {
  const length = skipBuffer(reader);
  if (length < 0) throw new JuteError('string is null');
  return length;
}

/** An ACL entry is at least its bits and two empty strings. */
const ACL_BYTES_MIN = 12;

/** Moves over a vector of ACL; returns its count, -1 for null. */
export function skipAcls(reader: JuteReader): number {
  const count = reader.count(ACL_BYTES_MIN);
  for (let i = 0; i < count; i++) {
    reader.int();
    skipString(reader);
    skipString(reader);
  }
  return count;
}

/** Reads the record of a create, create2, createTTL or createContainer transaction. */
export function readCreateParts(reader: JuteReader, type: number, into: CreateParts): void {
  const pathLength = skipString(reader);
  if (pathLength > PATH_BYTES_MAX) throw new JuteError(`a path of ${pathLength} bytes`);
  into.pathStart = reader.position - pathLength;
  into.pathEnd = reader.position;
  into.dataLength = skipBuffer(reader);
  into.dataStart = reader.position - Math.max(into.dataLength, 0);
  into.aclStart = reader.position;
  skipAcls(reader);
  into.aclEnd = reader.position;
  const hasEphemeralField = type === OpCode.create || type === OpCode.create2;
  into.isEphemeral = hasEphemeralField && reader.bool();
  // Logs of ZooKeeper before 3.4 end here (CreateTxnV0).
  into.parentCVersion = hasEphemeralField && reader.remaining < 4 ? -1 : reader.int();
  if (type === OpCode.createTTL) {
    into.ttlHigh = reader.int();
    into.ttlLow = reader.int();
  }
}

/** Whether the unsigned 64-bit number at `a[aAt..]` is greater than that at `b[bAt..]`. */
export function isGreater64(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  const aHigh = readInt32(a, aAt) >>> 0;
  const bHigh = readInt32(b, bAt) >>> 0;
  if (aHigh !== bHigh) return aHigh > bHigh;
  return readInt32(a, aAt + 4) >>> 0 > readInt32(b, bAt + 4) >>> 0;
}
