import { formatZxid } from '@aviary/foundation';
import { Majority, type ServerId } from '../../src/index.js';
import { Checks, Violation } from './checks.js';
import { Connection } from './connection.js';
import { LeaderHost } from './leader-host.js';
import { ModelServer } from './model-server.js';
import { Prng } from './prng.js';
import { Timeline } from './timeline.js';

const CONVERGE_MS = 8_000;

export const FAULTS = [
  'crash',
  'crashOfMany',
  'crashOfAll',
  'pause',
  'reset',
  'silence',
  'partition',
  'isolation',
  'snapshot',
  'damage',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Planted bugs are other classes of servers. */
export type ServerClass = new (...args: ConstructorParameters<typeof ModelServer>) => ModelServer;

export interface EnsembleOptions {
  readonly seed: number;
  readonly voters: number;
  readonly observers: number;
  /** Servers that follow, and are in no configuration. */
  readonly nonVoters: number;
  readonly chaosMs: number;
  /** All, if it is not said. */
  readonly faults?: readonly Fault[];
  readonly serverClass?: ServerClass;
}

/** Whole ensembles, their disks and connections, and everything that can happen to them. */
export class Ensemble {
  readonly timeline = new Timeline();
  readonly prng: Prng;
  readonly verifier: Majority;
  readonly checks: Checks;
  readonly counts = {
    commits: 0,
    applied: 0,
    epochs: 0,
    syncs: 0,
    diff: 0,
    trunc: 0,
    snap: 0,
    needsLog: 0,
    cutsRefused: 0,
    losses: 0,
  };
  /** Whether learners get what only the logs on disk have, or a snapshot then. */
  readonly usesLogs: boolean;
  /** Whether leaders send as ZooKeeper's do. */
  readonly sendsEarly: boolean;
  readonly snapshotsKept: number;
  /** How often a server follows one that it only heard of, and how often the wrong one is elected. */
  private readonly rumours: number;
  private readonly mistakes: number;
  chaotic = true;
  readonly trace: string[] = [];
  private readonly servers: ModelServer[] = [];
  private readonly connections: Connection[] = [];
  private readonly blocked = new Set<string>();
  private ids = 0;
  private committedWhenHealed = 0;

  constructor(readonly options: EnsembleOptions) {
    const { seed, voters, observers, nonVoters, serverClass = ModelServer } = options;
    this.prng = new Prng(seed);
    this.usesLogs = this.prng.chance(0.5);
    this.sendsEarly = this.prng.chance(0.3);
    this.snapshotsKept = 1 + this.prng.below(2);
    this.rumours = this.prng.chance(0.5) ? 0.3 : 0;
    this.mistakes = this.prng.chance(0.5) ? 0.3 : 0;
    const total = voters + nonVoters + observers;
    for (let sid = 1; sid <= total; sid++) {
      const kind = sid <= voters ? 'voter' : sid <= voters + nonVoters ? 'nonVoter' : 'observer';
      this.servers.push(new serverClass(this, sid, kind));
    }
    const members = this.servers.filter(({ kind }) => kind === 'voter');
    this.verifier = new Majority(members.map(({ sid }) => sid));
    this.checks = new Checks(this.verifier, new Map(members.map(({ sid, disk }) => [sid, disk])));
  }

  server(sid: ServerId): ModelServer {
    return this.servers[sid - 1]!;
  }

  nextId(): number {
    return ++this.ids;
  }

  note(text: string): void {
    this.trace.push(`${this.timeline.nowMs.toFixed(1)} ${text}`);
  }

  /** Faults and work for a while; then everything heals, and all must come to the same. */
  run(): void {
    for (const server of this.servers)
      this.timeline.after(this.prng.below(50), () => server.start());
    this.work();
    this.disturb(this.drawFaults(), this.prng.between(30, 300));
    this.timeline.runUntil(this.options.chaosMs);
    this.heal();
    this.timeline.runUntil(this.timeline.nowMs + CONVERGE_MS, () => this.hasConverged());
    if (this.hasConverged()) return;
    throw new Violation(`no convergence: ${this.servers.map(described).join('; ')}`);
  }

  // The network:

  private reaches(one: ServerId, other: ServerId): boolean {
    return !this.blocked.has(`${one} ${other}`);
  }

  connect(learner: ModelServer, leaderId: ServerId): Connection | null {
    const leader = this.server(leaderId);
    if (!leader.isUp || leader.isPaused || !this.reaches(learner.sid, leaderId)) return null;
    if (!(leader.role instanceof LeaderHost)) return null;
    const connection = new Connection(this, this.connections.length, learner.sid, leaderId);
    this.connections.push(connection);
    leader.connected(connection);
    return connection;
  }

  // The election, which any may win; the best one mostly does:

  elect(server: ModelServer): void {
    const leader = this.servers.find((other) => this.isFollowedLeader(server, other));
    const rumour = this.prng.pick(this.servers);
    if (this.chaotic && rumour.state === 'leading' && this.prng.chance(this.rumours)) {
      return server.learnFrom(rumour.sid);
    }
    if (leader !== undefined) return server.learnFrom(leader.sid);
    if (!server.votes) return;
    const electorate = this.servers.filter(
      (other) =>
        other.votes &&
        other.state === 'looking' &&
        !other.isPaused &&
        (other === server || this.reaches(server.sid, other.sid)),
    );
    while (this.chaotic && this.prng.chance(0.3) && electorate.length > 1) {
      const left = this.prng.below(electorate.length);
      if (electorate[left] !== server) electorate.splice(left, 1);
    }
    if (!this.verifier.isQuorum(new Set(electorate.map(({ sid }) => sid)))) return;
    const isMistaken = this.chaotic && this.prng.chance(this.mistakes);
    const winner = isMistaken ? this.prng.pick(electorate) : electorate.reduce(better);
    for (const other of electorate) {
      other.later(this.prng.below(15), () => {
        if (other.state !== 'looking') return;
        if (other === winner) other.lead();
        else other.learnFrom(winner.sid);
      });
    }
  }

  private isFollowedLeader(server: ModelServer, other: ModelServer): boolean {
    if (!(other.role instanceof LeaderHost) || other.isPaused) return false;
    if (!this.reaches(server.sid, other.sid)) return false;
    const supporters = this.servers.filter(({ role, votes }) => {
      return votes && role !== null && !(role instanceof LeaderHost) && role.leader === other.sid;
    });
    return this.verifier.isQuorum(new Set([other.sid, ...supporters.map(({ sid }) => sid)]));
  }

  // What happens:

  private work(): void {
    const server = this.prng.pick(this.servers);
    if (server.role instanceof LeaderHost) {
      const { role } = server;
      const committedThen = this.checks.committed.length;
      if (this.prng.chance(0.4)) server.runFirst(() => role.sync(committedThen));
      else if (!server.isPaused)
        for (let left = this.prng.below(3); left >= 0; left--) role.propose();
    }
    this.timeline.after(this.prng.between(2, 25), () => this.work());
  }

  /** Each run has its own mixture of faults: what is rare in one is frequent in another. */
  private drawFaults(): (() => void)[] {
    const { prng, servers } = this;
    const one = () => prng.pick(servers);
    const some = (share: number, work: (server: ModelServer) => void): void => {
      for (const server of servers) if (prng.chance(share)) work(server);
    };
    const kinds: Record<Fault, () => void> = {
      crash: () => this.crash(one()),
      crashOfMany: () => some(0.7, (server) => this.crash(server)),
      crashOfAll: () => some(1, (server) => this.crash(server)),
      pause: () => one().pause(prng.between(10, 900)),
      reset: () => this.breakOne((connection) => connection.close(null)),
      silence: () => this.breakOne((connection) => connection.cut()),
      partition: () => this.separate(one(), one()),
      isolation: () => this.isolate(one()),
      snapshot: () => one().compact(),
      damage: () => this.damage(one()),
    };
    const { faults = FAULTS } = this.options;
    return faults.flatMap((name) => new Array<() => void>(prng.below(5)).fill(kinds[name]));
  }

  private disturb(faults: readonly (() => void)[], everyMs: number): void {
    if (!this.chaotic || faults.length === 0) return;
    this.prng.pick(faults)();
    this.timeline.after(this.prng.between(5, everyMs), () => this.disturb(faults, everyMs));
  }

  private isolate(server: ModelServer): void {
    for (const other of this.servers) if (this.prng.chance(0.5)) this.separate(server, other);
  }

  private crash(server: ModelServer): void {
    if (!server.isUp) return;
    this.note(`server ${server.sid} crashes`);
    server.crash();
    const isSilent = this.prng.chance(0.2);
    for (const connection of this.connections) {
      if (connection.isCut) continue;
      if (connection.learner !== server.sid && connection.leader !== server.sid) continue;
      if (isSilent) connection.cut();
      else connection.close(server.sid);
    }
    this.timeline.after(this.prng.between(5, 400), () => {
      if (!server.isUp) server.start();
    });
  }

  /** What a server has is damaged; the others can bring it back as long as they are a quorum. */
  private damage(server: ModelServer): void {
    const sound = this.servers.filter((other) => other !== server && other.votes);
    if (!this.verifier.isQuorum(new Set(sound.map(({ sid }) => sid)))) return;
    this.crash(server);
    if (server.isUp) return;
    this.note(`server ${server.sid} has lost its history`);
    server.disk.lose();
    this.counts.losses++;
  }

  private breakOne(how: (connection: Connection) => void): void {
    const whole = this.connections.filter(({ isCut }) => !isCut);
    if (whole.length > 0) how(this.prng.pick(whole));
  }

  private separate(one: ModelServer, other: ModelServer): void {
    if (one === other) return;
    const pairs = [`${one.sid} ${other.sid}`, `${other.sid} ${one.sid}`];
    for (const pair of pairs) this.blocked.add(pair);
    for (const connection of this.connections) {
      const { learner, leader } = connection;
      if (pairs.includes(`${learner} ${leader}`)) connection.cut();
    }
    this.timeline.after(this.prng.between(20, 700), () => {
      for (const pair of pairs) this.blocked.delete(pair);
    });
  }

  private heal(): void {
    this.note('everything heals');
    this.chaotic = false;
    this.blocked.clear();
    this.committedWhenHealed = this.checks.committed.length;
    for (const server of this.servers) if (!server.isUp) server.start();
  }

  private hasConverged(): boolean {
    const { committed } = this.checks;
    if (committed.length === this.committedWhenHealed) return false;
    const leaders = this.servers.filter(({ role }) => role instanceof LeaderHost);
    if (leaders.length !== 1) return false;
    return this.servers.every(
      ({ role, memory }) => role?.isServing === true && memory.length === committed.length,
    );
  }
}

function better(one: ModelServer, other: ModelServer): ModelServer {
  const keys = (server: ModelServer) => [
    server.disk.currentEpoch,
    server.disk.recover().lastZxid,
    server.sid,
  ];
  const [a, b] = [keys(one), keys(other)];
  for (const [place, key] of a.entries())
    if (key !== b[place]) return key > b[place]! ? one : other;
  return one;
}

function described({ sid, state, role, memory, disk }: ModelServer): string {
  const phase = role instanceof LeaderHost ? role.leader.phase : role?.learner.phase;
  const last = formatZxid(memory.at(-1)?.zxid ?? 0);
  return `${sid} ${state} ${phase ?? ''} ${disk.acceptedEpoch}/${disk.currentEpoch} ${last}`;
}
