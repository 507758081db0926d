import { linesOf, type History, type Line } from './history.js';

/** For so long the node of a member may stand that has given up without a connection, or died. */
const GHOST_US = 15_000_000;

/** One time that somebody came to the barrier. */
interface Attempt {
  readonly worker: string;
  readonly arrivedAt: number;
  round: number | null;
  enteredAt: number;
  leavingAt: number;
  leftAt: number;
  /** It was lost, gave up, or died. */
  goneAt: number;
}

/** Nobody is inside before enough have come, and nobody out before all have finished. */
export function barrierViolations({ lines, quorum }: History): string[] {
  const attempts = attemptsIn(lines);
  const rounds = new Map<number, Attempt[]>();
  for (const attempt of attempts) {
    if (attempt.round === null) continue;
    rounds.set(attempt.round, [...(rounds.get(attempt.round) ?? []), attempt]);
  }
  const violations: string[] = [];
  for (const [round, members] of rounds) {
    if (!couldOpen(members, attempts, quorum)) {
      violations.push(`barrier: round ${round} opened before ${quorum} were there`);
    }
    for (const early of members) {
      const late = members.filter(
        ({ leavingAt, goneAt }) => leavingAt > early.leftAt && goneAt === Infinity,
      );
      if (early.leftAt === Infinity) continue;
      for (const { worker } of late) {
        violations.push(
          `barrier: ${early.worker} left round ${round} before ${worker} had finished`,
        );
      }
    }
  }
  return violations;
}

/** Whether there is a moment at which the round may have opened. */
function couldOpen(
  members: readonly Attempt[],
  attempts: readonly Attempt[],
  quorum: number,
): boolean {
  const from = Math.max(...members.map(({ arrivedAt }) => arrivedAt));
  const to = Math.min(...members.map(({ enteredAt }) => enteredAt));
  const moments = [from, ...attempts.map(({ arrivedAt }) => arrivedAt)];
  return moments.some((at) => {
    if (at < from || at > to) return false;
    const there = attempts.filter(
      ({ arrivedAt, goneAt, leftAt }) =>
        arrivedAt <= at && Math.min(leftAt, goneAt + GHOST_US) > at,
    );
    return there.length >= quorum;
  });
}

function attemptsIn(lines: readonly Line[]): Attempt[] {
  const attempts: Attempt[] = [];
  const open = new Map<string, Attempt>();
  const never = { enteredAt: Infinity, leavingAt: Infinity, leftAt: Infinity, goneAt: Infinity };
  const kinds = ['arriving', 'entered', 'leaving', 'left', 'gone', 'killed'] as const;
  for (const line of linesOf(lines, ...kinds)) {
    const { at, worker } = line;
    if (line.kind === 'arriving') {
      const attempt: Attempt = { worker, arrivedAt: at, round: null, ...never };
      open.set(worker, attempt);
      attempts.push(attempt);
    }
    const attempt = open.get(worker);
    if (attempt === undefined) continue;
    if (line.kind === 'entered') {
      attempt.round = line.round;
      attempt.enteredAt = at;
    } else if (line.kind === 'leaving') attempt.leavingAt = at;
    else if (line.kind === 'left') attempt.leftAt = at;
    else if (line.kind === 'gone' || line.kind === 'killed') {
      if (attempt.leftAt === Infinity) attempt.goneAt = at;
    }
  }
  return attempts;
}
