import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EnsembleMode } from '@aviary/nest';
import { Subject, type Observable } from 'rxjs';
import { DemoProcess } from './demo-process.js';
import { claimPorts } from './claimed-ports.js';
import type { MemberModeMessage, MemberSettings } from './member-settings.js';

const MEMBERS = 3;
const PORTS_PER_MEMBER = 3;
const HOST = '127.0.0.1';
const LOG_BYTES_AHEAD = 1 << 20;

/** What happens to a member after all have begun to serve. */
export type MemberEvent =
  | { readonly kind: 'leads'; readonly id: number; readonly pid: number }
  | { readonly kind: 'ended'; readonly id: number; readonly pid: number; readonly how: string };

/** A member as it is now. */
export interface MemberView {
  readonly id: number;
  readonly pid: number;
  /** null: it does not run, or serves nobody. */
  readonly mode: EnsembleMode | null;
  readonly isRunning: boolean;
}

interface Seat {
  readonly settings: MemberSettings;
  process: DemoProcess<MemberModeMessage>;
  mode: EnsembleMode | null;
}

/** Three members, each in a process of its own, with data that go with them. */
export class OwnEnsemble {
  /** As a connection string. */
  readonly servers: string;
  private readonly directory: string;
  private readonly seats: Seat[];
  private readonly subject = new Subject<MemberEvent>();
  private readonly modes = new Subject<void>();
  private isServing = false;
  private isStopping = false;

  private constructor(directory: string, settings: readonly MemberSettings[]) {
    this.directory = directory;
    this.servers = settings.map(({ clientPort }) => `${HOST}:${clientPort}`).join(',');
    this.seats = settings.map((one) => this.seat(one));
  }

  /** Resolves when all members serve. @throws {Error} One of them ended first. */
  static async start(tickTimeMs: number): Promise<OwnEnsemble> {
    const ports = await claimPorts(MEMBERS * PORTS_PER_MEMBER);
    const directory = mkdtempSync(join(tmpdir(), 'aviary-demo-'));
    const ensemble = new OwnEnsemble(directory, settingsOf(directory, ports, tickTimeMs));
    try {
      await ensemble.serving();
      return ensemble;
    } catch (error) {
      await ensemble.stop();
      throw error;
    }
  }

  /** Hot; tells what happens from now on. Never errors or completes. */
  get events$(): Observable<MemberEvent> {
    return this.subject.asObservable();
  }

  get members(): readonly MemberView[] {
    return this.seats.map(({ settings, process, mode }) => {
      const isRunning = process.end === null;
      return { id: settings.serverId, pid: process.pid, mode: isRunning ? mode : null, isRunning };
    });
  }

  /** Starts those again that have ended. @returns their numbers. */
  restart(): readonly number[] {
    const ended = this.seats.filter(({ process }) => process.end !== null);
    for (const seat of ended) {
      seat.mode = null;
      seat.process = this.spawn(seat.settings);
    }
    return ended.map(({ settings }) => settings.serverId);
  }

  /** Ends all members and removes their data. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.seats.map(({ process }) => process.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async serving(): Promise<void> {
    const ends = this.seats.map(async ({ settings, process }) => {
      const how = await process.ended;
      throw new Error(`member ${settings.serverId} ended before it served: ${how}`);
    });
    const allServe = new Promise<void>((resolve) => {
      this.modes.subscribe(() => {
        if (this.seats.every(({ mode }) => mode !== null && mode !== 'looking')) resolve();
      });
    });
    await Promise.race([allServe, ...ends]);
    this.isServing = true;
  }

  private seat(settings: MemberSettings): Seat {
    return { settings, process: this.spawn(settings), mode: null };
  }

  private spawn(settings: MemberSettings): DemoProcess<MemberModeMessage> {
    const { serverId: id } = settings;
    const process = new DemoProcess<MemberModeMessage>('member.main.js', settings, ({ mode }) => {
      const seat = this.seats[id - 1];
      if (seat === undefined) return;
      seat.mode = mode;
      this.modes.next();
      if (mode === 'leader') this.tell({ kind: 'leads', id, pid: process.pid });
    });
    void process.ended.then((how) => this.tell({ kind: 'ended', id, pid: process.pid, how }));
    return process;
  }

  private tell(event: MemberEvent): void {
    if (this.isServing && !this.isStopping) this.subject.next(event);
  }
}

function settingsOf(
  directory: string,
  ports: readonly number[],
  tickTimeMs: number,
): readonly MemberSettings[] {
  const places = Array.from({ length: MEMBERS }, (_, index) => {
    const [clientPort = 0, quorumPort = 0, electionPort = 0] = ports.slice(
      index * PORTS_PER_MEMBER,
    );
    const line = `server.${index + 1}=${HOST}:${quorumPort}:${electionPort};${HOST}:${clientPort}`;
    return { serverId: index + 1, clientPort, line };
  });
  const ensemble = places.map(({ line }) => line).join('\n');
  return places.map(({ serverId, clientPort }) => ({
    dataDir: join(directory, String(serverId)),
    serverId,
    clientPort,
    clientAddress: HOST,
    tickTimeMs,
    preAllocBytes: LOG_BYTES_AHEAD,
    ensemble,
  }));
}
