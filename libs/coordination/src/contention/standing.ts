import {
  contenderOf,
  recipeOf,
  sequenceDistance,
  type Contender,
  type Marker,
} from './contender-name.js';

/** Who contends with whom in one directory, as a contender of one kind sees it. */
export interface Discipline {
  /** Of the contenders of this kind. */
  readonly marker: Marker;
  /** Of all that stand in the same queue. What bears another one belongs to another recipe. */
  readonly queue: readonly Marker[];
  /** Of those that this kind waits for if they stand before it. */
  readonly waitsFor: readonly Marker[];
}

/** Everybody waits for everybody before him. */
export function exclusive(marker: Marker): Discipline {
  return { marker, queue: [marker], waitsFor: [marker] };
}

/**
 * Whether who comes later always stands behind who is there. Not where kinds mix: a writer that
 * becomes a reader makes a node with the number that it had as a writer.
 */
export function isAppendOnly({ queue }: Discipline): boolean {
  return queue.length === 1;
}

/** A node in the directory of a queue that belongs to another recipe. */
export interface ForeignName {
  readonly name: string;
  /** Whose it is, for people. */
  readonly recipe: string;
}

/** Where one contender stands. */
export interface Standing {
  /** How many contenders it has to wait for. 0: it is its turn. */
  readonly ahead: number;
  /** The last of those; null if there is none. */
  readonly predecessor: string | null;
  /** All of them, in no particular order. */
  readonly names: readonly string[];
}

/**
 * Where the contender `own` stands among the children of its directory; null if it is not there.
 *
 * Only lower numbers matter: who waits for a later one waits in a circle.
 */
export function standingOf(
  own: string,
  children: readonly string[],
  { waitsFor }: Pick<Discipline, 'waitsFor'>,
): Standing | null {
  const ownSequence = contenderOf(own)?.sequence;
  if (ownSequence === undefined || !children.includes(own)) return null;
  const names: string[] = [];
  let predecessor: string | null = null;
  let nearest = -Infinity;
  for (const name of children) {
    const contender = contenderOf(name);
    if (contender === null || !waitsFor.includes(contender.marker)) continue;
    const distance = sequenceDistance(ownSequence, contender.sequence);
    if (distance >= 0) continue;
    names.push(name);
    if (distance > nearest) {
      nearest = distance;
      predecessor = name;
    }
  }
  return { ahead: names.length, predecessor, names };
}

/** The contenders with one of the markers among `children`, in the order of their numbers. */
export function inOrder(
  children: readonly string[],
  { queue }: Pick<Discipline, 'queue'>,
): readonly Contender[] {
  const queued = children.flatMap((name) => {
    const contender = contenderOf(name);
    return contender === null || !queue.includes(contender.marker) ? [] : [contender];
  });
  const base = queued[0]?.sequence ?? 0;
  return queued.sort(
    (one, other) => sequenceDistance(base, one.sequence) - sequenceDistance(base, other.sequence),
  );
}

/** The first contender of another recipe among `children`; null if there is none. */
export function foreignAmong(
  children: readonly string[],
  { queue }: Pick<Discipline, 'queue'>,
): ForeignName | null {
  for (const name of children) {
    const contender = contenderOf(name);
    if (contender === null || queue.includes(contender.marker)) continue;
    return { name, recipe: recipeOf(contender.marker) };
  }
  return null;
}
