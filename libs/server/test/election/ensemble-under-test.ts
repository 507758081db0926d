import { World, type KillOptions, type NetworkModel } from '@aviary/simulator';
import type { ServerId } from '@aviary/zab';
import { quorumVerifierOf } from '../../src/election/membership.js';
import {
  MemberUnderTest,
  ensembleOf,
  type Decision,
  type GivenOptions,
} from './member-under-test.js';

/** How long a leader waits for a quorum, and a follower for its leader. */
const INIT_LIMIT_MS = 1000;
/** How often the stand-in of the roles looks around; so long it takes to notice a closed connection. */
const GLANCE_MS = 1;

export interface EnsembleOptions {
  readonly seed: number;
  readonly voters: readonly ServerId[];
  readonly observers?: readonly ServerId[];
  /** Servers whose names nobody knows. */
  readonly nameless?: readonly ServerId[];
  readonly network?: Partial<NetworkModel>;
  readonly options?: GivenOptions;
}

/**
 * Servers that elect, and of the roles that follow what elections depend on: a leader that a quorum
 * follows is settled, and who has lost its leader or its quorum looks again.
 */
export class EnsembleUnderTest {
  readonly world: World;
  readonly members = new Map<ServerId, MemberUnderTest>();
  /** Those who are to be running. */
  private readonly wanted = new Set<ServerId>();
  private epoch = 0;

  constructor(given: EnsembleOptions) {
    const { seed, voters, observers = [], nameless = [], network = {}, options = {} } = given;
    this.world = new World({ seed, network });
    const config = ensembleOf(voters, observers);
    for (const id of [...voters, ...observers]) {
      const host = this.world.addHost(`host${id}`);
      if (!nameless.includes(id)) this.world.fabric.setName(`s${id}`, [host.address]);
      this.members.set(id, new MemberUnderTest(id, this.world, host, config, options));
    }
    this.glance();
  }

  /** Server `id`, which must be dead, is now on another host. */
  moveTo(id: ServerId, hostName: string): void {
    const host = this.world.addHost(hostName);
    this.world.fabric.setName(`s${id}`, [host.address]);
    const { config } = this.member(id);
    this.members.set(id, new MemberUnderTest(id, this.world, host, config));
  }

  member(id: ServerId): MemberUnderTest {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no server ${id}`);
    return member;
  }

  get alive(): MemberUnderTest[] {
    return [...this.members.values()].filter(({ isAlive }) => isAlive);
  }

  /** Starts all, up to `spreadMs` apart. */
  startAll(spreadMs = 0): void {
    for (const id of this.members.keys()) this.start(id, spreadMs * this.world.random.fraction());
  }

  start(id: ServerId, delayMs = 0): void {
    this.wanted.add(id);
    this.world.after(delayMs, () => this.member(id).start());
  }

  kill(id: ServerId, options: KillOptions): void {
    this.wanted.delete(id);
    this.member(id).kill(options);
  }

  /** The leader that everyone has who is to be running; null: there is none. */
  get leader(): ServerId | null {
    const roles = [...this.wanted].map((id) => this.roleOf(id));
    const first = roles[0] ?? null;
    if (first === null || roles.some((role) => role?.leader !== first.leader)) return null;
    return this.roleOf(first.leader)?.state === 'leading' ? first.leader : null;
  }

  private roleOf(id: ServerId): Decision | null {
    const { isAlive, isSettled, role } = this.member(id);
    return isAlive && isSettled ? role : null;
  }

  /** Waits until everyone has one leader. @returns Its id. */
  async settle(virtualMsMax = 60_000): Promise<ServerId> {
    await this.world.reach(() => this.leader !== null, { virtualMsMax });
    return this.leader!;
  }

  private glance(): void {
    for (const member of this.alive) this.glanceAt(member);
    this.world.after(GLANCE_MS, () => this.glance());
  }

  private glanceAt(member: MemberUnderTest): void {
    const { role } = member;
    if (role === null) return;
    const isLate = this.world.virtualMs - role.atMs > INIT_LIMIT_MS;
    if (role.state !== 'leading') {
      const leader = this.member(role.leader);
      const isLed = leader.role?.state === 'leading';
      if (!leader.isAlive || (!isLed && (member.isSettled || isLate))) member.endRole();
      else if (isLed && leader.isSettled && !member.isSettled) member.settle(this.epoch);
      return;
    }
    const followers = this.alive.filter((other) => other.role?.leader === member.id);
    const supporters = new Set(followers.map(({ id }) => id));
    const hasQuorum = quorumVerifierOf(member.config).isQuorum(supporters);
    if (hasQuorum && !member.isSettled) {
      this.epoch++;
      for (const follower of followers) follower.settle(this.epoch);
    } else if (!hasQuorum && (member.isSettled || isLate)) member.endRole();
  }
}
