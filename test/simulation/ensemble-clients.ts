import { CoordinationError, NodeExistsError, NoNodeError, ZooKeeper } from '@aviary/client';
import type { EphemeralHistory, SimulatedProcess } from '@aviary/simulator';
import { RegisterClient } from './register-client.js';

const REST_MS_MAX = 400;

/** A register client of many servers: only a sync shows it the newest state. */
export class EnsembleRegisterClient extends RegisterClient {
  protected override async read(key: string): Promise<number> {
    if (this.process.random.uint32() % 4 === 0) {
      // Of any age, but never older than what the session has seen: that is the client's to check.
      return (await this.zk.get(key)).stat.version;
    }
    const read = this.histories.registers.read(key);
    await this.zk.sync(key);
    const { data, stat } = await this.zk.get(key);
    read.returned(stat.version, String(data));
    return stat.version;
  }

  protected override restMs(): number {
    return this.process.random.uint32() % REST_MS_MAX;
  }
}

/** The parent of all ephemeral nodes. */
export const EPHEMERALS = '/e';
const NODES_MAX = 4;

/** What all owners of ephemeral nodes know of one another. */
export interface EphemeralBoard {
  readonly tell: (who: string, what: string) => void;
  readonly history: EphemeralHistory;
  /** Names that were created, newest last. */
  readonly paths: string[];
  /** Sessions that the server has called expired, and when in virtual time. */
  readonly expired: { readonly session: string; readonly who: string; readonly atMs: number }[];
}

/** A session of Aviary's client, whose end is told to the board. */
function watchedSession(
  process: SimulatedProcess,
  name: string,
  board: EphemeralBoard,
  sessionTimeoutMs: number,
): ZooKeeper {
  const { clock, random, network } = process;
  const zk = new ZooKeeper({
    servers: 'server:2181',
    sessionTimeoutMs,
    requestDeadlineMs: 5000,
    clock,
    random,
    network,
  });
  zk.state$.subscribe((state) => {
    board.tell(name, `is ${state.kind}`);
    if (state.kind !== 'lost' || state.reason !== 'expired') return;
    const session = textOf(state.sessionId);
    board.history.over(session);
    board.expired.push({ session, who: name, atMs: process.host.world.virtualMs });
  });
  return zk;
}

function textOf(session: bigint): string {
  return `0x${BigInt.asUintN(64, session).toString(16)}`;
}

/** Says nothing but what keeps its session open: only pings reach a server, and only one. */
export class IdleClient {
  readonly zk: ZooKeeper;

  constructor(
    process: SimulatedProcess,
    name: string,
    board: EphemeralBoard,
    sessionTimeoutMs: number,
  ) {
    this.zk = watchedSession(process, name, board, sessionTimeoutMs);
    process.run(() => void this.open());
  }

  private async open(): Promise<void> {
    try {
      await this.zk.connect();
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
      void this.open();
    }
  }
}

/** Watches nodes over all that happens: nothing older is shown than before, and at last the newest. */
export class WatchingClient extends IdleClient {
  /** What went back. */
  readonly breaches: string[] = [];
  private readonly seen = new Map<string, { readonly version: number; readonly value: string }>();

  constructor(
    process: SimulatedProcess,
    private readonly name: string,
    board: EphemeralBoard,
    sessionTimeoutMs: number,
    private readonly keys: readonly string[],
  ) {
    super(process, name, board, sessionTimeoutMs);
    process.run(() => {
      for (const key of keys) this.watch(key);
    });
  }

  /** Whether it was shown what is there. */
  hasSeen(values: ReadonlyMap<string, string>): boolean {
    return this.keys.every((key) => this.seen.get(key)?.value === values.get(key));
  }

  private watch(key: string): void {
    this.zk.watchNode(key).subscribe((view) => {
      const before = this.seen.get(key)?.version ?? -1;
      const version = view?.stat.version ?? -1;
      if (version < before) {
        this.breaches.push(`${this.name} was shown ${key} at ${version} after ${before}`);
      }
      if (view !== null) this.seen.set(key, { version, value: String(view.data) });
    });
  }
}

/** Makes ephemeral nodes, removes some, and looks for those of others. */
export class EphemeralClient {
  readonly zk: ZooKeeper;
  private made = 0;
  private own: string[] = [];
  answered = 0;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly name: string,
    private readonly board: EphemeralBoard,
    sessionTimeoutMs: number,
  ) {
    this.zk = watchedSession(process, name, board, sessionTimeoutMs);
    this.zk.state$.subscribe(({ kind }) => {
      if (kind === 'lost') this.own = [];
    });
    process.run(() => void this.work());
  }

  private async work(): Promise<void> {
    for (let isPrepared = false; ;) {
      try {
        if (!isPrepared) await this.prepare();
        isPrepared = true;
        await this.step();
        this.answered++;
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
      }
      await this.rest();
    }
  }

  private async prepare(): Promise<void> {
    try {
      await this.zk.create(EPHEMERALS, this.name);
    } catch (error) {
      if (!(error instanceof NodeExistsError)) throw error;
    }
  }

  private async step(): Promise<void> {
    const dice = this.process.random.uint32() % 10;
    const oldest = this.own[0];
    if (this.own.length < NODES_MAX && dice < 4) await this.make();
    else if (oldest !== undefined && dice < 6) await this.remove(oldest);
    else await this.look();
  }

  private async make(): Promise<void> {
    const path = `${EPHEMERALS}/${this.name}-${this.process.host.address}-${++this.made}`;
    const { stat } = await this.zk.create(path, '', { mode: 'ephemeral' });
    const session = textOf(stat.ephemeralOwner);
    this.board.history.created(path, session);
    this.board.tell(this.name, `has made ${path} in session ${session}`);
    this.board.paths.push(path);
    this.own.push(path);
  }

  private async remove(path: string): Promise<void> {
    const session = this.zk.sessionId;
    this.own = this.own.filter((each) => each !== path);
    this.board.history.removing(path);
    if (session === null) return;
    this.board.tell(this.name, `removes ${path}`);
    const done = this.board.history.writing(textOf(session));
    try {
      await this.zk.delete(path, { inSession: session });
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      this.board.history.missed(path);
      return;
    }
    done();
  }

  private async look(): Promise<void> {
    const { paths, history } = this.board;
    const path = paths[paths.length - 1 - (this.process.random.uint32() % 12)];
    if (path === undefined) return;
    const answer = history.looking(path);
    await this.zk.sync(path);
    const isPresent = (await this.zk.exists(path)) !== null;
    this.board.tell(this.name, `${isPresent ? 'sees' : 'misses'} ${path}`);
    answer(isPresent);
  }

  private rest(): Promise<void> {
    return new Promise((done) => {
      this.process.clock.setTimer(this.process.random.uint32() % REST_MS_MAX, done);
    });
  }
}
