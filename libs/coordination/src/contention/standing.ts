import { foreignRecipe, sequenceDistance, sequenceOf } from './contender-name.js';

/** One contender among the children of a lock. */
export interface QueuedName {
  readonly name: string;
  readonly sequence: number;
}

/** A node in the lock's directory that belongs to another recipe. */
export interface ForeignName {
  readonly name: string;
  /** Whose it is, for people. */
  readonly recipe: string;
}

/** Where one contender stands. */
export interface Standing {
  /** How many contenders are served before it. 0: it is first. */
  readonly ahead: number;
  /** The one right before it; null if it is first. */
  readonly predecessor: string | null;
  /** All that are served before it, in no particular order. */
  readonly names: readonly string[];
}

/**
 * Where the contender `own` stands among the children of its lock; null if it is not there.
 *
 * Only lower numbers matter: who waits for a later one waits in a circle.
 */
export function standingOf(own: string, children: readonly string[]): Standing | null {
  const ownSequence = sequenceOf(own);
  if (ownSequence === null || !children.includes(own)) return null;
  const names: string[] = [];
  let predecessor: string | null = null;
  let nearest = -Infinity;
  for (const name of children) {
    const sequence = sequenceOf(name);
    if (sequence === null) continue;
    const distance = sequenceDistance(ownSequence, sequence);
    if (distance >= 0) continue;
    names.push(name);
    if (distance > nearest) {
      nearest = distance;
      predecessor = name;
    }
  }
  return { ahead: names.length, predecessor, names };
}

/** The contenders among `children` in the order in which they are served. */
export function inOrder(children: readonly string[]): readonly QueuedName[] {
  const queued = children.flatMap((name) => {
    const sequence = sequenceOf(name);
    return sequence === null ? [] : [{ name, sequence }];
  });
  const base = queued[0]?.sequence ?? 0;
  return queued.sort(
    (one, other) => sequenceDistance(base, one.sequence) - sequenceDistance(base, other.sequence),
  );
}

/** The first contender of another recipe among `children`; null if there is none. */
export function foreignAmong(children: readonly string[]): ForeignName | null {
  for (const name of children) {
    const recipe = foreignRecipe(name);
    if (recipe !== null) return { name, recipe };
  }
  return null;
}
