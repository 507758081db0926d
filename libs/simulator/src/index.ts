export { Agreement } from './checkers/agreement.js';
export { checkDurability, WriteHistory } from './checkers/durability.js';
export type { DurableWrite, PendingWrite, RecoveredState } from './checkers/durability.js';
export { EphemeralHistory } from './checkers/ephemerals.js';
export { Leadership } from './checkers/leadership.js';
export { RegisterHistory } from './checkers/register-history.js';
export type {
  PendingRegisterRead,
  PendingRegisterWrite,
  RegisterOperation,
  RegisterRead,
  RegisterRefusal,
  RegisterWrite,
} from './checkers/register-history.js';
export { checkRegisters } from './checkers/registers.js';
export type { InitialRegister } from './checkers/registers.js';
export { checkSessionOrder } from './checkers/session-order.js';
export type { SessionEntry, SessionEvent, SessionReply } from './checkers/session-order.js';
export type { Violation } from './checkers/violation.js';
export { drawDelayUs } from './delay.js';
export type { Delay } from './delay.js';
export { defaultDiskModel, isFileSync } from './disk/disk-model.js';
export type {
  CrashAction,
  CrashMoment,
  DiskModel,
  DiskOperation,
  DiskOperationKind,
  DiskRule,
  DiskRuleAction,
} from './disk/disk-model.js';
export type { Drive } from './disk/drive.js';
export type { Unsynced } from './disk/file-image.js';
export type { SimulatedDisk } from './disk/simulated-disk.js';
export type { Fabric } from './network/fabric.js';
export type { Links } from './network/links.js';
export { defaultNetworkModel } from './network/network-model.js';
export type { LinkModel, NetworkModel } from './network/network-model.js';
export { ListenError } from './network/simulated-network.js';
export type { SimulatedNetwork } from './network/simulated-network.js';
export { StreamError } from './network/simulated-stream.js';
export { SeededRandom } from './seeded-random.js';
export { drawDiskModel, drawNetworkModel } from './swarm.js';
export type { SimulatedClock } from './time/simulated-clock.js';
export type { SimulatedHost, HostOptions } from './world/simulated-host.js';
export { killNine, powerCut, worstPowerCut } from './world/simulated-process.js';
export type { KillOptions, SimulatedProcess } from './world/simulated-process.js';
export { NotReachedError, World } from './world/world.js';
export type { RunEnd, RunLimits, WorldOptions } from './world/world.js';
