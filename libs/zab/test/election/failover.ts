import { zxidOf } from '@aviary/foundation';
import { Election, Majority, type ServerId } from '../../src/index.js';
import { ApacheMember } from './apache-member.js';
import { OurMember, type Member, type MemberSurroundings } from './member.js';
import { ElectionNetwork } from './network.js';
import { VirtualTime } from './virtual-time.js';

export interface FailoverOptions {
  /** Server 1, 2, ...: the last one leads, and crashes. */
  readonly servers: readonly ('ours' | 'apache')[];
  /** How long each message takes, in milliseconds. */
  delayMs(): number;
  /** How much later than the first a server may notice, in milliseconds. */
  noticeMs(): number;
}

export interface Failover {
  /** From when the last survivor looks until it decides, for each, in milliseconds. */
  readonly tookMs: ReadonlyMap<ServerId, number>;
  readonly leaders: ReadonlySet<ServerId>;
  /** What was said between survivors, from the crash on. */
  readonly messages: number;
}

const EPOCH = 1;

/** An ensemble in good health loses its leader. */
export function failover({ servers, delayMs, noticeMs }: FailoverOptions): Failover {
  const time = new VirtualTime();
  let messages = 0;
  const network = new ElectionNetwork(time, { delayMs, onSend: () => (messages += 1) });
  const ids = servers.map((_, index) => index + 1);
  const lookedMs = new Map<ServerId, number>();
  const decidedMs = new Map<ServerId, number>();
  const leaders = new Set<ServerId>();
  const around: MemberSurroundings = {
    time,
    network,
    observer: {
      looks: ({ id }) => lookedMs.set(id, time.nowMs),
      decided: ({ id }, { vote }) => {
        decidedMs.set(id, time.nowMs);
        leaders.add(vote.leader);
      },
      abandoned: () => {},
    },
    teardownMs: noticeMs,
    observerDelayMs: () => 0,
  };
  const config = {
    current: { version: 0, verifier: new Majority(ids) },
    lastSeen: null,
    observer: false,
  };
  const members = servers.map((kind, index): Member => {
    const id = index + 1;
    const history = { currentEpoch: EPOCH, acceptedEpoch: EPOCH, lastZxid: zxidOf(EPOCH, 7) };
    return kind === 'ours'
      ? new OurMember(Election, { me: id, config }, history, around)
      : new ApacheMember(id, config, history, around);
  });
  for (const member of members) network.attach(member);
  for (const a of ids) for (const b of ids) if (a < b) network.connect(a, b);
  time.run(1_000);
  for (const member of members) member.start();
  time.run(2_000);
  for (const member of members) member.settled(EPOCH);
  const leader = members.pop()!;
  leader.stop();
  network.crash(leader.id, 'lost');
  time.run(2_100);
  leaders.clear();
  messages = 0;
  for (const member of members) member.roleFailed();
  time.run(5_000);
  const lastLookMs = Math.max(...members.map(({ id }) => lookedMs.get(id)!));
  const tookMs = new Map(members.map(({ id }) => [id, decidedMs.get(id)! - lastLookMs]));
  return { tookMs, leaders, messages };
}
