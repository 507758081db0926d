import { BadVersionError, CoordinationError, NodeExistsError, ZooKeeper } from '@aviary/client';
import type { RegisterHistory, SimulatedProcess, WriteHistory } from '@aviary/simulator';

/** The histories that all clients write together. */
export interface Histories {
  readonly registers: RegisterHistory;
  readonly writes: WriteHistory;
  /** Operations that were answered. */
  answered: number;
}

/** The registers that clients read and write. */
export const KEYS = ['/r0', '/r1', '/r2'];
/** What every register holds at first. */
export const INITIAL_VALUE = 'initial';

const PAUSE_AFTER_FAILURE_MS = 50;

/**
 * A client that reads and writes registers without end, through Aviary's own client, and notes what
 * it was told: one after the other, or many in flight.
 */
export class RegisterClient {
  readonly zk: ZooKeeper;
  private written = 0;

  constructor(
    protected readonly process: SimulatedProcess,
    private readonly name: string,
    protected readonly histories: Histories,
    lanes: number,
  ) {
    const { clock, random, network } = process;
    this.zk = new ZooKeeper({
      servers: 'server:2181',
      sessionTimeoutMs: 2000,
      requestDeadlineMs: 5000,
      clock,
      random,
      network,
    });
    process.run(() => {
      for (let lane = 0; lane < lanes; lane++) void this.work();
    });
  }

  /** Makes the registers; whoever finds one there already is as well. */
  private async prepare(): Promise<void> {
    for (const key of KEYS) {
      const write = this.histories.writes.begin(key, INITIAL_VALUE);
      try {
        const { stat } = await this.zk.create(key, INITIAL_VALUE);
        write.acknowledged(Number(stat.czxid));
      } catch (error) {
        if (error instanceof CoordinationError && error.outcome === 'notApplied')
          write.notApplied();
        if (!(error instanceof NodeExistsError)) throw error;
      }
    }
  }

  private async work(): Promise<void> {
    for (let isPrepared = false; ;) {
      try {
        if (!isPrepared) await this.prepare();
        isPrepared = true;
        await this.step();
        this.histories.answered++;
        const restMs = this.restMs();
        if (restMs > 0) await this.rest(restMs);
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        await this.rest(PAUSE_AFTER_FAILURE_MS);
      }
    }
  }

  /** Bursts, and moments without a word in between. */
  protected restMs(): number {
    const dice = this.process.random.uint32() % 8;
    return dice < 3 ? dice * 25 : 0;
  }

  private async step(): Promise<void> {
    const { random } = this.process;
    const key = KEYS[random.uint32() % KEYS.length] ?? '';
    const dice = random.uint32() % 10;
    if (dice < 5) await this.write(key);
    else if (dice < 9) await this.read(key);
    else await this.write(key, await this.read(key));
  }

  private async write(key: string, expectedVersion: number | null = null): Promise<void> {
    const { registers, writes } = this.histories;
    const value = `${this.name}-${++this.written}`;
    const register = registers.write(key, value, expectedVersion);
    const write = writes.begin(key, value);
    try {
      const condition = expectedVersion === null ? {} : { version: expectedVersion };
      const stat = await this.zk.set(key, value, condition);
      register.applied(stat.version);
      write.acknowledged(Number(stat.mzxid));
    } catch (error) {
      if (error instanceof CoordinationError && error.outcome === 'notApplied') {
        if (error instanceof BadVersionError) register.refused();
        else register.notApplied();
        write.notApplied();
      }
      throw error;
    }
  }

  /** A read that must be newest: of one server by itself every read is. */
  protected async read(key: string): Promise<number> {
    const read = this.histories.registers.read(key);
    const { data, stat } = await this.zk.get(key);
    read.returned(stat.version, String(data));
    return stat.version;
  }

  private rest(ms: number): Promise<void> {
    return new Promise((done) => {
      this.process.clock.setTimer(ms, done);
    });
  }
}
