import { setTimeout as pause } from 'node:timers/promises';
import type { EnsembleMode } from '@aviary/nest';
import type { Environment } from '../configured.js';
import { EXIT_FAILURE, type Failure } from '../failure.js';
import type { LocalEnsemble, MemberPlace } from './local-ensemble.js';
import { MemberProcess, type MemberEnd } from './member-process.js';
import type { FromMember } from './messages.js';
import type { Report } from './report.js';

const STOP_MS = 15_000;
const RESTART_PAUSE_MS_MIN = 250;
const RESTART_PAUSE_MS_MAX = 10_000;

/** One member, through all its processes. */
interface Seat {
  readonly place: MemberPlace;
  process: MemberProcess;
  isRunning: boolean;
  mode: EnsembleMode | null;
  /** Whether it was started again, and has not served since. */
  isReturning: boolean;
  /** How long to wait before its next process. */
  pauseMs: number;
}

/** Runs the members of a local ensemble as processes, and tells what becomes of them. */
export class Starter {
  private readonly seats: Seat[];
  private isOpen = false;
  private isStopping = false;
  private end: (failure: Failure | null) => void = () => undefined;
  /** Resolves when it is over: with null if it was told to stop. */
  private readonly over: Promise<Failure | null>;

  constructor(
    private readonly ensemble: LocalEnsemble,
    private readonly environment: Environment,
    private readonly restarts: boolean,
    private readonly report: Report,
  ) {
    this.over = new Promise((end) => (this.end = end));
    this.seats = ensemble.places.map((place) => ({
      place,
      process: this.spawn(place, false),
      isRunning: true,
      mode: null,
      isReturning: false,
      pauseMs: 0,
    }));
  }

  /** Resolves when all members have ended: with what went wrong, or null after {@link stop}. */
  async run(): Promise<Failure | null> {
    for (const seat of this.seats) void this.watch(seat);
    const failure = await this.over;
    if (failure !== null) await this.stop();
    return failure;
  }

  /**
   * Asks all members to close.
   *
   * @throws {Error} Some did not in time, and were killed.
   */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const { process } of this.seats) process.stop();
    let late = 0;
    const timer = setTimeout(() => (late = this.kill()), STOP_MS);
    await Promise.all(this.seats.map(({ process }) => process.ended));
    clearTimeout(timer);
    this.end(null);
    if (late > 0) throw new Error(`${late} members did not close in time and were killed.`);
  }

  /** Ends all members at once, and tells how many. Nothing that was acknowledged is lost. */
  kill(): number {
    const running = this.seats.filter(({ isRunning }) => isRunning);
    for (const { process } of running) process.kill();
    return running.length;
  }

  private spawn(place: MemberPlace, keepsLog: boolean): MemberProcess {
    return new MemberProcess(place, this.environment, keepsLog, (message) =>
      this.heard(place.id, message),
    );
  }

  private async watch(seat: Seat): Promise<void> {
    const end = await seat.process.ended;
    seat.isRunning = false;
    seat.mode = null;
    if (this.isStopping) return;
    // Who ends before all are up has most likely met what would end the others too.
    if (!this.isOpen) {
      this.end(startFailure(seat, end));
      return;
    }
    this.tellEnd(seat, end);
    if (this.restarts) await this.restart(seat);
    else if (!this.seats.some(({ isRunning }) => isRunning)) {
      this.end({ sentence: 'No member is left.', status: EXIT_FAILURE });
    }
  }

  private async restart(seat: Seat): Promise<void> {
    await pause(seat.pauseMs);
    if (this.isStopping) return;
    seat.pauseMs = Math.min(Math.max(2 * seat.pauseMs, RESTART_PAUSE_MS_MIN), RESTART_PAUSE_MS_MAX);
    seat.process = this.spawn(seat.place, true);
    seat.isRunning = true;
    seat.isReturning = true;
    await this.watch(seat);
  }

  private tellEnd({ place, process }: Seat, end: MemberEnd): void {
    const next = this.restarts
      ? `member ${place.id} is started again`
      : `member ${place.id} stays dead, unless npm start has --restart; by hand: ` +
        `node apps/ensemble/dist/main.js ${place.configPath}`;
    this.report.ended(place, process.pid, end, next);
    const running = this.seats.filter(({ isRunning }) => isRunning).length;
    if (2 * running <= this.seats.length) this.report.tooFew(running, this.seats.length);
  }

  private heard(id: number, message: FromMember): void {
    const seat = this.seats[id - 1];
    if (seat === undefined || message.kind !== 'mode' || this.isStopping) return;
    const before = seat.mode;
    seat.mode = message.mode;
    if (this.isOpen) this.tellMode(seat, before);
    else this.openOnceAllServe();
  }

  private tellMode(seat: Seat, before: EnsembleMode | null): void {
    const { place, process, mode, isReturning } = seat;
    if (mode === 'leader') this.report.leads(place, process.pid);
    else if (before === 'leader') this.report.leadsNoMore(place, process.pid);
    if (mode === null || mode === 'looking') return;
    if (isReturning && mode !== 'leader') this.report.isBack(place, process.pid, mode);
    seat.isReturning = false;
    seat.pauseMs = 0;
  }

  private openOnceAllServe(): void {
    const lines = this.seats.flatMap(({ place, process, mode }) =>
      mode === null || mode === 'looking' ? [] : [{ place, pid: process.pid, mode }],
    );
    const leader = lines.find(({ mode }) => mode === 'leader');
    if (lines.length < this.seats.length || leader === undefined) return;
    this.isOpen = true;
    this.report.opening(this.ensemble, lines, leader);
  }
}

function startFailure({ place }: Seat, { how, failure }: MemberEnd): Failure {
  const sentence = failure?.sentence ?? `it has ended with ${how}; see ${place.logPath}`;
  return {
    sentence: `member ${place.id} cannot start: ${sentence}`,
    status: failure?.status ?? EXIT_FAILURE,
  };
}
