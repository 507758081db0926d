export { Hierarchy, type WeightedGroup } from './quorum/hierarchy.js';
export { Majority } from './quorum/majority.js';
export type { QuorumVerifier, ServerId } from './quorum/quorum-verifier.js';
