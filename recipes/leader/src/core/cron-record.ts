/**
 * How a fire ended. `running`: it has not, or its leader has gone and the next one has not looked yet.
 * `interrupted`: its leader lost the role or died before it said how it ended. `skipped`: it was
 * missed, and is not made up for.
 */
export type FireOutcome = 'running' | 'done' | 'failed' | 'interrupted' | 'skipped';

/** One fire of a job, as it stands in the history. */
export interface CronFire {
  /** The time of the schedule that it belongs to; of a fire by hand when it was asked for. */
  readonly at: Date;
  readonly outcome: FireOutcome;
  /** Which leader. */
  readonly by: string;
  /** The token of its term. */
  readonly token: bigint;
  /** Tells the fires of one term apart. */
  readonly attempt: number;
  readonly startedAt: Date;
  /** null: not known to have ended. */
  readonly endedAt: Date | null;
  /** What it threw; null: nothing. */
  readonly error: string | null;
  /** The first of the times before {@link at} that were passed over with it; null: none. */
  readonly missedSince: Date | null;
}

/** What the ensemble knows of a job. */
export interface CronRecord {
  /** The newest time of the schedule that was decided upon: fired or passed over. */
  readonly last: Date;
  /** The newest first. */
  readonly history: readonly CronFire[];
}

/** A record as it was read. */
export interface StoredRecord {
  readonly record: CronRecord;
  readonly version: number;
}

/** A record is read and written whole, and servers take no request of more than a megabyte. */
export const RECORD_BYTES_MAX = 512 << 10;

/**
 * The bytes of a record: JSON, with times as in ISO 8601 and tokens in decimal text. Of a history that
 * would take more than {@link RECORD_BYTES_MAX} the oldest fires are left out.
 */
export function encodeRecord({ last, history }: CronRecord): string {
  const fires: string[] = [];
  let bytes = 0;
  for (const fire of history) {
    const text = JSON.stringify({ ...fire, token: String(fire.token) });
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > RECORD_BYTES_MAX) break;
    fires.push(text);
  }
  return `{"last":${JSON.stringify(last)},"history":[${fires.join()}]}`;
}

/** @throws {SyntaxError} It is no record. */
export function decodeRecord(data: Uint8Array | null): CronRecord {
  const text = data === null ? '' : Buffer.from(data).toString();
  const { last, history } = Object(JSON.parse(text)) as { last?: unknown; history?: unknown };
  if (!Array.isArray(history)) throw new SyntaxError(`no record of a cron job: ${text}`);
  return { last: dateOf(last), history: history.map(fireOf) };
}

function fireOf(value: unknown): CronFire {
  const fire = Object(value) as Record<keyof CronFire, unknown>;
  return {
    at: dateOf(fire.at),
    outcome: String(fire.outcome) as FireOutcome,
    by: String(fire.by),
    token: BigInt(String(fire.token)),
    attempt: Number(fire.attempt),
    startedAt: dateOf(fire.startedAt),
    endedAt: fire.endedAt === null ? null : dateOf(fire.endedAt),
    error: typeof fire.error === 'string' ? fire.error : null,
    missedSince: fire.missedSince === null ? null : dateOf(fire.missedSince),
  };
}

function dateOf(value: unknown): Date {
  const date = new Date(String(value));
  if (Number.isNaN(date.getTime())) throw new SyntaxError(`"${String(value)}" is no time`);
  return date;
}
