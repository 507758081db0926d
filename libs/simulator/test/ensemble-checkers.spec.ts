import { describe, expect, it } from '@jest/globals';
import { Agreement, EphemeralHistory, Leadership } from '../src/index.js';

const rulesOf = (violations: readonly { rule: string }[]) => violations.map(({ rule }) => rule);

describe('agreement', () => {
  it('lets many say the same, in any order and as often as they like', () => {
    const agreement = new Agreement('one history', String);
    for (const witness of ['a', 'b', 'a']) {
      agreement.note(2, 'y', witness);
      agreement.note(1, 'x', witness);
    }
    expect(agreement.violations).toEqual([]);
    expect([agreement.at(1), agreement.at(3)]).toEqual(['x', null]);
  });

  it('names the place and both witnesses, once', () => {
    const agreement = new Agreement('one history', (place) => `place ${place}`);
    agreement.note(1, 'x', 'a');
    agreement.note(1, 'y', 'b');
    agreement.note(1, 'z', 'c');
    expect(agreement.violations).toEqual([
      { rule: 'one history', message: 'at place 1 b has y, and a had x' },
    ]);
  });
});

describe('leadership', () => {
  it('lets one process lead an epoch, and another the next', () => {
    const leadership = new Leadership();
    leadership.noteLeading(1, 'a', 0);
    leadership.noteCommitted(5, 'a');
    leadership.noteLeading(2, 'b', 6);
    expect(leadership.violations).toEqual([]);
    expect([leadership.lastEpoch, leadership.lastCommitted]).toEqual([2, 5]);
  });

  it('convicts two of one epoch', () => {
    const leadership = new Leadership();
    leadership.noteLeading(1, 'a#1', 0);
    leadership.noteLeading(1, 'a#2', 0);
    expect(rulesOf(leadership.violations)).toEqual(['an epoch has one leader']);
  });

  it('convicts a leader that lacks what was served, but not an old one that is late', () => {
    const leadership = new Leadership();
    leadership.noteLeading(2, 'b', 0);
    leadership.noteCommitted(7, 'b');
    leadership.noteLeading(1, 'a', 3);
    expect(leadership.violations).toEqual([]);
    leadership.noteLeading(3, 'c', 6);
    expect(rulesOf(leadership.violations)).toEqual(['a leader has everything that was committed']);
  });
});

describe('ephemeral nodes', () => {
  it('may be seen while their session lives, and missed when it may be over', () => {
    const history = new EphemeralHistory();
    history.looking('/e')(false);
    history.created('/e', 's');
    history.looking('/e')(true);
    history.looking('/e')(false);
    expect(history.check()).toEqual([]);
  });

  it('must be gone once somebody was told that their session is', () => {
    const history = new EphemeralHistory();
    history.created('/e', 's');
    const early = history.looking('/e');
    history.over('s');
    const late = history.looking('/e');
    early(true);
    expect(history.check()).toEqual([]);
    late(true);
    expect(rulesOf(history.check())).toEqual(['an ephemeral node goes with its session']);
  });

  it('must be there as long as their session writes, unless their owner removes them', () => {
    const history = new EphemeralHistory();
    history.created('/kept', 's');
    history.created('/removed', 's');
    history.looking('/kept')(false);
    history.removing('/removed');
    history.looking('/removed')(false);
    expect(history.check()).toEqual([]);
    history.writing('s')();
    expect(history.check()).toMatchObject([
      { rule: 'an ephemeral node stays while its session lives' },
    ]);
  });

  it('must be there for their owner', () => {
    const history = new EphemeralHistory();
    history.created('/e', 's');
    history.missed('/e');
    expect(rulesOf(history.check())).toEqual(['an ephemeral node stays while its session lives']);
  });
});
