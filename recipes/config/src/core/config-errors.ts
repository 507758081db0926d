import { CoordinationError } from '@aviary/client';

/** Which data a value was made of. */
export interface ConfigVersion {
  /** The zxid of the last change: a greater one is newer, whatever was deleted and made anew. */
  readonly zxid: bigint;
  /** The version of the node as the servers count it; null for a tree of nodes, which has none. */
  readonly number: number | null;
}

/** One thing that is wrong with data. */
export interface ConfigIssue {
  /** Which field, with dots between its names; empty: the whole. */
  readonly path: string;
  /** What is wrong, as the schema or the parser says it. */
  readonly message: string;
}

/** What the servers have now cannot be used. */
export interface ConfigRejection {
  readonly kind: 'rejected';
  readonly version: ConfigVersion;
  /** At least one. */
  readonly issues: readonly ConfigIssue[];
}

/** There are no data: nobody has published yet, or somebody deleted them. */
export interface ConfigAbsence {
  readonly kind: 'missing';
}

/** The servers refuse to show the data; it is tried again. */
export interface ConfigRefusal {
  readonly kind: 'unreadable';
  readonly error: Error;
}

/** Why a configuration does not follow its data. */
export type ConfigProblem = ConfigRejection | ConfigAbsence | ConfigRefusal;

/** The version for people: the number of a node, else the zxid in hexadecimal. */
export function versionText({ number, zxid }: ConfigVersion): string {
  return number === null ? `0x${zxid.toString(16)}` : String(number);
}

/** Issues for people, in one line; a long list is cut. */
export function issuesText(issues: readonly ConfigIssue[]): string {
  const shown = issues
    .slice(0, ISSUES_SHOWN_MAX)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const hidden = issues.length - shown.length;
  return [...shown, ...(hidden > 0 ? [`and ${hidden} more`] : [])].join('; ');
}

const ISSUES_SHOWN_MAX = 5;

/** What is wrong, for people, as the end of a sentence about the configuration. */
export function problemText(problem: ConfigProblem): string {
  switch (problem.kind) {
    case 'rejected':
      return `version ${versionText(problem.version)} was rejected: ${issuesText(problem.issues)}`;
    case 'missing':
      return 'there are no data';
    case 'unreadable':
      return `it cannot be read: ${problem.error.message}`;
  }
}

/**
 * Data that do not pass: by the parser, the limits or the schema. From `publish`: nothing was
 * written. From `ready`: there is no earlier version to begin with.
 */
export class ConfigRejectedError extends CoordinationError {
  readonly issues: readonly ConfigIssue[];
  /** Null: the data have not been published. */
  readonly version: ConfigVersion | null;

  constructor(
    path: string,
    facts: {
      readonly operation: string;
      readonly issues: readonly ConfigIssue[];
      readonly version: ConfigVersion | null;
    },
  ) {
    const { operation, issues, version } = facts;
    const what = version === null ? 'the value' : `version ${versionText(version)}`;
    super(`the configuration ${path}: ${what} was rejected: ${issuesText(issues)}`, {
      outcome: 'notApplied',
      operation,
      path,
    });
    this.issues = issues;
    this.version = version;
  }
}

/** There are no data and nothing stands in for them: publish some, or give a `default`. */
export class ConfigMissingError extends CoordinationError {
  constructor(path: string, operation: string) {
    super(
      `the configuration ${path}: there are no data. Publish some, or give { default } as fallback`,
      { outcome: 'notApplied', operation, path },
    );
  }
}

/** The ensemble did not show the data in time, and nothing stands in for them. */
export class ConfigUnavailableError extends CoordinationError {
  constructor(path: string, problem: string, cause?: unknown) {
    super(`the configuration ${path}: ${problem}`, {
      outcome: 'notApplied',
      operation: 'ready',
      path,
      cause,
    });
  }
}

/** `value` was read before there was one. Await `ready()` first. */
export class ConfigNotReadyError extends CoordinationError {
  constructor(path: string, problem: string) {
    super(`the configuration ${path} has no value yet: ${problem}`, {
      outcome: 'notApplied',
      operation: 'value',
      path,
    });
  }
}

/** The configuration, its client or its application was closed. Nothing was done. */
export class ConfigClosedError extends CoordinationError {
  constructor(path: string, operation: string) {
    super(`the configuration ${path} is not followed any more: it was closed`, {
      outcome: 'notApplied',
      operation,
      path,
    });
  }
}

/**
 * Whether it was published cannot be told: the connection broke, and since then others have published
 * so much that the history has nothing of that time any more. Look at what is there now.
 */
export class ConfigOutcomeUnknownError extends CoordinationError {
  constructor(path: string) {
    super(
      `publish ${path}: it may have been applied: the connection broke, and by now the history keeps ` +
        'only later versions. Look at what is there now; a higher historyMax makes this less likely',
      { outcome: 'unknown', operation: 'publish', path },
    );
  }
}

/** Somebody published in between: the version that was expected is not there. */
export class ConfigConflictError extends CoordinationError {
  /**
   * What the caller expected: the number of a version, or its zxid where it has none; -1: that there is
   * none.
   */
  readonly expected: number | bigint;
  /** Likewise, what is there. */
  readonly actual: number | bigint;

  constructor(path: string, expected: number | bigint, actual: number | bigint) {
    const text = (version: number | bigint) => {
      if (typeof version === 'bigint') return `version 0x${version.toString(16)}`;
      return version === -1 ? 'no node' : `version ${version}`;
    };
    super(
      `the configuration ${path} has ${text(actual)}, not ${text(expected)}: ` +
        'somebody published in between. Read it again',
      { outcome: 'notApplied', operation: 'publish', path },
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/** A {@link ConfigRejectedError} with one issue. */
export function rejection(
  path: string,
  operation: string,
  message: string,
  field = '',
): ConfigRejectedError {
  const issues = [{ path: field, message }];
  return new ConfigRejectedError(path, { operation, issues, version: null });
}
