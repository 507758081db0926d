import { zxidCounter } from '@aviary/foundation';
import type { EnsembleOptions } from '@aviary/server';
import {
  EphemeralHistory,
  RegisterHistory,
  SeededRandom,
  World,
  WriteHistory,
  checkDurability,
  checkRegisters,
  checkSessionOrder,
  drawDiskModel,
  drawNetworkModel,
  worstPowerCut,
  type NetworkModel,
  type SimulatedProcess,
} from '@aviary/simulator';
import {
  EPHEMERALS,
  EnsembleRegisterClient,
  EphemeralClient,
  IdleClient,
  WatchingClient,
  type EphemeralBoard,
} from './ensemble-clients.js';
import { FAULTS, FaultMaker, type Fault } from './ensemble-faults.js';
import { SimulatedMember, TICK_MS, configOf, type Sabotage } from './ensemble-member.js';
import { EnsembleWatch, nameOfZxid } from './ensemble-watch.js';
import { PipeliningSession } from './pipelining-session.js';
import { INITIAL_VALUE, KEYS, type Histories } from './register-client.js';

/** How a run is made; what is not given is drawn from the seed. */
export interface EnsembleScenarioOptions {
  readonly seed: number;
  readonly voters?: number;
  readonly observers?: number;
  readonly faults?: readonly Fault[];
  /** How long the faults go on, in virtual milliseconds. */
  readonly faultyMs?: number;
  /** Within which all must be well when no fault is left; the default has room for what TCP waits. */
  readonly convergenceMsMax?: number;
  /** Gets every event. */
  readonly trace?: (line: string) => void;
  /** Gets what members log, and what is done to them: the run for people. */
  readonly story?: (line: string) => void;
  /** A mistake to plant: the checkers must find it. */
  readonly sabotage?: Sabotage;
  readonly server?: Partial<EnsembleOptions>;
}

export interface EnsembleResult {
  /** Broken promises, each in a sentence. */
  readonly violations: readonly string[];
  readonly answered: number;
  readonly transactions: number;
  readonly lastEpoch: number;
  readonly starts: number;
  readonly events: number;
  /** What the seed has drawn. */
  readonly drawn: string;
  readonly healedInMs: number;
  /** Equal for equal seeds. */
  readonly traceHash: string;
}

const START_MS = 2500;
const FAULTY_MS_DEFAULT = 9000;
const CONVERGENCE_MS_MAX_DEFAULT = 60_000;
const QUIET_MS = 3000;
const RETRANSMIT_MS_MAX = 3000;
const SESSION_TIMEOUT_MS = 2000;

/** A drawn network, in most runs without delays that no leader outlasts. */
function networkOf(swarm: SeededRandom): NetworkModel {
  const model = drawNetworkModel(swarm);
  const { delay } = model.link;
  const isPatient = delay.tail === undefined || swarm.chance(0.2);
  const tail = { probability: 0.02, maxMs: TICK_MS };
  const link = isPatient ? model.link : { ...model.link, delay: { ...delay, tail } };
  return { ...model, link, retransmitMaxMs: RETRANSMIT_MS_MAX };
}

/** What ends a run early; it is told with the other violations. */
class BreachError extends Error {}

/** Members, clients, and a fate drawn from the seed. */
class EnsembleWorld {
  readonly world: World;
  readonly members: SimulatedMember[] = [];
  readonly problems: string[] = [];
  readonly histories: Histories = {
    registers: new RegisterHistory(),
    writes: new WriteHistory(),
    answered: 0,
  };
  readonly board: EphemeralBoard = {
    history: new EphemeralHistory(),
    paths: [],
    expired: [],
    tell: (who, what) => this.tell(who, what),
  };
  readonly pipelining: PipeliningSession[] = [];
  readonly ephemeral: EphemeralClient[] = [];
  readonly watch: EnsembleWatch;
  readonly watching: WatchingClient;
  readonly faults: FaultMaker;
  readonly drawn: string;
  private readonly clients: SimulatedProcess[] = [];

  constructor(private readonly options: EnsembleScenarioOptions) {
    const swarm = new SeededRandom(options.seed).fork('ensemble swarm');
    const voters = options.voters ?? (swarm.chance(0.25) ? 5 : 3);
    const observers = options.observers ?? (swarm.chance(0.3) ? 1 : 0);
    this.world = new World({
      seed: options.seed,
      network: networkOf(swarm),
      ...(options.trace ? { trace: options.trace } : {}),
    });
    // From a source of its own: what is added here leaves all other worlds as they were.
    const fates = new SeededRandom(options.seed).fork('later faults');
    const drawn = FAULTS.filter((fault) => (fault === 'outvote' ? fates : swarm).chance(0.45));
    const enabled = options.faults ?? drawn;
    this.drawn = `${voters}+${observers} servers, ${enabled.join(' ') || 'no faults'}`;
    const around = {
      world: this.world,
      config: configOf(voters, observers),
      options: { snapCount: swarm.pick([25, 100, 1000]), ...options.server },
      sabotage: options.sabotage ?? null,
      tell: (who: string, what: string) => this.tell(who, what),
      problem: (what: string) => this.problems.push(what),
      serving: (member: SimulatedMember, epoch: number) => this.watch.serving(member, epoch),
    };
    for (let id = 1; id <= voters + observers; id++) {
      const disk = drawDiskModel(swarm);
      const host = this.world.addHost(`m${id}`, { disk, directories: ['/data'] });
      this.members.push(new SimulatedMember(id, host, around));
    }
    this.nameServers();
    this.watch = new EnsembleWatch(this.world, this.members, ({ rule, message }) => {
      throw new BreachError(`${rule}: ${message}`);
    });
    this.watching = this.addClients(swarm);
    this.faults = new FaultMaker(
      {
        world: this.world,
        random: this.world.random.fork('fates'),
        members: this.members,
        clients: this.clients.map(({ host }) => host.name),
        tell: (who, what) => this.tell(who, what),
        mayWipe: (member) => this.mayWipe(member),
      },
      enabled,
    );
  }

  tell(who: string, what: string): void {
    this.options.story?.(`${this.world.virtualMs.toFixed(3).padStart(11)} ms  ${who}: ${what}`);
  }

  /** Clients know all servers under one name. */
  private nameServers(): void {
    const addresses = this.members.map(({ host }) => host.address);
    this.world.fabric.setName('server', addresses);
  }

  private addClients(swarm: SeededRandom): WatchingClient {
    const { board, histories, world } = this;
    const habits = {
      syncs: true,
      restMsMax: swarm.pick([250, 600, 1500]),
    };
    const boot = (name: string) => {
      const process = world.addHost(name).boot();
      this.clients.push(process);
      return process;
    };
    for (const name of ['ann', 'bob']) {
      new EnsembleRegisterClient(boot(name), name, histories, name === 'ann' ? 1 : 2);
    }
    for (const name of ['pip', 'pam']) {
      this.pipelining.push(new PipeliningSession(boot(name), histories, habits));
    }
    for (const name of ['eve', 'eli']) {
      this.ephemeral.push(new EphemeralClient(boot(name), name, board, SESSION_TIMEOUT_MS));
    }
    for (const name of ['ida', 'ike', 'ivy']) {
      new IdleClient(boot(name), name, board, SESSION_TIMEOUT_MS);
    }
    return new WatchingClient(boot('wat'), 'wat', board, SESSION_TIMEOUT_MS, KEYS);
  }

  private mayWipe(victim: SimulatedMember): boolean {
    const { lastCommitted } = this.watch.leadership;
    const others = this.members.filter((member) => member !== victim);
    const epochs = new Set(others.map(({ epoch }) => epoch));
    const haveAll = others.every(
      ({ isPaused, isServing, server }) =>
        isServing && !isPaused && server !== null && server.state.lastApplied >= lastCommitted,
    );
    if (!haveAll || epochs.size !== 1) return false;
    this.world.after(0, () => this.nameServers());
    return true;
  }

  /** Runs to the end; throws at what ends it early. */
  async run(): Promise<number> {
    const { faults, world } = this;
    const endMs = START_MS + (this.options.faultyMs ?? FAULTY_MS_DEFAULT);
    for (const member of this.members) member.boot();
    faults.plan(START_MS, endMs);
    await world.run({ virtualMsMax: endMs });
    const healedAtMs = world.virtualMs;
    faults.heal();
    await this.demandService();
    const healedInMs = world.virtualMs - healedAtMs;
    await this.demandQuiet();
    await this.demandWatched();
    await this.demandAgreement();
    this.blackout();
    await this.demandAgreement();
    this.checkEnd();
    return healedInMs;
  }

  /** One leader, everybody serves in its epoch, and every client gets answers. */
  private async demandService(): Promise<void> {
    const { ephemeral, histories, members, pipelining } = this;
    const isServed = () => {
      const epochs = new Set(members.map(({ epoch }) => epoch));
      const leaders = members.filter(({ isLeading }) => isLeading);
      return epochs.size === 1 && leaders.length === 1 && members.every((m) => m.isServing);
    };
    await this.reach(isServed, 'all members serve under one leader');
    const before = [histories.answered, ...ephemeral.map((each) => each.answered)];
    const isAnswered = () =>
      histories.answered > (before[0] ?? 0) + 30 &&
      ephemeral.every(({ answered }, i) => answered > (before[i + 1] ?? 0)) &&
      pipelining.every(({ entries }) => entries.length > 10);
    await this.reach(isAnswered, 'all clients are answered');
    await this.reach(isServed, 'all members serve under one leader, with clients');
  }

  /** Nothing goes wrong now, so no session of a living client may end and nobody may be deposed. */
  private async demandQuiet(): Promise<void> {
    const { board, members, world } = this;
    await world.run({ virtualMsMax: SESSION_TIMEOUT_MS * 2 });
    const expired = board.expired.length;
    const epochs = members.map(({ epoch, starts }) => `${starts}.${epoch}`).join();
    await world.run({ virtualMsMax: QUIET_MS });
    for (const { session, who } of board.expired.slice(expired)) {
      this.problems.push(`session ${session} of ${who} expired although nothing went wrong`);
    }
    if (epochs !== members.map(({ epoch, starts }) => `${starts}.${epoch}`).join()) {
      this.problems.push('a leader was deposed although nothing went wrong');
    }
  }

  /** The clients are gone: all trees become one, without sessions. */
  /** Nobody writes any more: who watches is shown the last that was written. */
  private async demandWatched(): Promise<void> {
    const { clients, members, watching } = this;
    for (const client of clients.slice(0, -1)) client.kill({ streams: 'reset' });
    const isShown = () => {
      const leader = members.find(({ isLeading }) => isLeading)?.server;
      return (
        leader !== undefined &&
        leader !== null &&
        watching.hasSeen(this.valuesOf(leader.state.tree))
      );
    };
    await this.reach(isShown, 'whoever watches is shown what was written last');
  }

  private async demandAgreement(): Promise<void> {
    for (const client of this.clients) client.kill({ streams: 'reset' });
    const states = () => this.members.map(({ server }) => server!.state);
    await this.reach(
      () =>
        this.members.every(({ isServing }) => isServing) &&
        new Set(states().map(({ tree }) => tree.lastZxid)).size === 1 &&
        new Set(states().map(({ tree }) => `${tree.digest.high}.${tree.digest.low}`)).size === 1 &&
        states().every(({ tree }) => tree.sessions.size === 0),
      'all trees are equal, and without sessions',
    );
  }

  private blackout(): void {
    this.tell('world', 'loses power');
    for (const member of this.members) member.kill(worstPowerCut);
    for (const member of this.members) member.boot();
  }

  private async reach(condition: () => boolean, what: string): Promise<void> {
    const virtualMsMax = this.options.convergenceMsMax ?? CONVERGENCE_MS_MAX_DEFAULT;
    const end = await this.world.run({ until: condition, virtualMsMax });
    if (end !== 'until') {
      const states = this.members.map((member) => {
        const { epoch, incarnation, server } = member;
        const state = server?.lifecycle === 'serving' ? server.state : null;
        const applied = state === null ? 'nothing' : nameOfZxid(state.lastApplied);
        const sessions = state?.tree.sessions.size ?? 0;
        const mode = member.isAlive ? (server?.mode ?? 'starting') : 'dead';
        return `${incarnation} ${mode} in ${epoch} applied ${applied} with ${sessions} sessions`;
      });
      throw new BreachError(
        `not within ${virtualMsMax} ms of quiet: ${what} (${states.join('; ')})`,
      );
    }
  }

  private checkEnd(): void {
    for (const { server, name } of this.members) {
      const tree = server!.state.tree;
      if (!tree.recomputeDigest())
        this.problems.push(`${name}: the digest is not that of its tree`);
      const parent = tree.findText(EPHEMERALS);
      if (parent >= 0 && this.board.paths.some((path) => tree.findText(path) >= 0)) {
        this.problems.push(`${name} has ephemeral nodes, and no session is left`);
      }
      const values = this.valuesOf(tree);
      for (const { rule, message } of checkDurability(this.histories.writes.writes, {
        valueOf: (key) => values.get(key) ?? null,
      })) {
        this.problems.push(`${rule}: at ${name} ${message}`);
      }
    }
  }

  private valuesOf(
    tree: NonNullable<SimulatedMember['server']>['state']['tree'],
  ): Map<string, string> {
    const values = new Map<string, string>();
    for (const key of KEYS) {
      const node = tree.findText(key);
      if (node < 0) continue;
      tree.nodes.select(node);
      const at = tree.nodes.valueAt + 4;
      const bytes = tree.nodes.bytes.slice(at, at + tree.nodes.dataBytes);
      values.set(key, new TextDecoder().decode(bytes));
    }
    return values;
  }

  /** Everything that a client was told and should not have been. */
  clientViolations(): string[] {
    const { board, histories, pipelining } = this;
    const initial = () => ({ version: 0, value: INITIAL_VALUE });
    const sessions = pipelining.flatMap(({ entries, finished }) => [...finished, entries]);
    return [
      ...pipelining.flatMap(({ breaches }) => breaches),
      ...this.watching.breaches,
      ...[
        ...sessions.flatMap((entries, i) => checkSessionOrder(`session ${i}`, entries)),
        ...checkRegisters(histories.registers.operations, initial),
        ...board.history.check(),
      ].map(({ rule, message }) => `${rule}: ${message}`),
    ];
  }
}

/** Runs a world from its seed and checks it, inside and out. */
export async function runEnsemble(options: EnsembleScenarioOptions): Promise<EnsembleResult> {
  const scenario = new EnsembleWorld(options);
  const { histories, problems, watch, world } = scenario;
  let healedInMs = 0;
  try {
    healedInMs = await scenario.run();
  } catch (error) {
    const isBreach = error instanceof BreachError;
    problems.push(isBreach ? error.message : String(error instanceof Error ? error.stack : error));
  }
  return {
    violations: [...problems, ...scenario.clientViolations()],
    answered: histories.answered,
    transactions: zxidCounter(watch.transactions),
    lastEpoch: watch.leadership.lastEpoch,
    starts: scenario.members.reduce((sum, { starts }) => sum + starts, 0),
    events: world.timeline.eventsDone,
    drawn: scenario.drawn,
    healedInMs,
    traceHash: world.traceHash,
  };
}
