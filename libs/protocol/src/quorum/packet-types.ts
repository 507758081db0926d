/**
 * What a packet between a leader and its learners is. Constants of
 * org.apache.zookeeper.server.quorum.Leader; a server never invents another.
 */
export const QuorumPacketType = {
  /** Learner to leader: a write of a client. */
  request: 1,
  /** Leader to followers: log this transaction. */
  proposal: 2,
  /** Learner to leader: what the zxid names is durable here. */
  ack: 3,
  /** Leader to followers: apply the proposal. */
  commit: 4,
  /** Both ways; the learner's reply carries the sessions that it heard of. */
  ping: 5,
  /** Both ways: is the session still there, and its answer. */
  revalidate: 6,
  /** Leader to learner: the sync that was asked for first is done. */
  sync: 7,
  /** Leader to observers: a proposal and its commit in one. */
  inform: 8,
  /** Leader to followers: the commit of a new ensemble configuration. */
  commitAndActivate: 9,
  /** Leader to learner: the history is complete; the configuration of the ensemble. */
  newLeader: 10,
  /** The first packet of a follower. */
  followerInfo: 11,
  /** Leader to learner: serve your clients. */
  upToDate: 12,
  /** Leader to learner: the transactions that you lack follow. */
  diff: 13,
  /** Leader to learner: cut your log behind the zxid. */
  trunc: 14,
  /** Leader to learner: the bytes of a snapshot follow, in the midst of the packets. */
  snap: 15,
  /** The first packet of an observer. */
  observerInfo: 16,
  /** Leader to learner: the epoch that is proposed. */
  leaderInfo: 17,
  /** Learner to leader: the epoch is accepted; how far its log goes. */
  ackEpoch: 18,
  /** Leader to observers: INFORM of a new ensemble configuration. */
  informAndActivate: 19,
} as const;
export type QuorumPacketType = (typeof QuorumPacketType)[keyof typeof QuorumPacketType];

const names = new Map<number, string>(
  Object.entries(QuorumPacketType).map(([name, type]) => [type, name]),
);

/** The name of a type as in {@link QuorumPacketType}; `unknown` with the number for any other. */
export function quorumPacketTypeName(type: number): string {
  return names.get(type) ?? `unknown(${type})`;
}

/** Version of the protocol in LearnerInfo and LEADERINFO, of every server since ZooKeeper 3.4. */
export const LEARNER_PROTOCOL_VERSION = 0x1_0000;

/** The string, in jute form, that ends the snapshot behind a SNAP packet. LearnerHandler. */
export const SNAPSHOT_STREAM_SIGNATURE = 'BenWasHere';

/**
 * The longest data of a packet, in bytes, unless configured: the default of `jute.maxbuffer`, once
 * for what clients send and once (`jute.maxbuffer.extrasize`) for what servers add to it.
 */
export const PACKET_DATA_BYTES_MAX_DEFAULT = 2 * 0xfffff;
