import { OpCode } from '@aviary/protocol';

/** What the server does with an operation number. */
export const RequestKind = {
  /** Not one that a client may send: answered and cut off. */
  refused: 0,
  read: 1,
  write: 2,
  /** Answered when it is read, before earlier requests. */
  immediate: 3,
  /** A read that waits for the writes of all. */
  sync: 4,
} as const;
export type RequestKind = (typeof RequestKind)[keyof typeof RequestKind];

const READ_TYPES = [
  OpCode.exists,
  OpCode.getData,
  OpCode.getACL,
  OpCode.getChildren,
  OpCode.getChildren2,
  OpCode.checkWatches,
  OpCode.removeWatches,
  OpCode.multiRead,
  OpCode.setWatches,
  OpCode.setWatches2,
  OpCode.getEphemerals,
  OpCode.getAllChildrenNumber,
  OpCode.addWatch,
  OpCode.whoAmI,
];

/** The closed list of what a client can have logged: all of it can be replayed. */
const WRITE_TYPES = [
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.setData,
  OpCode.setACL,
  OpCode.multi,
  OpCode.reconfig,
  OpCode.closeSession,
];

const IMMEDIATE_TYPES = [OpCode.ping, OpCode.auth, OpCode.sasl];

const TABLE_OFFSET = 16;
const TABLE_SIZE = 128;

const table = new Uint8Array(TABLE_SIZE);
for (const type of READ_TYPES) table[type + TABLE_OFFSET] = RequestKind.read;
for (const type of WRITE_TYPES) table[type + TABLE_OFFSET] = RequestKind.write;
table[OpCode.sync + TABLE_OFFSET] = RequestKind.sync;
for (const type of IMMEDIATE_TYPES) table[type + TABLE_OFFSET] = RequestKind.immediate;

/** The kind of the operation number `type`, whatever a client sent. */
export function requestKind(type: number): RequestKind {
  const index = type + TABLE_OFFSET;
  return (index >= 0 && index < TABLE_SIZE ? table[index] : RequestKind.refused) as RequestKind;
}
