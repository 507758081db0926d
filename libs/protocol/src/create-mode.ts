/** `flags` of a create request. CreateMode. */
export const CreateMode = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  persistentWithTtl: 5,
  persistentSequentialWithTtl: 6,
} as const;
export type CreateMode = (typeof CreateMode)[keyof typeof CreateMode];

/** Longest time to live of a TTL node, in milliseconds: 40 bits. */
export const TTL_MS_MAX = 0xff_ffff_ffff;

/** Whether the server appends a sequence number to the path. */
export function isSequential(mode: number): boolean {
  return (
    mode === CreateMode.persistentSequential ||
    mode === CreateMode.ephemeralSequential ||
    mode === CreateMode.persistentSequentialWithTtl
  );
}

/** Whether the node goes with the session that made it. */
export function isEphemeral(mode: number): boolean {
  return mode === CreateMode.ephemeral || mode === CreateMode.ephemeralSequential;
}

/** Whether the mode belongs to a node with a time to live. */
export function isTtl(mode: number): boolean {
  return mode === CreateMode.persistentWithTtl || mode === CreateMode.persistentSequentialWithTtl;
}

/** `ephemeralOwner` on disk of a container node: only the top bit is set. */
export const CONTAINER_OWNER_HIGH = 0x8000_0000 | 0;

/** Top byte of `ephemeralOwner` on disk of a TTL node; the low 40 bits are the time to live. */
export const TTL_OWNER_TOP_BYTE = 0xff;
