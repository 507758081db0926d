import { beforeEach, describe, expect, it } from '@jest/globals';
import { AssertionError, zxidOf } from '@aviary/foundation';
import { Leader, Majority, type ActiveEpoch, type LeaderOutput } from '../src/index.js';

const OPTIONS = {
  self: 1,
  acceptedEpoch: 2,
  currentEpoch: 2,
  lastZxid: zxidOf(2, 9),
  configVersion: 0,
  verifiers: [new Majority([1, 2, 3])] as const,
  tickMs: 1_000,
  initLimitTicks: 10,
  syncLimitTicks: 5,
};
const EPOCH = 3;
const z = (counter: number) => zxidOf(EPOCH, counter);

/** Connections have the numbers of their servers. */
function join(leader: Leader, id: number, through = OPTIONS.lastZxid, nowMs = 0): LeaderOutput[] {
  const outputs: LeaderOutput[] = [];
  const received = { kind: 'received', from: id } as const;
  const info = { type: 'followerInfo', sid: id, acceptedEpoch: 2, configVersion: 0 } as const;
  outputs.push(...leader.step({ ...received, packet: info }, nowMs));
  if (leader.phase === 'acceptingEpoch') {
    outputs.push(...leader.step({ kind: 'acceptedEpochWritten', epoch: EPOCH }, nowMs));
  }
  const agreed = { type: 'ackEpoch', currentEpoch: 2, lastZxid: zxidOf(2, 9) } as const;
  outputs.push(...leader.step({ ...received, packet: agreed }, nowMs));
  if (leader.phase === 'enteringEpoch') {
    outputs.push(...leader.step({ kind: 'currentEpochWritten', epoch: EPOCH }, nowMs));
  }
  outputs.push(...leader.step({ kind: 'historySent', to: id, through }, nowMs));
  return outputs;
}

function live(leader: Leader, id: number, nowMs = 0): readonly LeaderOutput[] {
  const packet = { type: 'ack', zxid: z(0) } as const;
  return leader.step({ kind: 'received', from: id, packet }, nowMs);
}

const kinds = (outputs: readonly LeaderOutput[]) => outputs.map(({ kind }) => kind);

describe('a leader', () => {
  let leader: Leader;
  let active: ActiveEpoch;

  beforeEach(() => {
    leader = new Leader(OPTIONS);
    leader.step({ kind: 'start' }, 0);
    join(leader, 2);
    expect(leader.active).toBeNull();
    live(leader, 2);
    active = leader.active!;
  });

  it('makes proposals from the first of its epoch on', () => {
    expect(active.nextZxid).toBe(z(1));
    active.propose(z(1));
    active.propose(z(2));
    expect(active.logged(z(2))).toBe(0);
    expect(active.acknowledge(2, z(1), 10)).toBe(z(1));
    expect(active.acknowledge(2, z(2), 10)).toBe(z(2));
    expect(active.acknowledge(2, z(2), 10)).toBe(0);
    expect(active.applicable).toBe(z(2));
  });

  it('steps down when the epoch has no more zxids', () => {
    Object.assign(active, {
      broadcast: { lastProposed: z(0xffff_fffe), nextZxid: 0, forget() {} },
    });
    expect(active.nextZxid).toBe(0);
    expect(leader.step({ kind: 'tick' }, 500)).toEqual([
      { kind: 'stepDown', reason: 'the epoch has no more zxids' },
    ]);
    expect(leader.phase).toBe('over');
  });

  it('says nothing any more when it is over', () => {
    active.propose(z(1));
    leader.step({ kind: 'stop', reason: 'enough' }, 0);
    expect(active.nextZxid).toBe(0);
    expect(active.logged(z(1))).toBe(0);
    expect(active.acknowledge(2, z(1), 0)).toBe(0);
    expect(active.requestSync(0)).toBe(0);
    expect(active.confirmedSync).toBe(0);
    expect(() => active.propose(z(2))).toThrow(AssertionError);
    expect(leader.step({ kind: 'tick' }, 1)).toEqual([]);
  });

  it('tells the host what to keep for learners that are not up to date', () => {
    expect(leader.heldAfter).toBe(Infinity);
    active.propose(z(1));
    active.logged(z(1));
    active.acknowledge(2, z(1), 0);
    join(leader, 3, z(1));
    expect(leader.heldAfter).toBe(z(1));
    active.propose(z(2));
    active.logged(z(2));
    active.acknowledge(2, z(2), 0);
    join(leader, 4, z(2));
    expect(leader.heldAfter).toBe(z(1));
    expect(live(leader, 3)).toContainEqual({
      kind: 'forward',
      to: 3,
      role: 'follower',
      after: z(1),
    });
    expect(leader.heldAfter).toBe(z(2));
    leader.step({ kind: 'closed', connection: 4 }, 0);
    expect(leader.heldAfter).toBe(Infinity);
  });

  it('keeps what is committed and not in its own log for one that is sent a snapshot', () => {
    join(leader, 3);
    live(leader, 3);
    active.propose(z(1));
    active.acknowledge(2, z(1), 0);
    expect(active.acknowledge(3, z(1), 0)).toBe(z(1));
    const received = { kind: 'received', from: 4 } as const;
    const info = { type: 'observerInfo', sid: 4, acceptedEpoch: 2, configVersion: 0 } as const;
    leader.step({ ...received, packet: info }, 0);
    const agreed = { type: 'ackEpoch', currentEpoch: 2, lastZxid: 0 } as const;
    leader.step({ ...received, packet: agreed }, 0);
    expect(active.committed).toBe(z(1));
    expect(leader.heldAfter).toBe(z(0));
  });

  it('waits for a history that moves, and not for one that is stuck', () => {
    const received = { kind: 'received', from: 3 } as const;
    const info = { type: 'followerInfo', sid: 3, acceptedEpoch: 2, configVersion: 0 } as const;
    const agreed = { type: 'ackEpoch', currentEpoch: 2, lastZxid: 0 } as const;
    leader.step({ ...received, packet: info }, 0);
    leader.step({ ...received, packet: agreed }, 0);
    for (let nowMs = 500; nowMs <= 30_000; nowMs += 500) {
      active.heard(2, nowMs);
      leader.step({ kind: 'historyMoved', to: 3 }, nowMs);
      expect(kinds(leader.step({ kind: 'tick' }, nowMs))).not.toContain('close');
    }
    const closed: LeaderOutput[] = [];
    for (let nowMs = 30_500; nowMs <= 40_000; nowMs += 500) {
      active.heard(2, nowMs);
      closed.push(...leader.step({ kind: 'tick' }, nowMs).filter(({ kind }) => kind === 'close'));
    }
    expect(closed).toEqual([
      { kind: 'close', connection: 3, reason: 'it takes too long (receiving)' },
    ]);
  });

  it('needs quorums of both ensembles while one takes over from the other', () => {
    leader.changeVerifiers([new Majority([1, 2, 3]), new Majority([4, 5, 6])]);
    active.propose(z(1));
    active.logged(z(1));
    expect(active.acknowledge(2, z(1), 0)).toBe(0);
    expect(leader.step({ kind: 'tick' }, 500)).toContainEqual({
      kind: 'stepDown',
      reason: 'no quorum of learners is heard',
    });
  });

  it('takes late acknowledgements of connections that are gone for nothing', () => {
    active.propose(z(1));
    active.logged(z(1));
    join(leader, 3);
    live(leader, 3);
    leader.step({ kind: 'closed', connection: 2 }, 0);
    expect(active.acknowledge(2, z(1), 0)).toBe(0);
    active.answeredPing(2, 0);
    expect(active.acknowledge(3, z(1), 0)).toBe(z(1));
  });
});
