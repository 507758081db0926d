import { beforeEach, describe, expect, it } from '@jest/globals';
import { LeadershipConfirmation, Majority } from '../src/index.js';

describe('confirming leadership', () => {
  let confirmation: LeadershipConfirmation;

  beforeEach(() => {
    confirmation = new LeadershipConfirmation(1, [new Majority([1, 2, 3, 4, 5])]);
  });

  function pingAll(lastProposed: number): void {
    confirmation.beginRound(lastProposed);
    for (const id of [2, 3, 4, 5]) expect(confirmation.pinged(id)).toBe(true);
  }

  it('takes a quorum that answers pings which were sent after the request', () => {
    pingAll(10);
    expect(confirmation.isRoundDue).toBe(false);
    expect(confirmation.request()).toBe(1);
    expect(confirmation.isRoundDue).toBe(true);
    for (const id of [2, 3, 4, 5]) confirmation.answered(id);
    expect(confirmation.confirmed).toBe(0);
    pingAll(10);
    confirmation.answered(2);
    expect(confirmation.confirmed).toBe(0);
    confirmation.answered(3);
    expect(confirmation.confirmed).toBe(1);
  });

  it('confirms all requests of one round together, and later ones later', () => {
    confirmation.request();
    expect(confirmation.request()).toBe(2);
    pingAll(10);
    expect(confirmation.request()).toBe(3);
    confirmation.answered(2);
    confirmation.answered(3);
    expect(confirmation.confirmed).toBe(2);
    pingAll(10);
    confirmation.answered(4);
    confirmation.answered(4);
    expect(confirmation.confirmed).toBe(2);
    confirmation.answered(2);
    expect(confirmation.confirmed).toBe(3);
  });

  it('takes acknowledgements of proposals that were made after the round began', () => {
    confirmation.request();
    pingAll(12);
    confirmation.acknowledged(2, 12);
    confirmation.acknowledged(3, 12);
    expect(confirmation.confirmed).toBe(0);
    confirmation.acknowledged(2, 13);
    confirmation.request();
    pingAll(20);
    confirmation.acknowledged(3, 14);
    expect(confirmation.confirmed).toBe(1);
    confirmation.acknowledged(3, 21);
    confirmation.acknowledged(2, 21);
    expect(confirmation.confirmed).toBe(2);
  });

  it('does not count those without a vote, twice the same, or answers to nothing', () => {
    confirmation.request();
    confirmation.answered(2);
    confirmation.answered(3);
    pingAll(0);
    expect(confirmation.pinged(9)).toBe(true);
    confirmation.answered(9);
    confirmation.answered(2);
    confirmation.answered(2);
    expect(confirmation.confirmed).toBe(0);
  });

  it('does not take the answers of a new connection for those of the old one', () => {
    confirmation.request();
    pingAll(0);
    confirmation.forget(2);
    confirmation.forget(3);
    confirmation.answered(2);
    confirmation.answered(3);
    expect(confirmation.confirmed).toBe(0);
  });

  it('keeps few rounds under way, and leaves who does not answer', () => {
    let rounds = 0;
    for (let request = 0; request < 100; request++) {
      confirmation.request();
      if (!confirmation.isRoundDue) continue;
      confirmation.beginRound(0);
      rounds++;
    }
    expect(rounds).toBe(16);
    let pings = 0;
    while (confirmation.pinged(2)) pings++;
    expect(pings).toBe(256);
  });

  it('asks the new ensemble after a reconfiguration', () => {
    confirmation.request();
    pingAll(0);
    confirmation.changeVerifiers([new Majority([1, 6, 7])]);
    confirmation.answered(2);
    confirmation.answered(3);
    expect(confirmation.confirmed).toBe(0);
    expect(confirmation.isRoundDue).toBe(true);
    confirmation.beginRound(0);
    confirmation.pinged(6);
    confirmation.answered(6);
    expect(confirmation.confirmed).toBe(1);
  });

  it('needs nobody where the ensemble is one server', () => {
    const alone = new LeadershipConfirmation(1, [new Majority([1])]);
    alone.request();
    expect(alone.confirmed).toBe(0);
    alone.beginRound(0);
    expect(alone.confirmed).toBe(1);
  });
});
