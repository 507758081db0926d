import { beforeEach, describe, expect, it } from '@jest/globals';
import { AssertionError, zxidOf } from '@aviary/foundation';
import { FollowerTracker } from '../src/index.js';

const z = (counter: number) => zxidOf(3, counter);

describe('a follower', () => {
  let tracker: FollowerTracker;

  beforeEach(() => {
    tracker = new FollowerTracker(3, zxidOf(2, 7));
    for (const counter of [1, 2, 3]) expect(tracker.proposed(z(counter))).toBe(true);
  });

  it('acknowledges each proposal once, when it is logged', () => {
    expect(tracker.logged(z(2))).toBe(z(1));
    expect(tracker.logged(z(2))).toBe(0);
    expect(tracker.logged(z(3))).toBe(z(3));
    expect(() => tracker.logged(z(4))).toThrow(AssertionError);
  });

  it('applies what is committed and logged', () => {
    expect(tracker.applicable).toBe(zxidOf(2, 7));
    tracker.logged(z(1));
    expect(tracker.applicable).toBe(zxidOf(2, 7));
    expect(tracker.committed(z(1))).toBe(true);
    expect(tracker.applicable).toBe(z(1));
    expect(tracker.committed(z(2))).toBe(true);
    expect(tracker.applicable).toBe(z(1));
    tracker.logged(z(3));
    expect(tracker.applicable).toBe(z(2));
  });

  it('takes proposals of its epoch only, one after the other', () => {
    for (const zxid of [z(3), z(5), zxidOf(4, 1), zxidOf(2, 8), z(0)]) {
      expect(tracker.proposed(zxid)).toBe(false);
    }
    expect(tracker.proposed(z(4))).toBe(true);
    expect(tracker.lastProposed).toBe(z(4));
  });

  it('takes commits of the oldest proposal only; of older ones they are repetitions', () => {
    expect(tracker.committed(z(2))).toBe(false);
    expect(tracker.committed(z(1))).toBe(true);
    expect(tracker.committed(z(1))).toBe(true);
    expect(tracker.committed(zxidOf(2, 7))).toBe(true);
    expect(tracker.committed(z(2))).toBe(true);
    expect(tracker.committed(z(3))).toBe(true);
    expect(tracker.committed(z(4))).toBe(false);
  });

  it('begins in the middle of an epoch where its history ends there', () => {
    const late = new FollowerTracker(3, z(9));
    expect(late.proposed(z(10))).toBe(true);
    expect(late.logged(z(10))).toBe(z(10));
    expect(late.committed(z(10))).toBe(true);
    expect(late.applicable).toBe(z(10));
  });

  it('does not wrap into the next epoch', () => {
    const full = new FollowerTracker(3, z(0xffff_ffff));
    expect(full.proposed(zxidOf(4, 0))).toBe(false);
  });
});

it('follows what it is informed of as an observer', () => {
  const tracker = new FollowerTracker(3, z(0));
  expect(tracker.informed(z(1))).toBe(true);
  expect(tracker.informed(z(3))).toBe(false);
  tracker.logged(z(1));
  expect(tracker.applicable).toBe(z(1));
});
