import { describe, expect, it } from '@jest/globals';
import { checkSessionOrder, type SessionEntry, type SessionReply } from '@aviary/simulator';

const reply = (request: number, zxid: number, more: Partial<SessionReply> = {}): SessionReply => ({
  kind: 'reply',
  request,
  zxid,
  ...more,
});
const event = (key: string): SessionEntry => ({ kind: 'event', key });
const saw = (key: string, zxid: number) => ({ observed: { key, zxid } });

/** Writes, reads, a watch that fires, pipelined and over a reconnect (requests 6 and 7 unanswered). */
const clean: readonly SessionEntry[] = [
  reply(1, 10, { isWrite: true, ...saw('/a', 10) }),
  reply(2, 10, { ...saw('/a', 10), watch: '/a' }),
  reply(3, 10, saw('/b', 4)),
  event('/a'),
  reply(4, 15, saw('/a', 15)),
  reply(5, 16, { isWrite: true }),
  reply(8, 20, { ...saw('/a', 15), watch: '/a' }),
  reply(9, 25, saw('/b', 22)),
];
const changes = (key: string) => (key === '/a' ? [10, 15, 30] : [4, 22]);

const rules = (entries: readonly SessionEntry[], known?: typeof changes) =>
  checkSessionOrder('one', entries, known).map(({ rule }) => rule);

/** The clean history with the entry at `index` replaced, left out, or moved behind another. */
const replaced = (index: number, entry: SessionEntry) => clean.with(index, entry);
const without = (index: number) => clean.toSpliced(index, 1);

describe('checkSessionOrder', () => {
  it('accepts a clean history', () => {
    expect(rules(clean)).toEqual([]);
    expect(rules(clean, changes)).toEqual([]);
  });

  it('finds replies out of order or doubled', () => {
    const rule = 'replies come in the order of requests';
    expect(rules(without(2).toSpliced(4, 0, reply(3, 15)))).toEqual([rule]);
    expect(rules(clean.toSpliced(2, 0, reply(2, 10)))).toEqual([rule]);
  });

  it('finds time going back, of the server or of one state', () => {
    const rule = 'a session never goes back';
    expect(rules(replaced(6, reply(8, 15, saw('/a', 15))))).toEqual([rule]);
    expect(rules(replaced(6, reply(8, 20, saw('/a', 10))))).toEqual([rule]);
    expect(rules(replaced(7, reply(9, 25, saw('/b', 3))))).toEqual([rule]);
  });

  it('finds a write that is not newer than what was seen', () => {
    const rule = 'a write is newer than all seen before it';
    expect(rules(replaced(5, reply(5, 15, { isWrite: true })))).toEqual([rule]);
  });

  it('finds a reply that shows the future', () => {
    const rule = 'a reply shows no later state than its zxid';
    expect(rules(replaced(7, reply(9, 25, saw('/b', 26))))).toEqual([rule]);
  });

  it('finds newer data before the event', () => {
    const rule = 'an event comes before newer data';
    const late = without(3).toSpliced(4, 0, event('/a'));
    // Convicted once: by then the watch counts as gone, and its event as one without a watch.
    expect(rules(late)).toEqual([rule, 'an event needs a watch']);
    expect(rules(without(3))).toEqual([rule]);
  });

  it('finds a later reply before the event, if it knows the changes', () => {
    const silent = [
      reply(1, 10, { ...saw('/a', 10), watch: '/a' }),
      reply(2, 15, saw('/b', 4)),
      event('/a'),
    ];
    expect(rules(silent)).toEqual([]);
    expect(rules(silent, changes)[0]).toBe('an event comes before newer data');
    const early = [silent[0]!, event('/a'), silent[1]!];
    expect(rules(early, changes)).toEqual([]);
  });

  it('finds an event that never came, if it knows the changes', () => {
    expect(rules([...clean, reply(10, 29)], changes)).toEqual([]);
    const missed = [...clean, reply(10, 31)];
    expect(rules(missed, changes)).toEqual(['an event comes before newer data']);
  });

  it('finds events from nowhere', () => {
    expect(rules([...clean, event('/b')])).toEqual(['an event needs a watch']);
    const spurious = [reply(1, 30, { watch: '/a' }), event('/a')];
    expect(rules(spurious)).toEqual([]);
    expect(rules(spurious, changes)).toEqual(['an event needs a change']);
  });

  it('names the session and the request', () => {
    const [violation] = checkSessionOrder('0xabc', [reply(1, 10), reply(2, 9)]);
    expect(violation?.message).toContain('0xabc');
    expect(violation?.message).toContain('(2)');
  });
});
