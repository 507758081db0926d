import { assertNever } from '@aviary/foundation';
import {
  Learner,
  NO_EPOCH,
  type HistoryEntry,
  type LeaderPacket,
  type LearnerInput,
  type LearnerOutput,
  type LearnerPacket,
} from '@aviary/zab';
import { shown, zxidFrom, Words, type Scripted } from './scenario-text.js';

const TICK_MS = 1_000;

/**
 * A learner that is driven by lines of text and describes in lines of text what it wants done.
 * Lines with the name of a packet are packets of the leader. `+500` moves the clock first.
 */
export class ScriptedLearner implements Scripted {
  private nowMs = 0;
  private learner: Learner<string> | null = null;
  private epoch = 0;

  run(line: string): string[] {
    const [first = '', ...rest] = line.split(' ');
    if (!first.startsWith('+')) return this.command(line);
    this.nowMs += Number(first.slice(1));
    return this.command(rest.join(' '));
  }

  private command(line: string): string[] {
    const words = new Words(line);
    const [verb = '', object = ''] = words.words;
    if (verb === 'follower' || verb === 'observer') return this.learn(verb, words);
    const packet = leaderPacketFrom(verb, object);
    if (packet !== null) {
      if (packet.type === 'leaderInfo') this.epoch = packet.epoch;
      return this.step({ kind: 'received', packet });
    }
    const rest = words.words.slice(1).join(' ');
    return this.step(this.inputFrom(verb, object, rest));
  }

  private inputFrom(verb: string, object: string, rest: string): LearnerInput<string> {
    switch (verb) {
      case 'accepted':
        return { kind: 'acceptedEpochWritten', epoch: this.epoch };
      case 'current':
        return { kind: 'currentEpochWritten', epoch: this.epoch };
      case 'truncated':
        return { kind: 'logTruncated' };
      case 'cannot':
        return { kind: 'cannotTruncate' };
      case 'reloaded':
        return { kind: 'reloaded', lastZxid: zxidFrom(object) };
      case 'snapshot':
        return { kind: object === 'received' ? 'snapshotReceived' : 'snapshotInstalled' };
      case 'history':
        return { kind: 'historyLogged' };
      case 'logged':
        return { kind: 'logged', zxid: zxidFrom(object) };
      case 'failed':
      case 'stop':
        return { kind: verb, reason: rest };
      case 'closed':
      case 'heard':
      case 'tick':
        return { kind: verb };
      default:
        throw new Error(`unknown command: ${verb}`);
    }
  }

  private learn(role: 'follower' | 'observer', words: Words): string[] {
    this.learner = new Learner<string>({
      self: Number(words.words[1]),
      role,
      acceptedEpoch: words.number('accepted', 0),
      currentEpoch: words.number('current', 0),
      lastZxid: words.zxid('last'),
      configVersion: 0,
      needsSnapshot: words.option('needs', '') === 'snapshot',
      hasLostHistory: words.option('lost', '') === 'history',
      tickMs: TICK_MS,
      initLimitTicks: 10,
      syncLimitTicks: 5,
    });
    return this.step({ kind: 'start' });
  }

  private step(input: LearnerInput<string>): string[] {
    return this.learner!.step(input, this.nowMs).map(described);
  }
}

function described(output: LearnerOutput<string>): string {
  switch (output.kind) {
    case 'send':
      return `send ${textOf(output.packet)}`;
    case 'writeAcceptedEpoch':
      return `write acceptedEpoch ${output.epoch}`;
    case 'writeCurrentEpoch':
      return `write currentEpoch ${output.epoch}`;
    case 'truncateLog':
      return `delete snapshots beyond ${shown(output.zxid)}, cut the log behind it`;
    case 'reload':
      return 'load memory from disk';
    case 'receiveSnapshot':
      return `receive snapshot ${shown(output.zxid)}`;
    case 'installSnapshot':
      return `cut the log behind ${shown(output.zxid)}, install the snapshot`;
    case 'logHistory':
      return `log and sync ${namesOf(output.entries)}`;
    case 'applyHistory':
      return `apply ${namesOf(output.entries)}`;
    case 'serve':
      return `serve in epoch ${output.epoch}`;
    case 'logProposal':
      return `log ${shown(output.entry.zxid)}`;
    case 'apply':
      return `apply through ${shown(output.through)}`;
    case 'leave':
      return [
        'leave',
        output.memory === 'valid' ? 'apply the rest of the log' : 'load memory from disk',
        output.then === 'askAgain' ? `ask again: ${output.reason}` : `look: ${output.reason}`,
      ].join(', ');
    default:
      return assertNever(output);
  }
}

function namesOf(entries: readonly HistoryEntry<string>[]): string {
  return entries.map(({ zxid }) => shown(zxid)).join(' ');
}

function textOf(packet: LearnerPacket): string {
  switch (packet.type) {
    case 'followerInfo':
    case 'observerInfo':
      return `${packet.type.toUpperCase()} ${packet.acceptedEpoch}.0`;
    case 'ackEpoch': {
      const epoch = packet.currentEpoch === NO_EPOCH ? 'none' : packet.currentEpoch;
      return `ACKEPOCH ${shown(packet.lastZxid)} current=${epoch}`;
    }
    default:
      return `${packet.type.toUpperCase()} ${shown(packet.zxid)}`;
  }
}

function leaderPacketFrom(type: string, zxidText: string): LeaderPacket<string> | null {
  switch (type) {
    case 'LEADERINFO':
      return { type: 'leaderInfo', epoch: Number.parseInt(zxidText, 10) };
    case 'NEWLEADER':
      return { type: 'newLeader', epoch: Number.parseInt(zxidText, 10) };
    case 'UPTODATE':
      return { type: 'upToDate' };
    case 'DIFF':
      return { type: 'diff', zxid: zxidFrom(zxidText) };
    case 'TRUNC':
      return { type: 'trunc', zxid: zxidFrom(zxidText) };
    case 'SNAP':
      return { type: 'snap', zxid: zxidFrom(zxidText) };
    case 'COMMIT':
      return { type: 'commit', zxid: zxidFrom(zxidText) };
    case 'PING':
      return { type: 'ping', zxid: zxidFrom(zxidText) };
    case 'PROPOSAL':
      return { type: 'proposal', zxid: zxidFrom(zxidText), transaction: zxidText };
    case 'INFORM':
      return { type: 'inform', zxid: zxidFrom(zxidText), transaction: zxidText };
    default:
      return null;
  }
}
