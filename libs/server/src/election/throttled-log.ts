import type { Clock, Log } from '@aviary/foundation';

/** At most one line about a subject in so many milliseconds. */
const SILENCE_MS = 30_000;

interface Subject {
  quietUntilMs: number;
  unsaid: number;
}

/**
 * Warnings about what others do, and could do without end: the first about a subject is logged, those
 * that follow within half a minute are counted, and the next line has their number.
 */
export class ThrottledLog {
  private readonly subjects = new Map<string, Subject>();

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  /** `subject` says what is counted together; there must be a bounded number of subjects. */
  warn(subject: string, message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const nowMs = this.clock.monotonicMs();
    const known = this.subjects.get(subject);
    if (known !== undefined && nowMs < known.quietUntilMs) {
      known.unsaid++;
      return;
    }
    const unsaid = known?.unsaid ?? 0;
    this.subjects.set(subject, { quietUntilMs: nowMs + SILENCE_MS, unsaid: 0 });
    this.log.warn(message, unsaid === 0 ? facts : { ...facts, alikeSinceLastLine: unsaid });
  }
}
