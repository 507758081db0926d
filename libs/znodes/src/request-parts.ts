import { isValidPathBytes } from '@aviary/foundation';
import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import { CreateMode, ErrorCode, OpCode, isEphemeral, isTtl } from '@aviary/protocol';
import { NodeKind } from './node-record.js';
import { skipAcls, skipBuffer, skipString } from './transaction-parts.js';

const SLASH = 0x2f;
const NUL = 0;
const DIGIT_ZERO = 0x30;
const SEQUENCE_DIGITS = 10;

/** The parts of a request that creates a node, as places in its bytes. */
export interface CreateRequestParts {
  pathStart: number;
  pathEnd: number;
  dataStart: number;
  /** -1: null. */
  dataLength: number;
  aclStart: number;
  aclEnd: number;
  mode: number;
  /** -1 where the request has none. */
  ttlMs: number;
}

const parts: CreateRequestParts = {
  pathStart: 0,
  pathEnd: 0,
  dataStart: 0,
  dataLength: 0,
  aclStart: 0,
  aclEnd: 0,
  mode: 0,
  ttlMs: -1,
};

/** Reads the body of create, create2, createContainer or createTTL; the result is used again. */
export function readCreateRequest(body: JuteReader, type: number): CreateRequestParts {
  const pathLength = skipString(body);
  parts.pathStart = body.position - pathLength;
  parts.pathEnd = body.position;
  parts.dataLength = skipBuffer(body);
  parts.dataStart = body.position - Math.max(parts.dataLength, 0);
  parts.aclStart = body.position;
  skipAcls(body);
  parts.aclEnd = body.position;
  parts.mode = body.int();
  parts.ttlMs = type === OpCode.createTTL ? readLong(body) : -1;
  return parts;
}

/** Sign and size are all that matters beyond the range of a time to live: a double will do. */
function readLong(body: JuteReader): number {
  const high = body.int();
  return high * 0x1_0000_0000 + (body.int() >>> 0);
}

/**
 * Reads the body of a multi; how many operations it has.
 *
 * @throws {JuteError} It is malformed, or holds what is not in `allowed`.
 */
export function countMulti(body: JuteReader, allowed: ReadonlySet<number>): number {
  for (let count = 0; ; count++) {
    const type = body.int();
    const isDone = body.bool();
    body.int();
    if (isDone) return count;
    if (!allowed.has(type)) throw new JuteError(`type ${type} cannot stand in a multi`);
    skipOperation(type, body, body.position);
  }
}

/** Moves behind the record of an operation of a multi, which starts at `at`. */
export function skipOperation(type: number, body: JuteReader, at: number): void {
  body.position = at;
  skipString(body);
  switch (type) {
    case OpCode.delete:
    case OpCode.check:
      body.int();
      return;
    case OpCode.setData:
      skipBuffer(body);
      body.int();
      return;
    default:
      skipBuffer(body);
      skipAcls(body);
      body.int();
      if (type === OpCode.createTTL) body.skip(8);
  }
}

/** The kind of node that an opcode and a mode make. Opcode create with the container mode makes a plain one. */
export function createdKind(type: number, mode: number): NodeKind {
  if (type === OpCode.createContainer) return NodeKind.container;
  if (type === OpCode.createTTL) return NodeKind.ttl;
  return isEphemeral(mode) ? NodeKind.ephemeral : NodeKind.persistent;
}

/**
 * The operation that a create is inside a multi: the reference goes by the mode there and not by the
 * opcode, and knows no create2, so that no log may hold one.
 *
 * @throws {JuteError} A mode with a time to live, and none in the record.
 */
export function createTypeInMulti(type: number, mode: number): number {
  if (mode === CreateMode.container) return OpCode.createContainer;
  if (!isTtl(mode)) return OpCode.create;
  if (type !== OpCode.createTTL) throw new JuteError('a create without its time to live');
  return type;
}

/** Whether `mode` is one that exists. */
export function isCreateMode(mode: number): boolean {
  return mode >= CreateMode.persistent && mode <= CreateMode.persistentSequentialWithTtl;
}

/** Where the last slash of a path is; -1 if it has none, or has a NUL somewhere. */
export function lastSlash(bytes: Uint8Array, start: number, end: number): number {
  let slash = -1;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === SLASH) slash = at;
    else if (byte === NUL) return -1;
  }
  return slash;
}

/** Why nothing was found at a path. What was found needs no look at its path: the tree has it. */
export function missingError(bytes: Uint8Array, start: number, end: number): number {
  return isValidPathBytes(bytes, start, end) ? ErrorCode.noNode : ErrorCode.badArguments;
}

/** Where the path of the parent ends, given the last slash: the root is its own first slash. */
export function parentEnd(start: number, slash: number): number {
  return slash === start ? start + 1 : slash;
}

/** Appends a sequence number: ten digits, or more if it has outgrown them. */
export function writeSequence(writer: JuteWriter, number: number): void {
  const digits = number < 1e10 ? SEQUENCE_DIGITS : String(number).length;
  const at = writer.reserve(digits);
  let rest = number;
  for (let i = digits - 1; i >= 0; i--) {
    const quotient = Math.floor(rest / 10);
    writer.bytes[at + i] = DIGIT_ZERO + (rest - quotient * 10);
    rest = quotient;
  }
}

const encoder = new TextEncoder();
const undeletable = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'].map((path) =>
  encoder.encode(path),
);

/** Whether nobody may delete the path, not even super. */
export function isUndeletable(bytes: Uint8Array, start: number, end: number): boolean {
  return undeletable.some((path) => {
    if (path.length !== end - start) return false;
    return path.every((byte, i) => byte === bytes[start + i]);
  });
}
