import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fixture, statesOf } from './fixture.js';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await Fixture.start();
  for (const port of [1, 2, 3]) fixture.ensemble.readOnlyPorts.add(port);
});

afterEach(() => fixture.stop());

describe('servers without a quorum', () => {
  it('are no servers for a client that does not allow them', async () => {
    const zk = fixture.client();
    const states = statesOf(zk);
    await fixture.settled(zk.connect({ deadlineMs: 5_000 }).catch(() => undefined));
    expect(states).toEqual(['connecting']);
  });

  it('will do for one that does, until one with a quorum is found', async () => {
    const zk = await fixture.connected({ readOnlyAllowed: true });
    const states = statesOf(zk);
    expect(zk.state).toMatchObject({ kind: 'connected', readOnly: true });
    const local = zk.sessionId;
    await fixture.clock.advance(5_000);
    expect(states).toEqual(['connected']);
    fixture.ensemble.readOnlyPorts.delete(2);
    await fixture.clock.advance(30_000);
    // The session on the lonely server was known to it alone.
    expect(states).toEqual(['connected', 'lost', 'connected']);
    expect(zk.state).toMatchObject({ kind: 'connected', readOnly: false });
    expect(zk.sessionId).not.toBe(local);
    const attempts = fixture.network.attempts.length;
    await fixture.clock.advance(60_000);
    expect(fixture.network.attempts.length).toBe(attempts);
  });

  it('are left alone by a client that was closed', async () => {
    const zk = await fixture.connected({ readOnlyAllowed: true });
    await fixture.clock.advance(1_000);
    await fixture.settled(zk.close());
    fixture.ensemble.sessions.clear();
    await fixture.clock.advance(120_000);
    expect(fixture.clock.timerCount).toBe(0);
    expect(fixture.network.openCount).toBe(0);
  });

  it('that do not answer do not hold the search up', async () => {
    const zk = await fixture.connected({ readOnlyAllowed: true });
    fixture.network.deaf.add('127.0.0.1:1').add('127.0.0.1:3');
    fixture.ensemble.readOnlyPorts.delete(2);
    await fixture.clock.advance(60_000);
    expect(zk.state).toMatchObject({ readOnly: false });
  });
});
