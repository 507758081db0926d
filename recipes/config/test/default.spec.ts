import { beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigNotReadyError, ConfigWatch, type ConfigFormat } from '../src/index.js';
import { ConfigWorld, STEADY, rejection, type Service } from './config-world.js';
import { ManualSchema, Pricing } from './schemas.js';

let world: ConfigWorld;
let ann: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

describe('a default', () => {
  it.each<ConfigFormat>(['json', 'yaml', 'properties'])(
    'that its schema does not let pass is refused at once, in %s',
    async (format) => {
      const fallback = { default: { vat: 20, currency: 'EUR' } };
      expect(() => ann.configs.watch('pricing', { schema: Pricing, format, fallback })).toThrow(
        /^the configuration \/config\/pricing: the default does not pass its schema, .*: vat: .*<=1/,
      );
      expect(ann.configs.configs).toEqual([]);
      await world.pass(50);
      expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
    },
  );

  it('is what the schema makes of it', () => {
    const fallback = { default: { vat: 0.2 } };
    const live = ann.configs.watch('pricing', { schema: Pricing, fallback });
    expect(live.value).toEqual({ vat: 0.2, currency: 'EUR' });
    expect(Object.isFrozen(live.value)).toBe(true);
  });

  it('is written as data are, also to the compiler', () => {
    const schema = z.object({ vat: z.string().transform(Number) });
    const live = ann.configs.watch('pricing', { schema, fallback: { default: { vat: '0.2' } } });
    const { vat }: { vat: number } = live.value;
    expect(vat).toBe(0.2);
    const made = { default: { vat: 0.2 } };
    // @ts-expect-error That is what the schema makes of data.
    expect(() => ConfigWatch('orders', schema, { fallback: made })).not.toThrow();
  });
});

describe('a default whose schema takes its time', () => {
  const watching = async (settings: { readonly validationMs?: number } = {}) => {
    const bob = await world.connected('bob', {}, settings);
    const manual = new ManualSchema();
    const fallback = { default: { id: 7 } };
    const live = bob.configs.watch('pricing', { schema: manual.schema, fallback });
    const waiting = world.begin(bob, () => live.ready()).catch((error: unknown) => error);
    const seen: unknown[] = [];
    live.select(({ id }) => id).subscribe((id) => seen.push(id));
    await world.pass(100);
    return { bob, manual, live, waiting, seen };
  };

  it('stands in when it has passed', async () => {
    const { live, manual, waiting, seen } = await watching();
    expect(() => live.value).toThrow(ConfigNotReadyError);
    manual.answer(7, true);
    expect(await world.world.settle(waiting)).toEqual({ id: 7 });
    expect([live.value, live.version, live.state.kind]).toEqual([{ id: 7 }, null, 'default']);
    expect(seen).toEqual([7]);
  });

  it('fails the start when it does not pass, and never stands in', async () => {
    const { bob, live, manual, waiting } = await watching();
    manual.answer(7, false);
    const error = await world.world.settle(waiting);
    const problem = 'the default does not pass its schema, as data would have to: 7 is bad';
    expect(error).toMatchObject({
      name: 'InvalidArgumentError',
      message: `the configuration /config/pricing: ${problem}`,
    });
    expect(() => live.value).toThrow(`has no value yet: ${problem}`);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { kind: 'missing' } });
    expect(bob.lines.at(-1)).toContain(problem);
  });

  it('fails it also where there are data, which are followed all the same', async () => {
    await world.write('/config/pricing', '{"id": 1}');
    const { live, manual, waiting } = await watching();
    manual.answer(1, true);
    await world.pass(10);
    expect(live.value).toEqual({ id: 1 });
    manual.answer(7, false);
    expect(String(await world.world.settle(waiting))).toMatch(/the default does not pass/);
    expect([live.value, live.state.kind]).toEqual([{ id: 1 }, 'current']);
  });

  it('does not take the place of data that came first', async () => {
    await world.write('/config/pricing', '{"id": 1}');
    const { live, manual, waiting } = await watching();
    manual.answer(1, true);
    manual.answer(7, true);
    expect(await world.world.settle(waiting)).toEqual({ id: 1 });
    expect(live.version?.number).toBe(1);
  });

  it('is waited for no longer than validationMs, or the caller says', async () => {
    const { bob, live, waiting } = await watching({ validationMs: 2_000 });
    const hasty = rejection(world.in(bob, () => live.ready({ waitMs: 500 })));
    expect((await hasty).message).toMatch(/did not answer about the default within 500 ms/);
    expect(String(await world.world.settle(waiting))).toMatch(/the default .* within 2000 ms/);
  });
});
