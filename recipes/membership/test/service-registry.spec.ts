import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { getZooKeeperToken } from '@aviary/nest';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { RecipeWorld, STEADY, type Service } from '../../../test/recipes/recipe-world.js';
import {
  MembershipModule,
  MembershipSetupError,
  ServiceRegistrar,
  ServiceRegistryModule,
  type ServiceRegistryOptions,
} from '../src/index.js';

let world: RecipeWorld;
let ann: Service;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

const isFound = (id: string) => world.port.tree.findText(`/services/shop/${id}`) !== -1;

@Controller()
class Hello {
  @Get()
  hello(): string {
    return 'hello';
  }
}

/** An application with an HTTP server, not yet listening. */
async function httpApplication(
  options: Partial<ServiceRegistryOptions> = {},
  extra: object[] = [],
) {
  const connection = { provide: getZooKeeperToken(), useValue: ann.zk };
  const connections = {
    module: class {},
    global: true,
    providers: [connection],
    exports: [connection],
  };
  const membership = MembershipModule.forRoot({ log: ann.log });
  const settings = { name: 'shop', id: 's-1', address: '10.0.0.7', ...options };
  const registry = ServiceRegistryModule.register(settings);
  const testing = await Test.createTestingModule({
    imports: [connections, membership, registry],
    controllers: [Hello],
    providers: extra as never,
  }).compile();
  return testing.createNestApplication();
}

describe('a service with an HTTP server', () => {
  it('is registered when its port is open and not before, and withdrawn while it still is', async () => {
    let urlOfServer = '';
    const answers: unknown[] = [];
    @Injectable()
    class Neighbour implements BeforeApplicationShutdown {
      async beforeApplicationShutdown(): Promise<void> {
        answers.push(await (await fetch(urlOfServer)).text());
      }
    }
    const app = await httpApplication({}, [Neighbour]);
    await app.init();
    await world.pass(200);
    expect(isFound('s-1')).toBe(false);
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    urlOfServer = `http://127.0.0.1:${port}/`;
    const registrar = app.get(ServiceRegistrar);
    await world.in(ann, () => registrar.registration!.whenRegistered());
    const { data } = await world.look((zk) => zk.get('/services/shop/s-1'));
    expect(JSON.parse(String(data))).toMatchObject({ address: '10.0.0.7', port });

    await world.inStep(ann, () => app.close());
    expect(answers).toEqual(['hello']);
    expect(isFound('s-1')).toBe(false);
    expect(registrar.registration).toBeNull();
    await expect(fetch(urlOfServer)).rejects.toThrow();
  });

  it('keeps its port open for the time to drain', async () => {
    const app = await httpApplication({ drain: '3s', port: 9 });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const { registration } = app.get(ServiceRegistrar);
    await world.in(ann, () => registration!.whenRegistered());
    const closing = world.begin(ann, () => app.close());
    await world.pass(200);
    expect(isFound('s-1')).toBe(false);
    expect(await (await fetch(url)).text()).toBe('hello');
    await world.inStep(ann, () => closing);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('goes on if there is no port to register, and says so', async () => {
    const app = await httpApplication();
    const lines: unknown[] = [];
    app.useLogger({ log() {}, warn() {}, error: (message) => lines.push(message) });
    const directory = mkdtempSync(join(tmpdir(), 'aviary-registry-'));
    await app.listen(join(directory, 'socket'));
    expect(lines).toEqual([
      'ServiceRegistryModule "shop": the HTTP server listens on no port; write which one others reach',
    ]);
    await world.inStep(ann, () => app.close());
    rmSync(directory, { recursive: true });
  });

  it('does not start with what nobody could call', async () => {
    const app = await httpApplication({ address: 'http://10.0.0.7' });
    await expect(app.init()).rejects.toThrow('the address must be a host name or an IP address');
    await app.close();
  });

  it('is not registered if it ends before it listens', async () => {
    const app = await httpApplication();
    await app.init();
    await world.inStep(ann, () => app.close());
    expect(isFound('s-1')).toBe(false);
  });
});

describe('a service without one', () => {
  const build = (options: Partial<ServiceRegistryOptions>, membership = true) =>
    world.in(ann, () =>
      applicationOf(ann, {
        imports: [
          ...(membership ? [MembershipModule.forRoot({ log: ann.log })] : []),
          ServiceRegistryModule.registerAsync({
            useFactory: () => ({ name: 'shop', id: 's-2', address: '10.0.0.7', ...options }),
          }),
        ],
      }),
    );

  it('says when its port is open', async () => {
    const app = await build({ when: 'announce' });
    const registrar = app.get(ServiceRegistrar);
    expect(() => registrar.announce()).toThrow('listens on no port');
    await world.in(ann, () => registrar.announce(4_000).whenRegistered());
    expect(registrar.announce()).toBe(registrar.registration);
    expect(isFound('s-2')).toBe(true);
    await world.in(ann, () => app.close());
    expect(isFound('s-2')).toBe(false);
  });

  it('does not start as if there were one, nor with what makes no sense', async () => {
    await expect(build({})).rejects.toBeInstanceOf(MembershipSetupError);
    await expect(build({})).rejects.toThrow('write `when: "announce"` and the port, and call');
    await expect(build({ drain: 'long' as '1s' })).rejects.toThrow('"shop": drain must be');
    await expect(build({ name: undefined as never })).rejects.toThrow('needs the name');
    await expect(build({}, false)).rejects.toThrow('needs MembershipModule.forRoot(...)');
    await expect(build({ membership: 'other' } as object)).rejects.toThrow(
      'write it beside the factory: registerAsync({ membership: "other", useFactory: ... })',
    );
    const announced = { when: 'announce', port: 1 } as const;
    await expect(build({ ...announced, address: '0.0.0.0' })).rejects.toThrow('nobody reaches');
    await expect(build({ ...announced, name: '../x' })).rejects.toThrow('"../x": service: ');
    await expect(build({ when: 'never' as never })).rejects.toThrow('"listen" or "announce"');
    const port = '80' as never;
    await expect(build({ when: 'announce', port })).rejects.toThrow('port must be a whole number');
    const app = await build(announced);
    expect(() => app.get(ServiceRegistrar).announce(NaN)).toThrow(MembershipSetupError);
    await world.in(ann, () => app.close());
  });
});
