import 'reflect-metadata';
import { ZooKeeper, type SessionState } from '@aviary/client';
import { Controller, Get, type DynamicModule } from '@nestjs/common';
import {
  HealthCheckService,
  TerminusModule,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { filter, firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePorts } from '../../../test/free-port.js';
import {
  EnsembleHealthIndicator,
  EnsembleTransport,
  getZooKeeperToken,
  ZooKeeperHealthIndicator,
  ZooKeeperModule,
} from '../src/index.js';
import { KeptLog, memberIn, Takedown, toOwnMember } from './hosted-member.js';

let takedown: Takedown;

beforeEach(() => {
  takedown = new Takedown();
});

afterEach(() => takedown.run());

@Controller('member')
class MemberHealth {
  constructor(
    private readonly health: HealthCheckService,
    private readonly member: EnsembleHealthIndicator,
  ) {}

  @Get()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.member.isHealthy()]);
  }
}

/** What a probe sees of a health check: the status of the answer, and the detail of its indicator. */
type Probe = () => Promise<[number, unknown]>;

/** An application whose health is asked for as probes do. */
async function probed(imports: DynamicModule[]) {
  const module = await Test.createTestingModule({
    imports: [TerminusModule.forRoot({ logger: false }), ...imports],
    controllers: [MemberHealth],
  })
    .setLogger(new KeptLog())
    .compile();
  const app = takedown.app(module.createNestApplication({ forceCloseConnections: true }));
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const probe: Probe = async () => {
    const answer = await fetch(`${url}/member`);
    const { details } = (await answer.json()) as HealthCheckResult;
    return [answer.status, details.ensemble];
  };
  return { app, probe, member: app.get(EnsembleTransport) };
}

/** Resolves when the member serves its clients, or no longer does. */
function untilUp(member: EnsembleTransport, isUp: boolean): Promise<unknown> {
  return firstValueFrom(member.mode$.pipe(filter(() => member.isUp === isUp)));
}

describe('the health of a hosted member', () => {
  it('is up while it serves, and down while it looks for a leader and when it is stopped', async () => {
    const ports = await freePorts(9);
    const lines = [1, 2, 3].map(
      (id) => `server.${id}=127.0.0.1:${ports.pop()}:${ports.pop()};127.0.0.1:${ports.pop()}`,
    );
    const hosted = (serverId: number) =>
      probed([memberIn(takedown.directory(), { ensemble: lines.join('\n'), serverId })]);
    const message = 'the member has no leader, for too few of the others can be reached';
    const looking = [503, { status: 'down', mode: 'looking', message }];

    const first = await hosted(1);
    expect(await first.probe()).toEqual(looking);

    const second = await hosted(2);
    await Promise.all([untilUp(first.member, true), untilUp(second.member, true)]);
    expect(await second.probe()).toEqual([200, { status: 'up', mode: 'leader' }]);
    expect(await first.probe()).toEqual([200, { status: 'up', mode: 'follower' }]);

    await second.member.close();
    expect(await second.probe()).toEqual([
      503,
      { status: 'down', message: 'the member was stopped' },
    ]);
    await untilUp(first.member, false);
    expect(await first.probe()).toEqual(looking);
  });

  it('is down before the member has started, and while it starts', async () => {
    const module = await Test.createTestingModule({ imports: [memberIn(takedown.directory())] })
      .setLogger(new KeptLog())
      .compile();
    const app = takedown.app(module);
    const indicator = app.get(EnsembleHealthIndicator);
    const down = (message: string) => ({ mine: { status: 'down', message } });
    expect(indicator.isHealthy('mine')).toEqual(down('the member was not started'));
    const start = app.get(EnsembleTransport).start();
    expect(indicator.isHealthy('mine')).toEqual(down('the member is starting'));
    await start;
    expect(indicator.isHealthy('mine')).toEqual({ mine: { status: 'up', mode: 'standalone' } });
    await app.init();
  });
});

/** A client of which there is only its state. */
function clientIn(state: SessionState) {
  return Test.createTestingModule({ imports: [ZooKeeperModule.forRoot({ servers: 'any' })] })
    .overrideProvider(getZooKeeperToken())
    .useValue({ state })
    .compile();
}

describe('the health of a connection', () => {
  it('is up while there is one, of each by its name, and down when it is closed', async () => {
    const module = await Test.createTestingModule({
      imports: [
        memberIn(takedown.directory()),
        ZooKeeperModule.forRootAsync(toOwnMember()),
        ZooKeeperModule.forRootAsync({ name: 'idle', ...toOwnMember({ startup: 'lazy' }) }),
      ],
    })
      .setLogger(new KeptLog())
      .compile();
    const app = takedown.app(await module.init());
    const indicator = app.get(ZooKeeperHealthIndicator, { strict: false });
    // It is what an indicator of Terminus gives.
    const result: HealthIndicatorResult<'zookeeper'> = indicator.isHealthy();
    expect(result).toEqual({ zookeeper: { status: 'up', session: 'connected' } });
    expect(indicator.isHealthy('late', { connection: 'idle' })).toEqual({
      late: { status: 'down', session: 'connecting', message: 'there is no session yet' },
    });
    await app.get(ZooKeeper).close();
    expect(indicator.isHealthy('main')).toEqual({
      main: { status: 'down', session: 'closed', message: 'the client was closed' },
    });
    expect(() => indicator.isHealthy('none', { connection: 'none' })).toThrow(/none/);
  });

  const session = { sessionId: 1n, timeoutMs: 4_000 };
  it.each<[SessionState['kind'], string, SessionState]>([
    ['reconnected', 'up', { kind: 'reconnected', ...session, readOnly: false }],
    ['connected', 'degraded', { kind: 'connected', ...session, readOnly: true }],
    ['suspended', 'degraded', { kind: 'suspended', sessionId: 1n, reason: 'reset', lostAtMs: 9 }],
    ['lost', 'down', { kind: 'lost', sessionId: 1n, reason: 'expired' }],
    ['authFailed', 'down', { kind: 'authFailed' }],
  ])('in the state %s is %s', async (kind, status, state) => {
    const module = await clientIn(state);
    const { zookeeper } = module.get(ZooKeeperHealthIndicator).isHealthy();
    expect(zookeeper).toMatchObject({ status, session: kind });
    expect('message' in zookeeper).toBe(status !== 'up');
    expect(() => JSON.stringify(zookeeper)).not.toThrow();
    await module.close();
  });
});
