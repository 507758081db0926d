export { CREATOR_ALL_ACL, OPEN_ACL, Permission, READ_ACL, acl, id } from './acl.js';
export type { Acl, Id } from './acl.js';
export {
  CONTAINER_OWNER_HIGH,
  CreateMode,
  TTL_MS_MAX,
  TTL_OWNER_TOP_BYTE,
  isEphemeral,
  isSequential,
  isTtl,
} from './create-mode.js';
export { ErrorCode, errorCodeName } from './error-codes.js';
export { FOUR_LETTER_WORDS, fourLetterCode, fourLetterWord } from './four-letter-words.js';
export { FrameReader } from './frame-reader.js';
export type { FrameFault, FrameSink } from './frame-reader.js';
export { CLIENT_PORT_DEFAULT, FRAME_BYTES_MAX_DEFAULT, SET_WATCHES_BYTES_MAX } from './limits.js';
export {
  MULTI_END,
  MULTI_HEADER_BYTES,
  multiHeader,
  multiRequest,
  multiResponse,
} from './multi.js';
export type { MultiHeader, MultiOperation, MultiResult } from './multi.js';
export { OpCode, Xid, opCodeName } from './opcodes.js';
export { parseProperties } from './properties.js';
export type { Property } from './properties.js';
export {
  ensembleConfigOf,
  formatEnsembleConfig,
  isEnsembleKey,
  isSameEnsembleConfig,
  observersOf,
  parseEnsembleConfig,
  participantsOf,
} from './quorum/ensemble-config.js';
export type { EnsembleConfig, EnsembleHierarchy } from './quorum/ensemble-config.js';
export { EnsembleConfigError } from './quorum/ensemble-config-error.js';
export { formatEnsembleMember, parseEnsembleMember } from './quorum/ensemble-member.js';
export type {
  EnsembleMember,
  EnsembleRole,
  MemberAddress,
  MemberOptions,
} from './quorum/ensemble-member.js';
export type { HostPort } from './quorum/host-port.js';
export {
  INITIAL_TEXT_BYTES_MAX,
  InitialMessageReader,
  initialMessage,
} from './quorum/initial-message.js';
export type { InitialMessage } from './quorum/initial-message.js';
export {
  ELECTION_MESSAGE_BYTES_MAX,
  NO_VOTE,
  NotificationReader,
  PeerState,
  notificationFrame,
  readNotification,
} from './quorum/notification.js';
export type { NotificationMessage, NotificationSink } from './quorum/notification.js';
export {
  forEachTouch,
  readAckEpoch,
  readActivation,
  readAuthinfo,
  readLeaderInfo,
  readLearnerInfo,
  readNewLeader,
  readRequest,
  readRevalidationReply,
  readRevalidationRequest,
} from './quorum/packet-bodies.js';
export type {
  Activation,
  ForwardedRequest,
  LearnerInfo,
  RevalidationReply,
  RevalidationRequest,
  TouchVisitor,
} from './quorum/packet-bodies.js';
export { QuorumPacketReader } from './quorum/packet-reader.js';
export type { QuorumPacket, QuorumPacketSink } from './quorum/packet-reader.js';
export {
  LEARNER_PROTOCOL_VERSION,
  PACKET_DATA_BYTES_MAX_DEFAULT,
  QuorumPacketType,
  SNAPSHOT_STREAM_SIGNATURE,
  quorumPacketTypeName,
} from './quorum/packet-types.js';
export { QuorumPacketWriter } from './quorum/packet-writer.js';
export { PeerWireError } from './quorum/peer-wire-error.js';
export * from './replies.js';
export * from './requests.js';
export * from './session-records.js';
export { STAT_BYTES, StatOffset, stat } from './stat.js';
export type { Stat } from './stat.js';
export * from './transactions.js';
export { AddWatchMode, KeeperState, WatchEventType, WatcherType } from './watch.js';
