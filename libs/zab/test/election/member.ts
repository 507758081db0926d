import type {
  Election,
  ElectionConfig,
  ElectionInput,
  ElectionOptions,
  ElectionOutput,
  LinkFailure,
  Notification,
  ServerId,
  ServerState,
  Vote,
} from '../../src/index.js';
import type { ElectionNetwork, NetworkPeer } from './network.js';
import type { VirtualTime } from './virtual-time.js';

/** What a server knows after a restart. */
export interface History {
  lastZxid: number;
  currentEpoch: number;
  acceptedEpoch: number;
}

/** What became of an election. */
export interface Outcome {
  readonly state: Exclude<ServerState, 'looking'>;
  readonly vote: Vote;
  readonly round: number;
}

/** A server of an ensemble under test: one with our election, or one like ZooKeeper's. */
export interface Member extends NetworkPeer {
  readonly isOurs: boolean;
  readonly history: History;
  readonly state: ServerState;
  /** The configuration changes what is known of the others, not what they do. */
  start(): void;
  /** The role is over: look for a leader again. */
  roleFailed(): void;
  confirmed(): void;
  settled(epoch: number): void;
  /** The process is gone. */
  stop(): void;
}

/** What a member tells the ensemble. */
export interface MemberObserver {
  /** `member` has begun to look for a leader with this history. */
  looks(member: Member): void;
  decided(member: Member, outcome: Outcome): void;
  /** The decision is given up by the election itself. */
  abandoned(member: Member, reason: string): void;
  /** Anything else that the election asks for. */
  other?(member: Member, output: ElectionOutput): void;
}

export interface MemberSurroundings {
  readonly time: VirtualTime;
  readonly network: ElectionNetwork;
  readonly observer: MemberObserver;
  /** How long a server takes to end a role, in milliseconds. */
  teardownMs(): number;
  /** How long an observer waits before it looks again, in milliseconds. */
  observerDelayMs(): number;
}

/** What a test needs of an election; a mutant has it too. */
export type ElectionClass = new (
  options: ElectionOptions,
) => Pick<Election, 'step' | 'state' | 'round'>;

/** A host of an election: timers, connections and the order of its life. */
export class OurMember implements Member {
  readonly isOurs = true;
  readonly id: ServerId;
  private readonly election: InstanceType<ElectionClass>;
  private stopped = false;
  private timer = 0;
  private looking = 0;

  constructor(
    electionClass: ElectionClass,
    private readonly options: ElectionOptions,
    readonly history: History,
    private readonly around: MemberSurroundings,
  ) {
    this.id = options.me;
    this.election = new electionClass(options);
  }

  get state(): ServerState {
    return this.election.state;
  }

  get round(): number {
    return this.election.round;
  }

  start(): void {
    if (this.stopped) return;
    this.looking += 1;
    this.around.observer.looks(this);
    const { lastZxid, currentEpoch } = this.history;
    this.step({ kind: 'look', lastZxid, currentEpoch });
  }

  roleFailed(): void {
    if (this.stopped) return;
    this.step({ kind: 'roleEnded' });
    this.lookSoon();
  }

  confirmed(): void {
    this.step({ kind: 'confirmed' });
  }

  settled(epoch: number): void {
    this.step({ kind: 'settled', epoch });
  }

  configured(config: ElectionConfig): void {
    this.step({ kind: 'configured', config });
  }

  stop(): void {
    this.stopped = true;
  }

  onNotification(from: ServerId, notification: Notification): void {
    this.step({ kind: 'notification', from, notification });
  }

  onLinkUp(peer: ServerId, rttMs: number | null): void {
    this.step({ kind: 'linkUp', peer, rttMs });
  }

  onLinkDown(peer: ServerId, failure: LinkFailure): void {
    this.step({ kind: 'linkDown', peer, failure });
  }

  private lookSoon(): void {
    const serial = this.looking;
    const isObserver = this.options.config.observer;
    const delayMs = this.around.teardownMs() + (isObserver ? this.around.observerDelayMs() : 0);
    this.around.time.after(delayMs, () => {
      if (this.looking === serial) this.start();
    });
  }

  step(input: ElectionInput): void {
    if (this.stopped) return;
    for (const output of this.election.step(input)) this.perform(output);
  }

  private perform(output: ElectionOutput): void {
    const { network, observer, time } = this.around;
    switch (output.kind) {
      case 'send':
        network.send(this.id, output.to, output.notification);
        break;
      case 'connect':
        network.connect(this.id, output.to);
        break;
      case 'setTimer': {
        const serial = ++this.timer;
        time.after(output.ms, () => {
          if (this.timer === serial) this.step({ kind: 'timer' });
        });
        break;
      }
      case 'clearTimer':
        this.timer += 1;
        break;
      case 'decided':
        observer.decided(this, output);
        break;
      case 'abandon':
        observer.abandoned(this, output.reason);
        this.lookSoon();
        break;
      default:
        break;
    }
    observer.other?.(this, output);
  }
}
