import { zxidCounter, zxidEpoch, zxidOf } from '@aviary/foundation';
import {
  Hierarchy,
  Majority,
  NOTIFICATION_VERSION,
  type ElectionConfig,
  type ElectionOutput,
  type LinkFailure,
  type Notification,
  type QuorumVerifier,
  type ServerId,
  type ServerState,
} from '../../src/index.js';
import { OurMember, type ElectionClass, type History, type Member } from './member.js';
import { ElectionNetwork, type NetworkPeer } from './network.js';
import { VirtualTime } from './virtual-time.js';

const SETTLING_MS = 100;
/** Longer timers are those that send votes again, which say nothing. */
const TOLD_TIMER_MS = 199;

/**
 * Servers of an ensemble that are driven by lines of text, and say in lines of text what they do and
 * when. Messages take 1 ms. The commands are the methods of {@link commands}.
 */
export class ScriptedEnsemble {
  private readonly time = new VirtualTime();
  private readonly network: ElectionNetwork;
  private readonly members = new Map<ServerId, OurMember>();
  private readonly puppets = new Set<ServerId>();
  private readonly observers = new Set<ServerId>();
  private readonly delays = new Map<string, number>();
  private current: { version: number; verifier: QuorumVerifier } | null = null;
  private next: { version: number; verifier: QuorumVerifier } | null = null;
  private finalizeWaitMs: number | null = null;
  private adoptsNewerConfig = false;
  private lines: { text: string; to: ServerId[] }[] = [];

  constructor(private readonly electionClass: ElectionClass) {
    this.network = new ElectionNetwork(this.time, {
      delayMs: (from, to) => this.delays.get(`${from}-${to}`) ?? 1,
      onSend: (from, to, said) => this.tell(`${from} ->`, to, `: ${describe(said)}`),
    });
  }

  /** Runs one line, and returns what happened. */
  run(line: string): string[] {
    this.lines = [];
    const words = line.trim().split(/\s+/);
    const options = new Map(
      words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
    const plain = words.filter((word) => !word.includes('='));
    const command = this.commands[/^\d+$/.test(plain[0] ?? '') ? 'says' : (plain[0] ?? '')];
    if (command === undefined) throw new Error(`no such command: ${line}`);
    command(command === this.commands.says ? plain : plain.slice(1), options);
    return this.lines.map(({ text }) => text);
  }

  private readonly commands: Record<
    string,
    (args: string[], options: ReadonlyMap<string, string>) => void
  > = {
    /** `voters 1 2 3`, with weights `voters 1*2 2 3*0`. */
    voters: (args, options) => {
      const version = Number(options.get('version') ?? 0);
      this.current = { version, verifier: verifierFor([args.join(',')]) };
      this.next = null;
    },
    /** `groups 1,2,3 4,5,6`. */
    groups: (args) => {
      this.current = { version: 0, verifier: verifierFor(args, true) };
    },
    /** `next 2 3 4 version=9`: a configuration that was proposed. */
    next: (args, options) => {
      const version = Number(options.get('version'));
      this.next = { version, verifier: verifierFor([args.join(',')]) };
    },
    observers: (args) => args.forEach((id) => this.observers.add(Number(id))),
    /** `delay 1 2 30`: milliseconds from 1 to 2 and back. */
    delay: ([a, b, ms]) => {
      this.delays.set(`${a}-${b}`, Number(ms)).set(`${b}-${a}`, Number(ms));
    },
    options: (_args, options) => {
      const wait = options.get('finalizeWaitMs');
      if (wait !== undefined) this.finalizeWaitMs = Number(wait);
      this.adoptsNewerConfig = options.get('adoptsNewerConfig') === 'true';
    },
    boot: (args, options) => idsIn(args).forEach((id) => this.boot(id, options)),
    /** Connects everybody who runs with everybody. */
    link: (args) => this.link(idsIn(args)),
    look: (args) => idsIn(args).forEach((id) => this.members.get(id)?.start()),
    start: (args, options) => {
      this.commands.boot?.(args, options);
      this.commands.look?.(args, options);
    },
    /** `established 3 by 1 2 3 epoch=1 zxid=1.8`: they have elected 3, and it has settled. */
    established: ([, , ...rest], options) => {
      this.commands.boot?.(rest, options);
      this.link(idsIn(rest));
      this.commands.look?.(rest, options);
      this.time.run(this.time.nowMs + SETTLING_MS);
      this.commands.settle?.(rest, options);
      this.lines = [];
      for (const [id, { state }] of this.members) this.log(`${id} is ${state}`);
    },
    /** Servers without an election of ours: what they say stands in the script. */
    puppets: (args) => {
      for (const id of idsIn(args)) {
        this.puppets.add(id);
        this.network.attach(puppet(id));
      }
    },
    /** `2 tells 1 following 3 zxid=1.5 epoch=1 round=4`; `nobody` for no vote. */
    says: ([from, , to, state, leader], options) => {
      const vote = {
        leader: Number(leader),
        zxid: zxidFrom(options.get('zxid') ?? '0.0'),
        peerEpoch: Number(options.get('epoch') ?? 0),
      };
      this.network.send(Number(from), Number(to), {
        state: state as ServerState,
        vote: leader === 'nobody' ? null : vote,
        round: Number(options.get('round') ?? 1),
        version: Number(options.get('version') ?? NOTIFICATION_VERSION),
        configVersion: Number(options.get('config') ?? 0),
      });
      this.lines = [];
    },
    confirm: (args) => idsIn(args).forEach((id) => this.members.get(id)?.confirmed()),
    settle: (args, options) => {
      const epoch = Number(options.get('epoch'));
      for (const id of idsIn(args)) {
        const member = this.members.get(id)!;
        Object.assign(member.history, { currentEpoch: epoch, acceptedEpoch: epoch });
        member.settled(epoch);
      }
    },
    ends: (args) => idsIn(args).forEach((id) => this.members.get(id)?.step({ kind: 'roleEnded' })),
    appoint: ([id], options) => {
      const [leader, zxid] = [Number(options.get('leader')), zxidFrom(options.get('zxid') ?? '')];
      this.members.get(Number(id))?.step({ kind: 'appointed', leader, zxid });
    },
    /** Gives the newest configuration to members that run. */
    configure: (args) =>
      idsIn(args).forEach((id) => this.members.get(id)?.configured(this.configFor(id))),
    crash: ([id, failure = 'lost']) => {
      this.members.get(Number(id))?.stop();
      this.members.delete(Number(id));
      this.network.crash(Number(id), failure as LinkFailure);
    },
    silence: ([id]) => this.network.silence(Number(id)),
    cut: ([a, b]) => this.network.cutOff(Number(a), Number(b)),
    heal: () => this.network.heal(),
    break: ([a, b, failure = 'lost']) =>
      this.network.breakConnection(Number(a), Number(b), failure as LinkFailure),
    /** `anew 1 3`: 3 has another connection to 1, which nobody told that the one before is gone. */
    anew: ([id, peer]) => this.members.get(Number(id))?.onLinkUp(Number(peer), null),
    wait: ([ms]) => this.time.run(this.time.nowMs + Number(ms)),
  };

  private boot(id: ServerId, options: ReadonlyMap<string, string>): void {
    const history: History = {
      lastZxid: zxidFrom(options.get('zxid') ?? '0.0'),
      currentEpoch: Number(options.get('epoch') ?? 0),
      acceptedEpoch: 0,
    };
    const member = new OurMember(
      this.electionClass,
      {
        me: id,
        config: this.configFor(id),
        adoptsNewerConfig: this.adoptsNewerConfig,
        ...(this.finalizeWaitMs === null ? {} : { finalizeWaitMs: this.finalizeWaitMs }),
      },
      history,
      {
        time: this.time,
        network: this.network,
        observer: {
          looks: () => {},
          decided: () => {},
          abandoned: () => {},
          other: (of, output) => this.show(of, output),
        },
        teardownMs: () => 0,
        observerDelayMs: () => 0,
      },
    );
    this.members.set(id, member);
    this.network.attach(member);
  }

  private link(ids: readonly ServerId[]): void {
    const { lines } = this;
    for (const a of ids) for (const b of ids) if (a < b) this.network.connect(a, b);
    this.time.run(this.time.nowMs + SETTLING_MS);
    this.lines = lines;
  }

  private configFor(id: ServerId): ElectionConfig {
    if (this.current === null) throw new Error('a script begins with its voters');
    return { current: this.current, lastSeen: this.next, observer: this.observers.has(id) };
  }

  private show({ id }: Member, output: ElectionOutput): void {
    switch (output.kind) {
      case 'connect':
        this.tell(`${id} dials`, output.to, '');
        break;
      case 'setTimer':
        if (output.ms <= TOLD_TIMER_MS) this.log(`${id} waits ${output.ms} ms for a better vote`);
        break;
      case 'decided': {
        const { state, leader, round, vote } = output;
        const verb = state === 'following' ? `follows ${leader}` : `observes ${leader}`;
        this.log(`${id} ${state === 'leading' ? 'leads' : verb} ${history(vote)}, round ${round}`);
        break;
      }
      case 'abandon':
        this.log(`${id} gives up ${output.leader}: ${output.reason}`);
        break;
      case 'sawLooking':
        this.log(`${id} sees that ${output.peer} is looking`);
        break;
      case 'newerConfig':
        this.log(`${id} hears of configuration ${output.version} from ${output.from}`);
        break;
      default:
        break;
    }
  }

  private log(text: string): void {
    this.lines.push({ text: `${this.stamp()} ${text}`, to: [] });
  }

  /** One line for what is told to several at once. */
  private tell(start: string, to: ServerId, end: string): void {
    const beginning = `${this.stamp()} ${start}`;
    const last = this.lines.at(-1);
    const isSame =
      last !== undefined &&
      last.to.length > 0 &&
      last.text === `${beginning} ${last.to.join(' ')}${end}`;
    if (isSame) this.lines.pop();
    const all = isSame ? [...last.to, to] : [to];
    this.lines.push({ text: `${beginning} ${all.join(' ')}${end}`, to: all });
  }

  private stamp(): string {
    return `${Math.round(this.time.nowMs * 10) / 10} ms`;
  }
}

function idsIn(args: readonly string[]): ServerId[] {
  return args.map(Number);
}

function zxidFrom(text: string): number {
  if (text === 'unknown') return -1;
  const [epoch = 0, counter = 0] = text.split('.').map(Number);
  return zxidOf(epoch, counter);
}

function history({ zxid, peerEpoch }: { zxid: number; peerEpoch: number }): string {
  const text = zxid === -1 ? 'unknown' : `${zxidEpoch(zxid)}.${zxidCounter(zxid)}`;
  return `(epoch ${peerEpoch}, zxid ${text})`;
}

function describe({ state, vote, round }: Notification): string {
  const link = state === 'looking' ? 'for ' : '';
  const what = vote === null ? 'without a vote' : `${link}${vote.leader} ${history(vote)}`;
  return `${state} ${what}, round ${round}`;
}

function verifierFor(groups: readonly string[], weighted = false): QuorumVerifier {
  const parsed = groups.map((group) =>
    group.split(',').map((voter): [ServerId, number] => {
      const [id, weight = '1'] = voter.split('*');
      return [Number(id), Number(weight)];
    }),
  );
  if (!weighted && !groups.some((group) => group.includes('*'))) {
    return new Majority(parsed.flat().map(([id]) => id));
  }
  return new Hierarchy(parsed.map((weights) => ({ weights: new Map(weights) })));
}

function puppet(id: ServerId): NetworkPeer {
  return { id, onNotification() {}, onLinkUp() {}, onLinkDown() {} };
}
