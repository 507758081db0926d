/**
 * The id of a server of the ensemble (`myid`). ZooKeeper allows 64 bits; ids beyond 2^53 are refused
 * where they are read.
 */
export type ServerId = number;

/** Decides which sets of servers may act for the whole ensemble. Any two quorums of one verifier meet. */
export interface QuorumVerifier {
  /** Those whose votes and acknowledgements count, ascending. */
  readonly voters: readonly ServerId[];

  isVoter(id: ServerId): boolean;

  /** A voter of weight 0 counts for nothing and is never elected. Servers that do not vote weigh 0. */
  weightOf(id: ServerId): number;

  /** Whether those of `acknowledged` that vote are a quorum. Others in the set change nothing. */
  isQuorum(acknowledged: ReadonlySet<ServerId>): boolean;
}
