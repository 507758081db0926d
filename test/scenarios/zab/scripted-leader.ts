import { assertNever, type Zxid } from '@aviary/foundation';
import {
  CommittedLog,
  Leader,
  Majority,
  NO_EPOCH,
  PendingSyncs,
  planSync,
  type LeaderInput,
  type LeaderOutput,
  type LeaderPacket,
  type LearnerPacket,
  type LearnerRole,
} from '@aviary/zab';
import { shown, zxidFrom, zxidsFrom, Words, type Scripted } from './scenario-text.js';

const TICK_MS = 1_000;

/**
 * A leader with its host, driven by lines of text, that describes in lines of text what both do.
 *
 * A learner is called by its id, further connections of it `2b`, `2c`. `+500` moves the clock first.
 */
export class ScriptedLeader implements Scripted {
  private nowMs = 0;
  private leader: Leader | null = null;
  private readonly committedLog = new CommittedLog<null>({ entriesMax: 500, bytesMax: 1e9 });
  private readonly names: string[] = [];
  private readonly live = new Map<string, LearnerRole>();
  private lastProcessed: Zxid = 0;
  private committed: Zxid = 0;
  private readonly syncs = new PendingSyncs<number>();
  private snapshotForced = false;
  /** Histories that are sent only when the scenario says so. */
  private held: Map<string, Zxid> | null = null;

  run(line: string): string[] {
    const [first = '', ...rest] = line.split(' ');
    if (!first.startsWith('+')) return this.command(line);
    this.nowMs += Number(first.slice(1));
    return this.command(rest.join(' '));
  }

  private command(line: string): string[] {
    const { words, text } = new Words(line);
    const packet = /^(\d+[a-z]?): (.*)$/.exec(text);
    if (packet !== null) return this.received(packet[1]!, packet[2]!);
    switch (words[0]) {
      case 'leader':
        return this.lead(new Words(line));
      case 'accepted':
        return this.step({ kind: 'acceptedEpochWritten', epoch: this.leader!.epoch });
      case 'current':
        return this.step({ kind: 'currentEpochWritten', epoch: this.leader!.epoch });
      case 'propose':
        return this.propose(Number(words[1] ?? 1));
      case 'logged':
        return this.commitThrough(this.leader!.active!.logged(zxidFrom(words[1])));
      case 'applicable':
        return [`through ${shown(this.leader!.active!.applicable)}`];
      case 'sync':
        return this.sync();
      case 'hold':
        this.held = new Map();
        return [];
      case 'history': {
        const through = this.held?.get(words[2]!) ?? 0;
        return this.step({ kind: 'historySent', to: this.idOf(words[2]!), through });
      }
      case 'tick':
        return this.step({ kind: 'tick' });
      case 'stop':
        return this.step({ kind: 'stop', reason: words.slice(1).join(' ') });
      default:
        throw new Error(`unknown command: ${line}`);
    }
  }

  private lead(words: Words): string[] {
    const voters = words.option('voters', '1,2,3').split(',').map(Number);
    for (const zxid of zxidsFrom(words.option('history', ''))) this.committedLog.add(zxid, null, 1);
    this.lastProcessed = words.zxid('last');
    this.snapshotForced = words.option('snapshots', '') === 'forced';
    this.leader = new Leader({
      self: Number(words.words[1]),
      acceptedEpoch: words.number('accepted', 0),
      currentEpoch: words.number('current', 0),
      lastZxid: this.lastProcessed,
      verifiers: [new Majority(voters)],
      configVersion: words.number('config', 0),
      tickMs: TICK_MS,
      initLimitTicks: 10,
      syncLimitTicks: 5,
    });
    return this.step({ kind: 'start' });
  }

  private idOf(name: string): number {
    if (!this.names.includes(name)) this.names.push(name);
    return this.names.indexOf(name);
  }

  private received(name: string, text: string): string[] {
    const from = this.idOf(name);
    if (text === 'closed') {
      this.live.delete(name);
      return this.step({ kind: 'closed', connection: from });
    }
    const packet = learnerPacketFrom(new Words(text), Number.parseInt(name, 10));
    return [...this.step({ kind: 'received', from, packet }), ...this.answers()];
  }

  private propose(count: number): string[] {
    const lines: string[] = [];
    const active = this.leader!.active!;
    for (let made = 0; made < count; made++) {
      const zxid = active.nextZxid;
      if (zxid === 0) return [...lines, 'nothing can be proposed'];
      active.propose(zxid);
      lines.push(`log ${shown(zxid)}`);
      for (const [name, role] of this.live) {
        if (role === 'follower') lines.push(`${name} < PROPOSAL ${shown(zxid)}`);
      }
    }
    return lines;
  }

  private sync(): string[] {
    const active = this.leader!.active!;
    const ticket = active.requestSync(this.nowMs);
    if (ticket === 0) return ['refuse the sync'];
    this.syncs.push(ticket, active.lastProposed, ticket);
    const lines = [`sync ${ticket}`];
    if (active.isConfirmationDue) lines.push(...this.step({ kind: 'confirm' }));
    return [...lines, ...this.answers()];
  }

  private answers(): string[] {
    const active = this.leader?.active;
    if (!active) return [];
    const { applicable, committed, confirmedSync } = active;
    const lines: string[] = [];
    for (;;) {
      const ticket = this.syncs.take(applicable, committed, confirmedSync);
      if (ticket === null) return lines;
      lines.push(`answer sync ${ticket}`);
    }
  }

  private commitThrough(through: Zxid): string[] {
    if (through === 0) return [];
    const lines: string[] = [];
    for (let zxid = this.committed + 1; zxid <= through; zxid++) {
      this.committedLog.add(zxid, null, 1);
      for (const [name, role] of this.live) {
        lines.push(`${name} < ${role === 'follower' ? 'COMMIT' : 'INFORM'} ${shown(zxid)}`);
      }
    }
    this.committed = through;
    this.lastProcessed = through;
    return [...lines, ...this.answers()];
  }

  private step(input: LeaderInput): string[] {
    return this.leader!.step(input, this.nowMs).flatMap((output) => this.perform(output));
  }

  private perform(output: LeaderOutput): string[] {
    switch (output.kind) {
      case 'writeAcceptedEpoch':
        return [`write acceptedEpoch ${output.epoch}`];
      case 'writeCurrentEpoch':
        return [`write currentEpoch ${output.epoch}`];
      case 'send':
        return [`${this.names[output.to]!} < ${textOf(output.packet)}`];
      case 'synchronise':
        return this.synchronise(this.names[output.to]!, output.lastZxid);
      case 'activate':
        this.lastProcessed = zxidFrom(`${output.epoch}.0`);
        this.committed = this.lastProcessed;
        return [`begin epoch ${output.epoch}`];
      case 'forward':
        return this.forward(this.names[output.to]!, output.role, output.after);
      case 'commit':
        return this.commitThrough(output.through);
      case 'close':
        this.live.delete(this.names[output.connection]!);
        return [`close ${this.names[output.connection]!}: ${output.reason}`];
      case 'stepDown':
        this.live.clear();
        return [`step down, apply the rest of the log: ${output.reason}`];
      default:
        return assertNever(output);
    }
  }

  /** Sends the history as the plan says, from a leader that has all of it in memory. */
  private synchronise(name: string, lastZxid: Zxid): string[] {
    const plan = planSync(lastZxid, {
      lastProcessed: this.lastProcessed,
      committed: this.committedLog,
      log: null,
      logBytesMax: 0,
      snapshotForced: this.snapshotForced,
    });
    const lines: string[] = [];
    let through = this.lastProcessed;
    if (plan.kind === 'diff' || plan.kind === 'trunc') {
      through = plan.through;
      lines.push(`${name} < ${plan.kind.toUpperCase()} ${shown(plan.zxid)}`);
      lines.push(...this.history(name, plan.after, plan.through));
    } else {
      lines.push(`${name} < SNAP ${shown(through)}`, `${name} < snapshot`);
    }
    if (this.held !== null) this.held.set(name, through);
    else lines.push(...this.step({ kind: 'historySent', to: this.idOf(name), through }));
    return lines;
  }

  private history(name: string, after: Zxid, through: Zxid): string[] {
    const lines: string[] = [];
    for (let at = this.committedLog.indexAfter(after); at < this.committedLog.length; at++) {
      const zxid = this.committedLog.zxidAt(at);
      if (zxid > through) break;
      lines.push(`${name} < PROPOSAL ${shown(zxid)}`, `${name} < COMMIT ${shown(zxid)}`);
    }
    return lines;
  }

  private forward(name: string, role: LearnerRole, after: Zxid): string[] {
    this.live.set(name, role);
    const { committed, lastProposed } = this.leader!.active!;
    const held = this.history(name, after, committed);
    if (role === 'observer') {
      return held.filter((line) => line.includes('PROPOSAL')).map(asInform);
    }
    for (let zxid = committed + 1; zxid <= lastProposed; zxid++) {
      held.push(`${name} < PROPOSAL ${shown(zxid)}`);
    }
    return held;
  }
}

function asInform(line: string): string {
  return line.replace('PROPOSAL', 'INFORM');
}

function textOf(packet: LeaderPacket<never>): string {
  switch (packet.type) {
    case 'leaderInfo':
      return `LEADERINFO ${packet.epoch}.0`;
    case 'newLeader':
      return `NEWLEADER ${packet.epoch}.0`;
    case 'upToDate':
      return 'UPTODATE';
    default:
      return `${packet.type.toUpperCase()} ${shown(packet.zxid)}`;
  }
}

/** `FOLLOWERINFO 1.0`, `ACKEPOCH 1.12 current=none`, `ACK 1.5`, `PING`. */
function learnerPacketFrom(words: Words, sid: number): LearnerPacket {
  const [type, zxid] = words.words;
  switch (type) {
    case 'FOLLOWERINFO':
    case 'OBSERVERINFO':
      return {
        type: type === 'FOLLOWERINFO' ? 'followerInfo' : 'observerInfo',
        sid,
        acceptedEpoch: Number.parseInt(zxid ?? '0', 10),
        configVersion: words.number('config', 0),
      };
    case 'ACKEPOCH': {
      const current = words.option('current', 'none');
      const currentEpoch = current === 'none' ? NO_EPOCH : Number(current);
      return { type: 'ackEpoch', currentEpoch, lastZxid: zxidFrom(zxid) };
    }
    case 'ACK':
      return { type: 'ack', zxid: zxidFrom(zxid) };
    case 'PING':
      return { type: 'ping', zxid: 0 };
    default:
      throw new Error(`unknown packet: ${words.text}`);
  }
}
