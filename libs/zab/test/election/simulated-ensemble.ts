import { SeededRandom } from '@aviary/simulator';
import { zxidOf } from '@aviary/foundation';
import { Hierarchy, Majority, type ElectionConfig, type ServerId } from '../../src/index.js';
import { Electorate } from '../../src/election/electorate.js';
import { ApacheMember } from './apache-member.js';
import {
  OurMember,
  type ElectionClass,
  type History,
  type Member,
  type MemberSurroundings,
  type Outcome,
} from './member.js';
import { ElectionNetwork } from './network.js';
import { Offices } from './offices.js';
import { Referee } from './referee.js';
import { VirtualTime } from './virtual-time.js';

/** When faults end, in milliseconds. */
const HEALED_MS = 3_000;
/** How long a healed ensemble may take. ZooKeeper's intervals have doubled to a few seconds by then. */
const LIVENESS_LIMIT_MS = 15_000;
const CALM_MS = 1_000;

export interface EnsembleResult {
  readonly violations: readonly string[];
  /** From the end of all faults until all agree, in milliseconds. */
  readonly healedAfterMs: number;
}

type Mix = 'ours' | 'mixed';

/** An ensemble drawn from a seed: its servers, its network and what happens to them. */
export class SimulatedEnsemble {
  private readonly random: SeededRandom;
  private readonly time = new VirtualTime();
  private readonly network: ElectionNetwork;
  private readonly offices: Offices;
  private readonly referee: Referee;
  private readonly electorate: Electorate;
  private readonly ids: ServerId[];
  private readonly ours: ReadonlySet<ServerId>;
  private readonly members = new Map<ServerId, Member>();
  private readonly histories = new Map<ServerId, History>();
  private readonly config: ElectionConfig;
  private readonly lossChance: number;
  private readonly delayMaxMs: number;
  private isFaulty = true;
  private sentWhileCalm: string[] | null = null;

  constructor(
    seed: number | string,
    mix: Mix,
    private readonly electionClass: ElectionClass,
  ) {
    const random = new SeededRandom(seed);
    this.random = random;
    const voters = random.pick([3, 3, 4, 5, 5, 7]);
    const observers = random.pick([0, 0, 1, 2]);
    this.ids = Array.from({ length: voters + observers }, (_, index) => index + 1);
    this.config = this.drawConfig(voters);
    this.electorate = new Electorate(this.config);
    this.ours = new Set(this.ids.filter(() => mix === 'ours' || random.chance(0.5)));
    this.lossChance = random.pick([0, 0.01, 0.05]);
    this.delayMaxMs = random.pick([1, 5, 40]);
    this.referee = new Referee(this.electorate);
    this.network = new ElectionNetwork(this.time, {
      delayMs: () => this.delayMs(),
      loses: () => this.isFaulty && random.chance(this.lossChance),
      onSend: (from, to, said) => {
        this.referee.said(from, to, said);
        this.sentWhileCalm?.push(`${from} still tells ${to} that it is ${said.state}`);
      },
    });
    this.offices = new Offices(this.time, this.network, this.electorate, () => this.delayMs());
  }

  /** The whole life of the ensemble; the same for the same seed. */
  run(): EnsembleResult {
    const { random, time, ids } = this;
    for (const id of ids) {
      this.histories.set(id, this.drawHistory());
      time.after(random.below(60), () => this.start(id));
    }
    const faults = random.between(2, 8);
    for (let n = 0; n < faults; n++) time.after(random.below(HEALED_MS), () => this.strike());
    time.run(HEALED_MS);
    this.heal();
    const limitMs = HEALED_MS + LIVENESS_LIMIT_MS;
    const settled = this.isAgreed() || time.run(limitMs, () => this.isAgreed());
    const healedAfterMs = time.nowMs - HEALED_MS;
    if (!settled) this.referee.violations.push(`no agreement: ${this.describe()}`);
    else this.checkCalm();
    return { violations: this.referee.violations, healedAfterMs };
  }

  /** Once all agree, nobody says anything. What is under way may still be answered. */
  private checkCalm(): void {
    const { time } = this;
    time.run(time.nowMs + CALM_MS);
    this.sentWhileCalm = [];
    time.run(time.nowMs + CALM_MS);
    if (this.isAgreed()) this.referee.violations.push(...this.sentWhileCalm);
    else this.referee.violations.push(`the agreement did not last: ${this.describe()}`);
  }

  private drawConfig(voters: number): ElectionConfig {
    const { random } = this;
    const ids = this.ids.slice(0, voters);
    const weights = random.chance(0.25) ? ids.map(() => random.pick([0, 1, 1, 2])) : null;
    if (weights !== null) weights[voters - 1] = 1;
    const quorumFrom = (start: number) =>
      weights === null
        ? new Majority(ids.slice(start))
        : new Hierarchy([
            { weights: new Map(ids.slice(start).map((id) => [id, weights[id - 1]!])) },
          ]);
    const current = { version: 0, verifier: quorumFrom(0) };
    const lastSeen = random.chance(0.15) ? { version: 1, verifier: quorumFrom(1) } : null;
    return { current, lastSeen, observer: false };
  }

  private drawHistory(): History {
    const currentEpoch = this.random.below(3);
    return {
      currentEpoch,
      acceptedEpoch: currentEpoch,
      lastZxid: zxidOf(currentEpoch, this.random.below(4)),
    };
  }

  private delayMs(): number {
    return 0.1 + this.random.fraction() * this.delayMaxMs;
  }

  private start(id: ServerId): void {
    if (this.members.has(id)) return;
    const config = { ...this.config, observer: !this.electorate.isVoter(id) };
    const history = this.histories.get(id)!;
    const around: MemberSurroundings = {
      time: this.time,
      network: this.network,
      observer: {
        looks: (member) => this.referee.looks(member),
        decided: (member, outcome) => this.onDecided(member, outcome),
        abandoned: (member) => this.offices.leave(member),
      },
      teardownMs: () => this.random.fraction() * 3,
      observerDelayMs: () => this.random.below(200),
    };
    const member = this.ours.has(id)
      ? new OurMember(this.electionClass, { me: id, config }, history, around)
      : new ApacheMember(id, config, history, around);
    this.members.set(id, member);
    this.network.attach(member);
    this.offices.register(member);
    member.start();
  }

  private onDecided(member: Member, outcome: Outcome): void {
    this.referee.decided(member, outcome);
    this.offices.enter(member, outcome.vote.leader);
  }

  private strike(): void {
    const { random, time, ids, network } = this;
    const id = ids[random.below(ids.length)]!;
    const other = ids[random.below(ids.length)]!;
    const leader = this.offices.settledTerms[0]?.leader.id ?? id;
    switch (random.below(8)) {
      case 0:
        this.crash(id);
        break;
      case 1:
      case 2:
        this.crash(leader);
        break;
      case 3: {
        const side = new Set(ids.filter(() => random.chance(0.5)));
        for (const a of side) for (const b of ids) if (!side.has(b)) network.cutOff(a, b);
        this.offices.afterCut();
        time.after(random.below(1_000), () => network.heal());
        break;
      }
      case 4:
        network.silence(leader);
        this.offices.afterCut();
        break;
      case 5:
        if (id !== other) network.breakConnection(id, other, random.pick(['lost', 'reset']));
        break;
      case 6:
        if (id !== other) network.stall(id, other, random.below(300));
        break;
      default:
        for (const one of ids) if (random.chance(0.6)) this.crash(one);
    }
  }

  private crash(id: ServerId): void {
    const { random, time, network } = this;
    const member = this.members.get(id);
    if (member === undefined) return;
    member.stop();
    this.members.delete(id);
    network.crash(id, random.pick(['lost', 'reset']));
    this.offices.leave(member);
    if (random.chance(0.2)) this.histories.set(id, this.drawHistory());
    else this.histories.get(id)!.lastZxid += random.below(2);
    time.after(random.below(1_200), () => this.start(id));
  }

  /** Ends all faults; now and then a minority stays down. */
  private heal(): void {
    this.isFaulty = false;
    this.network.heal();
    const left = new Set(this.ids.filter((id) => this.members.has(id)));
    if (this.random.chance(0.3) && this.electorate.isQuorum(left)) {
      for (const id of this.ids) if (!left.has(id)) this.members.set(id, absent);
      return;
    }
    for (const id of this.ids) this.start(id);
  }

  private isAgreed(): boolean {
    const [term, another] = this.offices.settledTerms;
    if (term === undefined || another !== undefined) return false;
    for (const member of this.members.values()) {
      if (member === absent || member === term.leader) continue;
      if (member.state === 'looking' || !term.learners.has(member)) return false;
    }
    return true;
  }

  private describe(): string {
    const members = [...this.members].map(([id, member]) => `${id} ${member.state}`);
    return `${members.join(', ')}; ${this.offices.describe()}`;
  }
}

/** Stands for a server that is not started again. */
const absent = { state: 'looking' } as Member;
