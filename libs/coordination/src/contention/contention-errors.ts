import { CoordinationError, type Outcome } from '@aviary/client';

/** What is contended for. */
export interface Contended {
  /** The word for it, in messages: `lock`, `role`. */
  readonly noun: string;
  /** Its directory. */
  readonly path: string;
}

const NOTHING_DONE = { outcome: 'notApplied' satisfies Outcome, operation: 'acquire' } as const;

/**
 * It was not free and the caller did not want to wait (`waitMs: 0`). Nothing was done, and nothing
 * of this attempt stays in the queue.
 */
export class BusyError extends CoordinationError {
  /** How many contenders, the holder included, stood before this attempt. */
  readonly ahead: number;

  /** @param shortage Why it was not to be had, where that is not who stood before. */
  constructor({ noun, path }: Contended, ahead: number, shortage: string | null = null) {
    const problem = shortage ?? `${contenders(ahead)} before this attempt`;
    super(`the ${noun} ${path} is not free: ${problem}`, {
      ...NOTHING_DONE,
      path,
    });
    this.ahead = ahead;
  }
}

/** Characters of another's identity that a message shows. */
const QUOTED_LENGTH_MAX = 200;

/** How a wait ended that was too long. */
export interface WaitFacts {
  readonly waitMs: number;
  readonly ahead: number;
  readonly behind: string | null;
  /** Why it was not to be had, where that is not who stood before. */
  readonly shortage?: string | null;
}

/**
 * It was not this attempt's turn within `waitMs`. The contender's node is deleted, in the background
 * if there is no connection just now, so the queue does not wait for it.
 */
export class WaitTimeoutError extends CoordinationError {
  readonly waitMs: number;
  /** How many contenders, the holder included, stood before this attempt when last seen. */
  readonly ahead: number;
  /** The identity of the contender right before it, as that one wrote it; null if not known. */
  readonly behind: string | null;

  constructor({ noun, path }: Contended, { waitMs, ahead, behind, shortage = null }: WaitFacts) {
    const next = behind === null ? '' : `, the next of them ${quoted(behind)}`;
    const problem = shortage ?? `${contenders(ahead)} before${next}`;
    super(`the ${noun} ${path} was not free within ${waitMs} ms: ${problem}`, {
      ...NOTHING_DONE,
      path,
    });
    this.waitMs = waitMs;
    this.ahead = ahead;
    this.behind = behind;
  }
}

/**
 * The ensemble did not say within the time allowed whether it is free: it is not known to be busy.
 * What may have reached the servers is deleted in the background.
 */
export class UnavailableError extends CoordinationError {
  /** How long it was waited for an answer. */
  readonly waitMs: number;

  constructor({ noun, path }: Contended, waitMs: number, problem: string) {
    super(`no answer about the ${noun} ${path} within ${waitMs} ms: ${problem}`, {
      ...NOTHING_DONE,
      path,
    });
    this.waitMs = waitMs;
  }
}

/** Who was asked for it, or the application that he belongs to, is shutting down. Nothing was done. */
export class ShuttingDownError extends CoordinationError {
  constructor({ noun, path }: Contended) {
    super(`the ${noun} ${path} is not taken any more: its ${noun} client is shutting down`, {
      ...NOTHING_DONE,
      path,
    });
  }
}

/**
 * A contender of another recipe stands in the directory. It does not see contenders of this one, so
 * both would hold at once. Nothing stays in the queue; let one of them use another path.
 */
export class ForeignContenderError extends CoordinationError {
  /** The node of the other recipe. */
  readonly node: string;
  /** Which recipe, for people. */
  readonly recipe: string;

  constructor({ noun, path }: Contended, node: string, recipe: string) {
    super(
      `the ${noun} ${path} has the contender "${node}" of ${recipe}, which does not see this one: ` +
        'give one of the two another path (or set onForeignContender to "warn")',
      { ...NOTHING_DONE, path },
    );
    this.node = node;
    this.recipe = recipe;
  }
}

/** The errors of an attempt, as the recipe that makes it calls them. */
export interface ContentionErrors {
  readonly Busy: typeof BusyError;
  readonly Timeout: typeof WaitTimeoutError;
  readonly Unavailable: typeof UnavailableError;
  readonly ShuttingDown: typeof ShuttingDownError;
}

function contenders(count: number): string {
  return count === 1 ? 'one contender' : `${count} contenders`;
}

/** What somebody else wrote, on one line and short, whatever it is. */
function quoted(text: string): string {
  const isLong = text.length > QUOTED_LENGTH_MAX;
  return JSON.stringify(isLong ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text);
}
