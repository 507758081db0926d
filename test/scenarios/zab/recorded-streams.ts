import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zxidFromHalves } from '@aviary/foundation';
import { shown, type Step } from './scenario-text.js';

const RECORDED = join(import.meta.dirname, '../../golden/quorum');

/** Packets of sessions, not of Zab. */
const OTHERS = new Set(['PING', 'REQUEST', 'REVALIDATE', 'SYNC']);

/** What one learner and its leader said, each in order. */
export interface Dialogue {
  readonly learner: readonly string[];
  readonly leader: readonly string[];
}

/** A line of a scenario that says which recording it repeats: `#= 4 is conn#12 of bootstrap`. */
const CLAIM = /^#= (\S+) is (conn#\d+) of (\S+)$/gm;

/** Which learners of a scenario repeat which recorded connections. */
export function claimsOf(text: string): { learner: string; connection: string; file: string }[] {
  return [...text.matchAll(CLAIM)].map(([, learner = '', connection = '', file = '']) => ({
    learner,
    connection,
    file: `${file}.hex.txt`,
  }));
}

/** What real servers said on a connection. */
export function recordedDialogue(file: string, connection: string): Dialogue {
  const lines = readFileSync(join(RECORDED, file), 'utf8').split('\n');
  const learner: string[] = [];
  const leader: string[] = [];
  let learnerId = '';
  for (const line of lines) {
    const match = /^@ \S+ (conn#\d+) quorum (\S+)->(\S+) off=\S+ len=\S+ (.*)$/.exec(line);
    if (match?.[1] !== connection) continue;
    const packet = packetFrom(match[4] ?? '');
    if (packet === null) continue;
    // The learner introduces itself first.
    if (learnerId === '') learnerId = match[2] ?? '';
    (match[2] === learnerId ? learner : leader).push(packet);
  }
  return { learner: withoutAcksOfHistory(learner, leader), leader };
}

function packetFrom(text: string): string | null {
  if (text.startsWith('SNAPSHOT STREAM')) return 'snapshot';
  const match = /^([A-Z]+)\(\d+\) zxid=0x([0-9a-f]+)/.exec(text);
  if (match === null) throw new Error(`not a packet: ${text}`);
  const [, type = '', hex = ''] = match;
  if (OTHERS.has(type)) return null;
  if (type === 'UPTODATE') return type;
  const digits = hex.padStart(16, '0');
  const zxid = zxidFromHalves(
    Number.parseInt(digits.slice(0, 8), 16),
    Number.parseInt(digits.slice(8), 16),
  );
  return `${type} ${shown(zxid)}`;
}

/** Learners before 3.8.5 acknowledge the transactions of a DIFF one by one; later ones do not. */
function withoutAcksOfHistory(learner: readonly string[], leader: readonly string[]): string[] {
  const history = leader.slice(0, leader.indexOf('UPTODATE'));
  return learner.filter(
    (packet) => !packet.startsWith('ACK ') || !history.includes(packet.replace('ACK', 'PROPOSAL')),
  );
}

/** What the scenario says about `learner`, from its leader's side. */
export function dialogueAtLeader(steps: readonly Step[], name: string): Dialogue {
  const learner = steps
    .map(({ command }) => command)
    .filter((command) => command.startsWith(`${name}: `))
    .map((command) => command.slice(name.length + 2));
  const leader = steps
    .flatMap(({ expected }) => expected)
    .filter((line) => line.startsWith(`${name} < `))
    .map((line) => line.slice(name.length + 3));
  return { learner: plain(learner), leader: plain(leader) };
}

/** What the scenario says, from the learner's side. */
export function dialogueAtLearner(steps: readonly Step[]): Dialogue {
  const leader = steps
    .map(({ command }) => command.replace(/^\+\d+ /, ''))
    .map((command) => (command === 'snapshot received' ? 'snapshot' : command))
    .filter((command) => /^[A-Z]+( \d|$)/.test(command) || command === 'snapshot');
  const learner = steps
    .flatMap(({ expected }) => expected)
    .filter((line) => line.startsWith('send '))
    .map((line) => line.slice('send '.length));
  return { learner: plain(learner), leader: plain(leader) };
}

function plain(packets: readonly string[]): string[] {
  return packets
    .map((packet) => packet.split(' ').slice(0, 2).join(' '))
    .filter((packet) => !OTHERS.has(packet.split(' ')[0] ?? ''));
}
