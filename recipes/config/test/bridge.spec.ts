import { execFileSync } from 'node:child_process';
import { ConfigModule, ConfigService, registerAs } from '@nestjs/config';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigWatchModule, type ConfigBridge } from '../src/index.js';
import { ConfigWorld, STEADY, type Service } from './config-world.js';
import { application, refusal } from './nest-world.js';
import { Pricing } from './schemas.js';

let world: ConfigWorld;
let ann: Service;
let environment: NodeJS.ProcessEnv;

beforeEach(async () => {
  environment = { ...process.env };
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  await world.write('/config/pricing', '{"vat": 0.2, "currency": "secret"}');
});

afterEach(() => {
  for (const name of Object.keys(process.env)) {
    if (!(name in environment)) Reflect.deleteProperty(process.env, name);
  }
});

async function bridged(bridge: readonly ConfigBridge[], options: object = {}) {
  const feature = ConfigWatchModule.forFeature([{ path: 'pricing', schema: Pricing }]);
  const values = await ConfigModule.forRoot({ ignoreEnvFile: true, isGlobal: true, ...options });
  const app = await application(world, ann, [], { bridge }, { imports: [feature, values] });
  return { app, values: app.get(ConfigService) };
}

describe('the bridge into ConfigService', () => {
  it.each([false, true])('shows the value, and follows it (cache: %s)', async (cache) => {
    const { app, values } = await bridged([{ path: 'pricing', into: 'pricing' }], { cache });
    const changes: unknown[] = [];
    values.changes$.subscribe(({ newValue }) => changes.push(newValue));
    expect(values.get('pricing')).toEqual({ vat: 0.2, currency: 'secret' });
    expect(values.get('pricing.vat')).toBe(0.2);
    await world.write('/config/pricing', '{"vat": 0.3}');
    await world.pass(50);
    expect(values.getOrThrow('pricing.vat')).toBe(0.3);
    expect(changes).toEqual([{ vat: 0.3, currency: 'EUR' }]);
    await world.write('/config/pricing', '{"vat": 7}');
    await world.pass(50);
    expect(values.get('pricing.vat')).toBe(0.3);
    await world.in(ann, () => app.close());
  });

  it('takes the place of what was loaded under its key, and of nothing else', async () => {
    const load = [registerAs('pricing', () => ({ vat: 1 })), () => ({ shop: { name: 'corner' } })];
    const bridge = [
      { path: 'pricing', into: 'pricing' },
      { path: 'pricing', into: 'shop.prices' },
    ];
    const { values } = await bridged(bridge, { load });
    expect(values.get('pricing.vat')).toBe(0.2);
    expect(values.get('shop')).toEqual({
      name: 'corner',
      prices: { vat: 0.2, currency: 'secret' },
    });
  });

  it('N2: never reaches the environment of this process, or of its children', async () => {
    await bridged([
      { path: 'pricing', into: 'pricing' },
      { path: 'pricing', into: 'shop.prices' },
    ]);
    await world.write('/config/pricing', '{"vat": 0.3, "currency": "secret"}');
    await world.pass(50);
    expect(process.env).toEqual(environment);
    const child = execFileSync(process.execPath, ['-p', 'JSON.stringify(process.env)']);
    expect(String(child)).not.toMatch(/secret|object Object|pricing/);
  });

  it('N2: which ConfigService.set does to whoever uses it as it is written', async () => {
    const { values } = await bridged([]);
    values.set('pricing', { vat: 1 });
    expect(process.env.pricing).toBe('[object Object]');
  });

  it('leaves a variable of the same name as it is', async () => {
    process.env.pricing = 'mine';
    await bridged([{ path: 'pricing', into: 'pricing' }]);
    expect(process.env.pricing).toBe('mine');
    Reflect.deleteProperty(process.env, 'pricing');
  });

  it.each<[string, ConfigBridge, RegExp]>([
    ['an unsafe key', { path: 'pricing', into: '__proto__.x' }, /into must be a key such as/],
    ['an empty key', { path: 'pricing', into: '' }, /into must be a key such as "pricing"/],
    ['a path that nobody follows', { path: 'other', into: 'other' }, /nobody follows "other"/],
  ])('refuses %s', async (_what, bridge, problem) => {
    expect(await refusal(bridged([bridge]))).toMatch(problem);
  });

  it.each([
    ['shop', 'shop.prices'],
    ['shop.prices', 'shop'],
    ['shop', 'shop'],
  ])('refuses keys of which one would overwrite the other: %s and %s', async (one, other) => {
    const bridges = [one, other].map((into) => ({ path: 'pricing', into }));
    expect(await refusal(bridged(bridges))).toMatch(
      new RegExp(`into "${other}" and into "${one}" would overwrite each other: give them keys`),
    );
  });
});
