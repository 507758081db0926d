import type { Log } from '@aviary/foundation';
import { StandaloneServer, serverOptions, type ClientPort } from '@aviary/server';
import { drawDiskModel, worstPowerCut, type SeededRandom, type World } from '@aviary/simulator';
import { FAULTS, FaultMaker } from '../simulation/ensemble-faults.js';
import { SimulatedMember, configOf } from '../simulation/ensemble-member.js';

const TICK_MS = 200;
/** Of clients that look at what is left: they outlive whatever a drawn network does to them. */
export const LONG_SESSION_MS = 60_000;

const MEMBERS = 3;
/**
 * A holder knows that it may have lost its session after two thirds of that without an answer, and a
 * follower that its leader has lost still answers for `syncLimit` ticks and one half: together they are
 * less than the whole of the 2 s that sessions have here.
 */
const MEMBER_TICKS = { tickTimeMs: 100, initLimitTicks: 30, syncLimitTicks: 5 };

/** Those that leave what was committed where it is: recipes promise nothing for a lost majority. */
const MEMBER_FAULTS = FAULTS.filter((fault) => !['wipe', 'squeeze', 'outvote'].includes(fault));
const FAULTS_DRAWN = 0.3;

/** The settings of a server that a test may want otherwise. */
export type ServerSettings = Parameters<typeof serverOptions>[0];

/** What servers are made with. */
export interface ServersTerms {
  readonly world: World;
  /** Draws their disks and their fates. */
  readonly swarm: SeededRandom;
  readonly hasDrawnDisk: boolean;
  readonly settings: ServerSettings | undefined;
  /** Hears of what must not happen. */
  readonly failure: (what: string) => void;
}

const COMMON = {
  minSessionTimeoutMs: 2 * TICK_MS,
  maxSessionTimeoutMs: LONG_SESSION_MS,
  preAllocBytes: 16_384,
  reaperIntervalMs: 1_000,
};

export type Tree = ClientPort['tree'];

/** What serves the clients of a world. All of it is reached under the name `server`. */
export interface RecipeServers {
  /** The names of the hosts. */
  readonly hosts: readonly string[];
  /** Of those that serve; the one whose tree is the newest first. */
  readonly ports: readonly ClientPort[];
  /** Of all that run, whether they serve or not. */
  readonly trees: readonly Tree[];
  /** Whether all of them serve. */
  readonly isWhole: boolean;
  start(): void;
  /** One dies, and comes back. */
  crash(): void;
  pause(): void;
  resume(): void;
  /** Faults of its own for so long, beside those that the test makes. */
  torment(forMs: number, clients: readonly string[]): void;
  /** They are all well again, after the worst cut of all their power. */
  relieve(): void;
}

/** One server. */
export class LoneServer implements RecipeServers {
  readonly hosts = ['server'];
  readonly host;
  private server: StandaloneServer | null = null;

  constructor(private readonly terms: ServersTerms) {
    const { hasDrawnDisk, swarm, world } = terms;
    const disk = hasDrawnDisk ? drawDiskModel(swarm) : {};
    this.host = world.addHost('server', { disk, directories: ['/data'] });
  }

  get ports(): readonly ClientPort[] {
    const port = this.server?.monitor;
    return port ? [port] : [];
  }

  get trees(): readonly Tree[] {
    return this.ports.map(({ tree }) => tree);
  }

  get isWhole(): boolean {
    return this.server?.state === 'serving';
  }

  start(): void {
    const { failure, settings } = this.terms;
    const process = this.host.restart();
    const { clock, random, disk, network } = process;
    const log: Log = { info() {}, warn() {}, error: failure };
    const options = serverOptions({
      ...COMMON,
      dataDir: '/data',
      clientAddress: null,
      tickTimeMs: TICK_MS,
      ...settings,
    });
    process.run(() => {
      const server = new StandaloneServer(options, { clock, random, disk, network, log }, failure);
      this.server = server;
      server.start().catch((error: unknown) => failure(String(error)));
    });
  }

  crash(): void {
    this.start();
  }

  pause(): void {
    this.host.process?.pause();
  }

  resume(): void {
    this.host.process?.resume();
  }

  torment(): void {
    // A server that stands alone has no others with which anything could go wrong.
  }

  relieve(): void {
    this.host.process?.kill(worstPowerCut);
    this.start();
  }
}

/** The members of an ensemble, between which anything may go wrong, too. */
export class EnsembleServers implements RecipeServers {
  readonly members: SimulatedMember[] = [];
  private faults: FaultMaker | null = null;
  private readonly fates: SeededRandom;

  constructor(private readonly terms: ServersTerms) {
    const { failure, hasDrawnDisk, swarm, world } = terms;
    this.fates = swarm.fork('members');
    const around = {
      world,
      config: configOf(MEMBERS, 0),
      options: { ...COMMON, ...MEMBER_TICKS, snapCount: swarm.pick([25, 100, 1000]) },
      sabotage: null,
      tell: () => undefined,
      problem: failure,
      serving: () => undefined,
    };
    for (let id = 1; id <= MEMBERS; id++) {
      const disk = hasDrawnDisk ? drawDiskModel(swarm) : {};
      const host = world.addHost(`m${id}`, { disk, directories: ['/data'] });
      this.members.push(new SimulatedMember(id, host, around));
    }
    world.fabric.setName(
      'server',
      this.members.map(({ host }) => host.address),
    );
  }

  get hosts(): readonly string[] {
    return this.members.map(({ host }) => host.name);
  }

  get ports(): readonly ClientPort[] {
    const serving = this.members.filter(({ isServing, isPaused }) => isServing && !isPaused);
    return serving
      .map(({ server }) => server!.monitor!)
      .sort((one, other) => other.tree.lastZxid - one.tree.lastZxid);
  }

  get trees(): readonly Tree[] {
    return this.members.flatMap(({ isAlive, server }) =>
      isAlive && server?.lifecycle === 'serving' ? server.state.tree : [],
    );
  }

  get isWhole(): boolean {
    const leaders = this.members.filter(({ isLeading }) => isLeading);
    return leaders.length === 1 && this.ports.length === MEMBERS;
  }

  start(): void {
    for (const member of this.members) member.boot();
  }

  crash(): void {
    const victim = this.victim();
    victim.resume();
    victim.kill(worstPowerCut);
    victim.boot();
  }

  pause(): void {
    this.victim().pause();
  }

  resume(): void {
    for (const member of this.members) member.resume();
  }

  torment(forMs: number, clients: readonly string[]): void {
    const { fates, members } = this;
    const { world } = this.terms;
    const scene = {
      world,
      random: fates,
      members,
      clients,
      tell: () => undefined,
      mayWipe: () => false,
    };
    this.faults = new FaultMaker(
      scene,
      MEMBER_FAULTS.filter(() => fates.chance(FAULTS_DRAWN)),
    );
    this.faults.plan(0, forMs);
  }

  relieve(): void {
    this.faults?.heal();
    for (const member of this.members) {
      member.kill(worstPowerCut);
      member.boot();
    }
  }

  /** Often the leader: it has the most to lose. */
  private victim(): SimulatedMember {
    const { fates, members } = this;
    const leader = members.find(({ isLeading }) => isLeading);
    if (leader !== undefined && fates.chance(0.35)) return leader;
    return fates.pick(members as [SimulatedMember, ...SimulatedMember[]]);
  }
}
