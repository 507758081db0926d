export { AssertionError, assert, assertNever } from './assert.js';
export { copyBytes, readInt32, readUint53, writeInt32, writeUint53 } from './big-endian.js';
export type { Clock, Timer } from './clock.js';
export { DiskError, isMissing } from './disk.js';
export type { Disk, DiskFile } from './disk.js';
export { silentLog } from './log.js';
export type { Log } from './log.js';
export { ConnectError } from './network.js';
export type { ByteStream, Listener, Network, SocketAddress, StreamHandler } from './network.js';
export { randomBelow, randomUuid, shuffle } from './random.js';
export type { Random } from './random.js';
export { formatSessionId } from './session-id.js';
export { childPath, isValidPathBytes, nodeName, parentPath, pathProblem } from './znode-path.js';
export {
  ZXID_EPOCH_LIMIT,
  ZxidRangeError,
  formatZxid,
  zxidCounter,
  zxidEpoch,
  zxidFromHalves,
  zxidOf,
} from './zxid.js';
export type { Zxid } from './zxid.js';
