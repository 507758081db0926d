import {
  defaultNetworkModel,
  killNine,
  powerCut,
  worstPowerCut,
  type CrashMoment,
  type SeededRandom,
  type World,
} from '@aviary/simulator';
import { TICK_MS, type SimulatedMember } from './ensemble-member.js';

/** Everything that may go wrong. */
export const FAULTS = [
  'kill',
  'crashAtDisk',
  'pause',
  'partition',
  'cutOneWay',
  'isolateLeader',
  'reset',
  'cutClient',
  'slowDisk',
  'clockStep',
  'blackout',
  'wipe',
  'squeeze',
  'outvote',
] as const;
export type Fault = (typeof FAULTS)[number];

const RESTART_MS_MAX = 2500;
const GAP_MS = { min: 100, max: 1500 };
const DURATION_MS_MAX = 3500;
const SLOW_SYNC_MS_MAX = 350;
const SUPERVISION_MS = 100;
const SQUEEZE_MS_MAX = 150;
/** By then who was restarted has found a leader. */
const OUTVOTED_MS = 4500;
/** By then what a dead member had sent is read or lost. */
const SILENCE_MS = 3000;

/** What faults are made of. */
export interface FaultScene {
  readonly world: World;
  readonly random: SeededRandom;
  readonly members: readonly SimulatedMember[];
  /** Hosts of clients. */
  readonly clients: readonly string[];
  readonly tell: (who: string, what: string) => void;
  /** Whether member `id` may lose its disk now: every other has all that was committed. */
  readonly mayWipe: (member: SimulatedMember) => boolean;
}

/** Makes things go wrong, of kinds drawn for the run, and makes all well again. */
export class FaultMaker {
  private isOver = false;
  private wiping: SimulatedMember | null = null;
  private machines = 0;
  readonly counts = new Map<Fault, number>();

  constructor(
    private readonly scene: FaultScene,
    private readonly enabled: readonly Fault[],
  ) {}

  /** Plans faults from `startMs` to `endMs`, and lets dead members come back. */
  plan(startMs: number, endMs: number): void {
    const { random } = this.scene;
    this.supervise();
    if (this.enabled.length === 0) return;
    for (let at = startMs; at < endMs; at += random.between(GAP_MS.min, GAP_MS.max)) {
      this.later(at, () => this.strike());
    }
  }

  /** Everything is well again, and stays so. */
  heal(): void {
    this.isOver = true;
    this.wiping = null;
    const { members, tell, world } = this.scene;
    tell('world', 'is well again');
    world.heal();
    this.calmNetwork();
    for (const member of members) {
      member.host.drive.clearRules();
      this.speedUp(member);
      member.resume();
      member.boot();
    }
  }

  private calmNetwork(): void {
    const { clients, members, world } = this.scene;
    const names = [...members.map(({ host }) => host.name), ...clients];
    for (const one of names) {
      for (const other of names)
        if (one < other) world.setLink(one, other, defaultNetworkModel.link);
    }
  }

  /** Goes on when all is well again: a disk may be in the middle of its last fault by then. */
  private supervise(): void {
    const { members, random, world } = this.scene;
    for (const member of members) {
      if (member.isAlive || member === this.wiping || this.waiting.has(member)) continue;
      this.waiting.add(member);
      world.after(random.between(1, RESTART_MS_MAX), () => {
        this.waiting.delete(member);
        if (member !== this.wiping) member.boot();
      });
    }
    world.after(SUPERVISION_MS, () => this.supervise());
  }

  private readonly waiting = new Set<SimulatedMember>();

  private strike(): void {
    const { random } = this.scene;
    const fault = this.enabled[random.below(this.enabled.length)];
    if (fault === undefined) return;
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    const untilMs = random.between(1, DURATION_MS_MAX);
    const victim = this.victim();
    switch (fault) {
      case 'kill':
        return victim.kill(random.pick([killNine, powerCut, worstPowerCut, {}]));
      case 'crashAtDisk':
        return this.crashAtDisk(victim);
      case 'pause':
        victim.pause();
        return this.scene.world.after(untilMs, () => victim.resume());
      case 'slowDisk':
        return this.slowDown(victim, untilMs);
      case 'clockStep':
        return this.stepClock(victim);
      case 'blackout':
        return this.blackout();
      case 'wipe':
        return this.wipe(victim);
      case 'squeeze':
        return this.squeeze();
      case 'outvote':
        return this.outvote();
      default:
        return this.disturbNetwork(fault, victim, untilMs);
    }
  }

  /** Often the leader: it has the most to lose. */
  private victim(): SimulatedMember {
    const { members, random } = this.scene;
    const leader = members.find(({ isLeading }) => isLeading);
    if (leader !== undefined && random.chance(0.35)) return leader;
    return random.pick(members as [SimulatedMember, ...SimulatedMember[]]);
  }

  private crashAtDisk(victim: SimulatedMember): void {
    const { random, tell } = this.scene;
    const { drive } = victim.host;
    const inOperations = random.between(1, 40);
    const moment = random.pick<CrashMoment>(['before', 'middle', 'after']);
    const unsynced = random.pick<'drawn' | 'lost' | 'kept'>(['drawn', 'lost', 'kept']);
    tell(victim.incarnation, `will lose power in ${inOperations} disk operations (${moment})`);
    drive.crashAt(drive.operationCount + inOperations, moment, unsynced);
  }

  private slowDown(victim: SimulatedMember, untilMs: number): void {
    const { random, tell, world } = this.scene;
    const { drive } = victim.host;
    const ms = random.between(20, SLOW_SYNC_MS_MAX);
    tell(victim.incarnation, `has a slow disk (${ms} ms)`);
    drive.model = { ...drive.model, syncDelay: { minMs: ms / 2, maxMs: ms } };
    world.after(untilMs, () => this.speedUp(victim));
  }

  private speedUp(victim: SimulatedMember): void {
    const { drive } = victim.host;
    drive.model = { ...drive.model, syncDelay: { minMs: 0.2, maxMs: 2 } };
  }

  /** Does something bad after `ms`, unless all is well again by then. */
  private later(ms: number, action: () => void): void {
    this.scene.world.after(ms, () => {
      if (!this.isOver) action();
    });
  }

  private stepClock(victim: SimulatedMember): void {
    const { random, tell } = this.scene;
    const byMs = random.between(-100_000, 100_000);
    tell(victim.incarnation, `has its clock stepped by ${byMs} ms`);
    victim.host.stepWallClock(byMs);
  }

  private blackout(): void {
    const { members, random } = this.scene;
    const how = random.pick([worstPowerCut, powerCut, killNine]);
    for (const member of members) member.kill(how);
  }

  /**
   * The leader's disk is slow, so that others commit without it; a follower comes back to it in that
   * moment, and then both lose power, at the latest when the follower has cut its log. What was
   * committed is now with those that are left, or nowhere.
   */
  private squeeze(): void {
    const { members, random, tell, world } = this.scene;
    const leader = members.find(({ isLeading }) => isLeading);
    if (leader === undefined) return;
    this.slowDown(leader, 2000);
    const peers = members.filter((member) => member !== leader);
    const peer = random.pick(peers as [SimulatedMember, ...SimulatedMember[]]);
    const lossMs = random.between(1, SQUEEZE_MS_MAX);
    this.later(random.between(50, 400), () => {
      tell('network', `connections of ${leader.name} and ${peer.name} break`);
      world.fabric.resetBetween(leader.host.name, peer.host.name);
      this.loseBoth(leader, peer, peer.lastLogged, world.virtualMs + lossMs);
    });
  }

  /**
   * One follower logs fast, and all others lose their power before they have what it has. Cut off from
   * them, it sees its leader go; when it is back, they have gone on without what only it had logged.
   */
  private outvote(): void {
    const { members, random, tell, world } = this.scene;
    const followers = members.filter(({ isLeading, isServing }) => isServing && !isLeading);
    const [first, ...more] = followers;
    if (first === undefined) return;
    const loser = random.pick([first, ...more]);
    const others = members.filter((member) => member !== loser);
    for (const member of others) this.slowDown(member, 2000);
    this.later(random.between(50, 400), () => {
      const names = others.map(({ host }) => host.name);
      tell('network', `${loser.name} is alone, and the others lose what they have not synced`);
      world.partition([loser.host.name], names);
      for (const name of names) world.fabric.resetBetween(loser.host.name, name);
      for (const member of others) member.kill(worstPowerCut);
      this.later(OUTVOTED_MS, () => world.heal());
    });
  }

  private loseBoth(
    leader: SimulatedMember,
    peer: SimulatedMember,
    logged: number,
    atMs: number,
  ): void {
    if (peer.lastLogged >= logged && this.scene.world.virtualMs < atMs) {
      this.later(1, () => this.loseBoth(leader, peer, logged, atMs));
      return;
    }
    leader.kill(worstPowerCut);
    peer.kill(worstPowerCut);
  }

  private disturbNetwork(fault: Fault, victim: SimulatedMember, untilMs: number): void {
    const { clients, members, random, tell, world } = this.scene;
    const peers = members.filter((member) => member !== victim);
    const peer = random.pick(peers as [SimulatedMember, ...SimulatedMember[]]);
    const client = random.pick(clients as [string, ...string[]]);
    const one = victim.host.name;
    const other = peer.host.name;
    switch (fault) {
      case 'partition':
        this.partition();
        break;
      case 'cutOneWay':
        tell('network', `${one} is not heard by ${other}`);
        world.cutOneWay(one, other);
        break;
      case 'isolateLeader': {
        const all = [
          ...peers.map(({ host }) => host.name),
          ...clients.filter(() => random.chance(0.4)),
        ];
        tell('network', `${one} is cut off from ${all.join(' ')}`);
        world.partition([one], all);
        break;
      }
      case 'cutClient':
        tell('network', `${client} is cut off from ${one}`);
        world.partition([client], [one]);
        break;
      default: {
        const to = random.chance(0.5) ? other : client;
        tell('network', `connections of ${one} and ${to} break`);
        return world.fabric.resetBetween(one, to);
      }
    }
    world.after(untilMs, () => {
      if (!this.isOver) tell('network', 'heals');
      world.heal();
    });
  }

  private partition(): void {
    const { clients, members, random, tell, world } = this.scene;
    const names = [...members.map(({ host }) => host.name), ...clients];
    const some = names.filter(() => random.chance(0.4));
    const others = names.filter((name) => !some.includes(name));
    tell('network', `${some.join(' ')} | ${others.join(' ')}`);
    world.partition(some, others);
  }

  /**
   * A member loses its disk. That takes a copy away, which only a whole ensemble can spare; and what
   * the member has said before it died may still count for a commit, until all of it is read.
   */
  private wipe(victim: SimulatedMember): void {
    const { mayWipe, random, world } = this.scene;
    if (this.wiping !== null) return;
    this.wiping = victim;
    victim.resume();
    victim.kill(killNine);
    world.after(SILENCE_MS + random.between(0, 1000), () => {
      if (this.wiping !== victim) return;
      this.wiping = null;
      if (this.isOver || victim.isAlive) return;
      if (mayWipe(victim)) {
        const name = `${victim.name}-${++this.machines}`;
        victim.replaceMachine(world.addHost(name, { directories: ['/data'] }));
      }
      victim.boot();
    });
  }
}

/** How long after the last fault a session may still end because of it. */
export const AFTERMATH_MS = 20 * TICK_MS;
