import { silentLog, type Disk, type Log } from '@aviary/foundation';
import { StandaloneServer, serverOptions } from '@aviary/server';
import {
  RegisterHistory,
  SeededRandom,
  World,
  WriteHistory,
  checkDurability,
  checkRegisters,
  checkSessionOrder,
  drawDiskModel,
  drawNetworkModel,
  killNine,
  worstPowerCut,
  type SessionEntry,
  type SimulatedHost,
} from '@aviary/simulator';
import { PipeliningSession } from './pipelining-session.js';
import { INITIAL_VALUE, KEYS, RegisterClient, type Histories } from './register-client.js';

/** How a run is made; the defaults are those of the test suite. */
export interface ScenarioOptions {
  readonly seed: number;
  /** How long the faults go on, in virtual milliseconds. */
  readonly faultyMs?: number;
  /** Prints every event. */
  readonly trace?: (line: string) => void;
  /** A mistake to plant in the server's disk: the checkers must find it. */
  readonly breakDisk?: (disk: Disk) => Disk;
}

/** What came of a run. */
export interface ScenarioResult {
  /** Broken promises, each in a sentence. */
  readonly violations: readonly string[];
  readonly answered: number;
  readonly restarts: number;
  readonly events: number;
  /** Equal for equal seeds. */
  readonly traceHash: string;
}

const DATA_DIR = '/data';
const FAULTY_MS_DEFAULT = 12_000;
const WARM_UP_MS = 2000;
const LIMIT_MS = 120_000;

/** One server, three clients, and a fate drawn from the seed. */
class StandaloneWorld {
  readonly world: World;
  readonly host: SimulatedHost;
  readonly problems: string[] = [];
  readonly histories: Histories = {
    registers: new RegisterHistory(),
    writes: new WriteHistory(),
    answered: 0,
  };
  server: StandaloneServer | null = null;
  restarts = 0;
  readonly pipelining: PipeliningSession;
  private readonly clients;
  private readonly fates: SeededRandom;

  constructor(private readonly options: ScenarioOptions) {
    const swarm = new SeededRandom(options.seed).fork('swarm');
    this.world = new World({
      seed: options.seed,
      network: drawNetworkModel(swarm),
      ...(options.trace ? { trace: options.trace } : {}),
    });
    this.fates = this.world.random.fork('fates');
    this.host = this.world.addHost('server', {
      disk: drawDiskModel(swarm),
      directories: [DATA_DIR],
      strictDisk: options.breakDisk === undefined,
    });
    this.boot();
    const pipeliner = this.world.addHost('pipeliner').boot();
    this.clients = ['ann', 'bob'].map((name, index) => {
      const process = this.world.addHost(name).boot();
      new RegisterClient(process, name, this.histories, index === 0 ? 1 : 4);
      return process;
    });
    this.pipelining = new PipeliningSession(pipeliner, this.histories);
    this.clients.push(pipeliner);
  }

  /** Starts the server, on what its disk has. */
  boot(): void {
    const process = this.host.restart();
    this.restarts++;
    const log: Log = { ...silentLog, error: (message) => this.problems.push(message) };
    process.run(() => {
      const { clock, random, network } = process;
      const disk = this.options.breakDisk?.(process.disk) ?? process.disk;
      const server = new StandaloneServer(
        serverOptions({
          dataDir: DATA_DIR,
          clientAddress: null,
          tickTimeMs: 200,
          minSessionTimeoutMs: 400,
          preAllocBytes: 16 * 1024,
          snapCount: 40,
        }),
        { clock, random, network, disk, log },
        (reason) => {
          this.problems.push(reason);
          process.kill(killNine);
        },
      );
      this.server = server;
      server.start().catch((error: unknown) => {
        this.problems.push(`the server does not start: ${String(error)}`);
        process.kill(killNine);
      });
    });
  }

  /** Plans what will go wrong, until `endMs`. */
  planFaults(endMs: number): void {
    const { world, fates, host } = this;
    for (let at = WARM_UP_MS; at < endMs; at += fates.between(200, 2500)) {
      const untilMs = at + fates.between(1, 3000);
      const victim = fates.pick(['ann', 'bob', 'pipeliner']);
      switch (fates.below(5)) {
        case 0:
        case 1:
          world.after(at, () => this.boot());
          break;
        case 2:
          world.after(at, () => host.process?.pause());
          world.after(untilMs, () => host.process?.resume());
          break;
        case 3:
          world.after(at, () => world.partition([victim], ['server']));
          world.after(untilMs, () => world.heal());
          break;
        default:
          world.after(at, () => world.fabric.resetBetween(victim, 'server'));
      }
    }
  }

  /** Everything is well again: the server must serve all clients before long. */
  async demandProgress(): Promise<void> {
    this.world.heal();
    this.host.restart(worstPowerCut);
    this.boot();
    const { histories, pipelining } = this;
    const answered = histories.answered + 30;
    await this.world.reach(() => histories.answered > answered && pipelining.entries.length > 10, {
      virtualMsMax: LIMIT_MS,
    });
  }

  /** Silences the clients, cuts the power, and returns what the next server has. */
  async finalState(): Promise<Map<string, string>> {
    for (const client of this.clients) client.kill({ streams: 'reset' });
    this.host.restart(worstPowerCut);
    this.boot();
    const { server, world } = this;
    await world.reach(() => server?.state === 'serving', { virtualMsMax: LIMIT_MS });
    const tree = server?.monitor?.tree;
    const state = new Map<string, string>();
    if (tree === undefined) return state;
    if (!tree.recomputeDigest()) this.problems.push('the digest kept is not that of the tree');
    for (const key of KEYS) {
      const node = tree.findText(key);
      if (node < 0) continue;
      tree.nodes.select(node);
      const at = tree.nodes.valueAt + 4;
      const bytes = tree.nodes.bytes.slice(at, at + tree.nodes.dataBytes);
      state.set(key, new TextDecoder().decode(bytes));
    }
    return state;
  }
}

/** Runs a world from its seed and checks what its clients were told. */
export async function runStandalone(options: ScenarioOptions): Promise<ScenarioResult> {
  const scenario = new StandaloneWorld(options);
  const { world, histories, pipelining, problems } = scenario;
  const endMs = WARM_UP_MS + (options.faultyMs ?? FAULTY_MS_DEFAULT);
  scenario.planFaults(endMs);
  let state = new Map<string, string>();
  try {
    await world.run({ virtualMsMax: endMs });
    await scenario.demandProgress();
    state = await scenario.finalState();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const sessions: SessionEntry[][] = [...pipelining.finished, pipelining.entries];
  const initial = () => ({ version: 0, value: INITIAL_VALUE });
  const violations = [
    ...problems,
    ...pipelining.breaches,
    ...sessions.flatMap((entries, i) => checkSessionOrder(`session ${i}`, entries).map(sentence)),
    ...registerViolations(histories, initial),
    ...checkDurability(histories.writes.writes, {
      valueOf: (key) => state.get(key) ?? null,
    }).map(sentence),
  ];
  return {
    violations,
    answered: histories.answered,
    restarts: scenario.restarts,
    events: world.timeline.eventsDone,
    traceHash: world.traceHash,
  };
}

function registerViolations(
  histories: Histories,
  initial: () => { version: number; value: string },
): string[] {
  return checkRegisters(histories.registers.operations, initial).map(sentence);
}

function sentence({ rule, message }: { rule: string; message: string }): string {
  return `${rule}: ${message}`;
}
