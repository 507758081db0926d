import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type ModuleMetadata } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import {
  Barrier,
  BarrierModule,
  BarrierSetupError,
  Barriers,
  DoubleBarrier,
  InjectBarrier,
  InjectBarriers,
  InjectDoubleBarrier,
  getBarriersToken,
  type BarrierModuleOptions,
} from '../src/index.js';
import { BarrierWorld, STEADY, failure, type Service } from './barrier-world.js';

@Injectable()
class Migration {
  constructor(
    @InjectBarrier('deploy') readonly deploy: Barrier,
    @InjectDoubleBarrier('migrate') readonly migrate: DoubleBarrier,
    @InjectBarriers() readonly named: Barriers,
    readonly barriers: Barriers,
  ) {}
}

const features = BarrierModule.forFeature({
  barriers: [{ path: 'deploy', jitter: '1s' }],
  doubleBarriers: [{ path: 'migrate', quantity: 2 }],
});

let world: BarrierWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await BarrierWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

function application(
  service: Service,
  options: BarrierModuleOptions = {},
  imports: ModuleMetadata['imports'] = [features],
): Promise<TestingModule> {
  const root = BarrierModule.forRoot({ log: service.log, ...options });
  return world.in(service, () =>
    applicationOf(service, { imports: [root, ...imports], providers: [Migration] }),
  );
}

describe('BarrierModule', () => {
  it('gives barriers below its root to whoever asks for them', async () => {
    const app = await application(ann);
    const { deploy, migrate, named, barriers } = app.get(Migration);
    expect(deploy.path).toBe('/barriers/deploy');
    expect([migrate.path, migrate.quantity]).toEqual(['/barriers/migrate', 2]);
    expect(named).toBe(barriers);
    await world.in(ann, () => deploy.raise());
    const identity = await world.look(async (zk) => String((await zk.get(deploy.path)).data));
    expect(identity).toMatch(new RegExp(` ${process.pid}$`));
    await world.in(ann, () => app.close());
  });

  it('is there once for each name', async () => {
    const audit = BarrierModule.forRoot({ name: 'audit', root: '/audit' });
    const auditFeatures = BarrierModule.forFeature({ barriers: ['deploy'], module: 'audit' });
    const app = await application(ann, {}, [features, audit, auditFeatures]);
    expect(app.get<Barriers>(getBarriersToken('audit')).barrier('a').path).toBe('/audit/a');
    const second = application(bob, {}, [features, BarrierModule.forRoot()]);
    await expect(second).rejects.toThrow(/BarrierModule "default" is defined more than once/);
  });

  it('ends what waits, and lets a round that goes on come to its end', async () => {
    const app = await application(ann);
    const { deploy, migrate } = app.get(Migration);
    await world.in(ann, () => deploy.raise());
    const waiting = failure(world.begin(ann, () => deploy.wait()));
    const other = bob.barriers.double('migrate', 2);
    const work = (service: Service) => () =>
      new Promise<string>((resolve) => {
        service.process.clock.setTimer(2_000, () => resolve('done'));
      });
    const running = world.begin(ann, () => migrate.run(work(ann)));
    const meeting = world.begin(bob, () => other.run(work(bob)));
    await world.pass(500);
    await world.in(ann, () => app.close());
    expect(await waiting).toMatchObject({ name: 'BarriersClosedError' });
    expect(await world.world.settle(Promise.all([running, meeting]))).toEqual(['done', 'done']);
    await world.pass(100);
    expect(await world.inside('/barriers/migrate')).toEqual([]);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('loses a round that does not end while it waits', async () => {
    const app = await application(ann, { drain: '1s' });
    const never = failure(
      world.begin(ann, () =>
        app
          .get(Migration)
          .migrate.run(
            ({ signal }) =>
              new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
          ),
      ),
    );
    const meeting = world.begin(bob, () => bob.barriers.double('migrate', 2).run(() => 'done'));
    await world.pass(500);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => app.close());
    expect(world.world.virtualMs - startedMs).toBeGreaterThanOrEqual(1_000);
    expect(world.world.virtualMs - startedMs).toBeLessThan(1_500);
    expect(await never).toMatchObject({ name: 'LeaseLostError', reason: 'shutdown' });
    expect(await world.world.settle(meeting)).toBe('done');
  });

  it.each([
    ['before the shutdown begins', 0],
    ['while the shutdown waits for it', 400],
  ])('does not wait for a round that is lost: %s', async (_when, afterMs) => {
    const app = await application(ann);
    const double = app.get(Migration).barriers.double('alone', 1);
    const round = await world.in(ann, () => double.enter());
    const lose = () => world.look((zk) => zk.delete(round.nodePath));
    if (afterMs === 0) await lose();
    await world.pass(100);
    const startedMs = world.world.virtualMs;
    const closing = world.begin(ann, () => app.close());
    if (afterMs > 0) {
      await world.pass(afterMs);
      expect(round.lost).toBeNull();
      await lose();
    }
    await world.world.settle(closing);
    expect(round.lost).toBe('nodeDeleted');
    expect(world.world.virtualMs - startedMs).toBeLessThan(afterMs + 600);
    expect(world.port.tree.findText('/barriers/alone/ready')).toBe(-1);
  });
});

describe('what stops the start', () => {
  it.each<[BarrierModuleOptions, RegExp]>([
    [{ root: 'a' }, /^BarrierModule "default": root: /],
    [{ root: 5 as never }, /^BarrierModule "default": root: a path must be a string/],
    [{ drain: 'soon' as '1s' }, /^BarrierModule "default": drain must be milliseconds or a time/],
    [{ attemptMs: -1 }, /^BarrierModule "default": attemptMs must be/],
  ])('the options %j', async (options, message) => {
    await expect(application(ann, options)).rejects.toThrow(message);
  });

  it('a feature that is none', async () => {
    const bad = BarrierModule.forFeature({ doubleBarriers: [{ path: 'migrate', quantity: 0 }] });
    await expect(application(ann, {}, [features, bad])).rejects.toThrow(
      /^BarrierModule.forFeature: the double barrier \/barriers\/migrate must have a whole number/,
    );
    const jitter = 'soon' as '1s';
    expect(() => BarrierModule.forFeature({ barriers: [{ path: 'a', jitter }] })).toThrow(
      /barrier "a": jitter must be milliseconds or a time such as "5s", not "soon"/,
    );
  });

  it.each<unknown>([{ barriers: 'deploy' }, { doubleBarriers: {} }, [undefined], undefined, null])(
    'features that are not in lists: %j',
    (given) => {
      const problem = /^BarrierModule.forFeature takes lists, such as \{ barriers: \["deploy"\] \}/;
      expect(setupError(() => BarrierModule.forFeature(given as never)).message).toMatch(problem);
    },
  );

  it.each<[unknown, RegExp]>([
    [{ barriers: [undefined] }, /takes a barrier as \{ path: "deploy" \}, not as undefined$/],
    [
      { barriers: [{ path: Symbol('a') }] },
      /takes a barrier as .*, not as \{ path: Symbol\(a\) \}$/,
    ],
    [{ doubleBarriers: [null] }, /takes a double barrier as .*, quantity: 5 \}, not as null$/],
    [{ doubleBarriers: ['migrate'] }, /takes a double barrier as .*, not as "migrate"$/],
  ])('a feature without a path: %j', (given, problem) => {
    expect(setupError(() => BarrierModule.forFeature(given as never)).message).toMatch(problem);
  });

  it.each([['barriers'], ['doubleBarriers']])('%s on a path that is none', async (list) => {
    for (const path of ['', '/', 'a//b', '../a']) {
      const bad = BarrierModule.forFeature({ [list]: [{ path, quantity: 1 }] });
      const refused = await failure(application(ann, {}, [features, bad]));
      expect(refused).toBeInstanceOf(BarrierSetupError);
      expect(String(refused)).toMatch(/: BarrierModule.forFeature: .*(path|root)/);
    }
  });

  function setupError(make: () => unknown): BarrierSetupError {
    try {
      make();
    } catch (error) {
      if (error instanceof BarrierSetupError) return error;
      throw error;
    }
    throw new Error('nothing was thrown');
  }

  it('the class instead of the module', async () => {
    const imports = [BarrierModule];
    await expect(applicationOf(ann, { imports })).rejects.toThrow(
      'import BarrierModule.forRoot(...), not the class BarrierModule',
    );
  });
});
