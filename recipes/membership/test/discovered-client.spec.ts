import 'reflect-metadata';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice } from '@nestjs/common';
import {
  ClientProxy,
  ClientsModule,
  EventPattern,
  MessagePattern,
  Transport,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { BehaviorSubject, Subject, filter, firstValueFrom, lastValueFrom } from 'rxjs';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { RecipeWorld, STEADY } from '../../../test/recipes/recipe-world.js';
import {
  DiscoveredClient,
  MembershipModule,
  MembershipSetupError,
  NoInstanceError,
  Services,
  decodeInstance,
  encodeInstance,
  type DiscoveredClientOptions,
  type DiscoveredInstance,
  type RosterView,
} from '../src/index.js';

/** The controller of a shop: Nest makes the object, so it is told whose it is by its class. */
function answersOf(shop: Shop): new () => object {
  @Controller()
  class Answers {
    @MessagePattern('who')
    who(): string {
      return shop.id;
    }

    @MessagePattern('slow')
    slow(): Promise<string> {
      shop.asked++;
      return firstValueFrom(shop.gate);
    }

    @EventPattern('note')
    note(data: unknown): void {
      shop.notes.push(data);
    }
  }
  return Answers;
}

/** An instance of the service, on a port of its own. */
class Shop {
  readonly notes: unknown[] = [];
  readonly gate = new Subject<string>();
  asked = 0;
  port = 0;
  private app: INestMicroservice | null = null;

  constructor(readonly id: string) {}

  async listen(port = 0): Promise<this> {
    const testing = await Test.createTestingModule({ controllers: [answersOf(this)] }).compile();
    const options = { host: '127.0.0.1', port };
    this.app = testing.createNestMicroservice({ transport: Transport.TCP, options, logger: false });
    await this.app.listen();
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  get server(): Server {
    return this.app!.unwrap<Server>();
  }

  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.getConnections((error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }

  async close(): Promise<void> {
    await this.app?.close();
    this.app = null;
  }

  instance(status = 'UP'): DiscoveredInstance {
    const { id, port } = this;
    const payload = { metadata: { instance_status: status } };
    const address = '127.0.0.1';
    const facts = { name: 'shop', id, address, port, sslPort: null, payload };
    const bytes = encodeInstance({ ...facts, registrationTimeUTC: 0, uriSpec: null });
    return { ...decodeInstance(bytes)!, sessionId: 1n, czxid: 1n };
  }
}

let shops: Shop[];
let views: BehaviorSubject<RosterView<DiscoveredInstance>>;
let clients: DiscoveredClient[];

beforeEach(async () => {
  shops = await Promise.all(['a', 'a-1', 'b'].map((id) => new Shop(id).listen()));
  views = new BehaviorSubject<RosterView<DiscoveredInstance>>({
    members: shops.map((shop) => shop.instance()),
    stale: false,
  });
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  expect(views.observed).toBe(false);
  for (const shop of shops) await shop.close();
});

const list = (...members: DiscoveredInstance[]) => views.next({ members, stale: false });

function client(options: Partial<DiscoveredClientOptions> = {}): DiscoveredClient {
  const services = { service: () => ({ view$: views }) } as unknown as Services;
  const made = new DiscoveredClient({ service: 'shop', services, ...options });
  clients.push(made);
  return made;
}

/** Closes a shop; resolves when the client knows. */
async function closeFor(of: DiscoveredClient, shop: Shop): Promise<void> {
  const each = of.unwrap().get(`${shop.id}@127.0.0.1:${shop.port}`);
  const gone = firstValueFrom(each!.status.pipe(filter((status) => status === 'disconnected')));
  await shop.close();
  await gone;
}

const ask = (of: DiscoveredClient) => firstValueFrom(of.send<string>('who', {}));

async function askOften(of: DiscoveredClient, times: number): Promise<string> {
  const answers: string[] = [];
  for (let time = 0; time < times; time++) answers.push(await ask(of));
  return answers.join();
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(5);
}

describe('a client of a discovered service', () => {
  it('asks one instance after the other', async () => {
    const all = (await askOften(client(), 6)).split(',');
    expect(all.slice(0, 3)).toEqual(all.slice(3));
    expect(new Set(all)).toEqual(new Set(['a', 'a-1', 'b']));
    const [one] = clients as [DiscoveredClient];
    expect([...one.unwrap().values()].every((each) => each instanceof ClientProxy)).toBe(true);
    expect([...one.unwrap().keys()]).toContain(`a@127.0.0.1:${shops[0]!.port}`);
  });

  it('passes over who is registered no more or takes no requests, and lets him finish', async () => {
    const [a, b, c] = shops as [Shop, Shop, Shop];
    const one = client();
    list(a.instance());
    const slow = lastValueFrom(one.send<string>('slow', {}));
    await until(() => a.asked === 1);
    list(b.instance(), c.instance('OUT_OF_SERVICE'));
    expect(await askOften(one, 3)).toBe('a-1,a-1,a-1');
    expect(await a.connections()).toBe(1);
    a.gate.next('done');
    expect(await slow).toBe('done');
    await until(async () => (await a.connections()) === 0);
    expect(await c.connections()).toBe(0);
  });

  it('closes who is registered no more and was about to be asked by nobody', async () => {
    const one = client();
    await askOften(one, 3);
    const gone = one.send('who', {}).subscribe();
    gone.unsubscribe();
    list();
    for (const shop of shops) await until(async () => (await shop.connections()) === 0);
    expect([...one.unwrap().keys()]).toEqual([]);
  });

  it('passes over who cannot be reached, and asks him again when he can', async () => {
    const [a, b, c] = shops as [Shop, Shop, Shop];
    const one = client();
    await askOften(one, 3);
    await closeFor(one, a);
    expect((await askOften(one, 4)).split(',')).not.toContain('a');
    await a.listen(a.port);
    await until(async () => (await ask(one)) === 'a');
    expect(await b.connections()).toBe(1);
    expect(await c.connections()).toBe(1);
  });

  it('waits for an instance, and asks the first that comes', async () => {
    list();
    const one = client({ wait: '20s' });
    const answers = Promise.all([ask(one), ask(one)]);
    await until(() => views.observed);
    list(shops[2]!.instance());
    expect(await answers).toEqual(['b', 'b']);
  });

  it('says who is not there when it was not within the time', async () => {
    const refusal = async (options: Partial<DiscoveredClientOptions> = { wait: 0 }) => {
      const error: unknown = await ask(client(options)).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(NoInstanceError);
      expect(error).toMatchObject({ service: 'shop', outcome: 'notApplied' });
      return (error as Error).message;
    };
    const [a] = shops as [Shop];
    await a.close();
    list(a.instance());
    expect(await refusal()).toMatch(
      /^no instance of the service "shop": cannot reach a@127.0.0.1:\d+ \(connect ECONNREFUSED/,
    );
    expect(await refusal({ wait: 20 })).toContain('(waited 20 ms)');
    list(shops[1]!.instance('OUT_OF_SERVICE'));
    expect(await refusal()).toContain('none of the 1 that are registered takes requests');
    list();
    expect(await refusal()).toContain('none is registered');
    const services = { service: () => ({ view$: new Subject() }) } as unknown as Services;
    expect(await refusal({ wait: 0, services })).toContain('the servers have not said yet');
    views.complete();
    await expect(ask(client())).rejects.toThrow('the client of ZooKeeper is closed');
  });

  it('emits events, connects, tells its status and every packet, as all clients of Nest do', async () => {
    const one = client();
    const told: unknown[] = [];
    const seen: string[] = [];
    one.status.subscribe((status) => seen.push(status));
    await one.connect();
    await until(() => seen.includes('connected'));
    one.setOnDispatchHook(({ pattern }) => told.push(pattern));
    one.emit('note', 1);
    await lastValueFrom(one.emit('note', 2), { defaultValue: null });
    await until(() => shops.flatMap(({ notes }) => notes).length === 2);
    await ask(one);
    expect(told.sort()).toEqual(['note', 'note', 'who']);
    expect(() => one.send('who', undefined)).not.toThrow();
    await expect(lastValueFrom(one.send('who', undefined))).rejects.toThrow();
    one.close();
    expect(seen.at(-1)).toBe('disconnected');
  });

  it('is a transport too, for those who publish by themselves', async () => {
    class Own extends DiscoveredClient {
      ask(callback: (packet: unknown) => void): () => void {
        return this.publish({ pattern: 'who', data: {} }, callback);
      }

      note(): Promise<unknown> {
        return this.dispatchEvent({ pattern: 'note', data: 3 });
      }
    }
    const services = { service: () => ({ view$: views }) } as unknown as Services;
    const own = (wait: DiscoveredClientOptions['wait']) => {
      const made = new Own({ service: 'shop', services, wait });
      clients.push(made);
      return made;
    };
    const one = own('20s');
    const packets: unknown[] = [];
    list(shops[0]!.instance());
    one.ask((packet) => packets.push(packet));
    await until(() => packets.length === 2);
    expect(packets).toEqual([{ response: 'a' }, { isDisposed: true }]);
    await one.note();
    await until(() => shops[0]!.notes.length === 1);
    await closeFor(one, shops[0]!);
    own(100).ask((packet) => packets.push(packet));
    await until(() => packets.length === 3);
    expect(packets[2]).toMatchObject({ err: expect.any(NoInstanceError) as unknown });
  });

  it('leaves nothing behind when it is closed, and opens again', async () => {
    const [a] = shops as [Shop];
    const one = client({ wait: '20s' });
    await askOften(one, 3);
    list(a.instance());
    const slow = lastValueFrom(one.send('slow', {}));
    await until(() => a.asked === 1);
    list();
    const waiting = ask(one);
    one.close();
    await expect(waiting).rejects.toThrow('the client was closed');
    expect(views.observed).toBe(false);
    list(...shops.map((shop) => shop.instance()));
    expect(await ask(one)).toMatch(/^(a|a-1|b)$/);
    a.gate.next('late');
    expect(await slow).toBe('late');
    one.close();
    for (const shop of shops) await until(async () => (await shop.connections()) === 0);
  });

  it('makes clients of other transports if it is told how', async () => {
    const made: string[] = [];
    const clientOf = ({ id }: DiscoveredInstance) => {
      made.push(id);
      throw new Error('no such transport');
    };
    list(shops[0]!.instance());
    await expect(ask(client({ clientOf }))).rejects.toThrow('no such transport');
    expect(made).toEqual(['a']);
  });
});

describe('in an application', () => {
  const withClient = (options: object, imports: object[] = []) => ({
    imports: [
      ClientsModule.register([{ name: 'SHOP', customClass: DiscoveredClient, options }]),
      ...imports,
    ] as never,
  });

  it('finds the services of its module, and is closed with it', async () => {
    const world = await RecipeWorld.start({ network: STEADY });
    const ann = await world.connected('ann');
    const [a] = shops as [Shop];
    const at = { name: 'shop', id: 'a', address: '127.0.0.1', port: a.port };
    const services = new Services(ann.zk);
    await world.in(ann, () => services.register(at).whenRegistered());
    const membership = MembershipModule.forRoot({ log: ann.log });
    const metadata = withClient({ service: 'shop' }, [membership]);
    await world.pass(100);
    const base = [world.watchCount, ann.zk.watchCount];
    // The client belongs to the decorated class, so both applications have the same one.
    for (const _ of [1, 2]) {
      const app = await world.in(ann, () => applicationOf(ann, metadata));
      const answer = world.begin(ann, () => ask(app.get('SHOP')));
      await world.pass(200);
      expect(await answer).toBe('a');
      expect(world.watchCount).toBe(base[0]! + 1);
      await world.in(ann, () => app.close());
      await world.pass(100);
      expect([world.watchCount, ann.zk.watchCount]).toEqual(base);
      await until(async () => (await a.connections()) === 0);
    }
  });

  it('does not start as if it could find anybody', async () => {
    const world = await RecipeWorld.start({ network: STEADY });
    const ann = await world.connected('ann');
    const build = (options: object, imports?: object[]) =>
      world.in(ann, () => applicationOf(ann, withClient(options, imports)));
    const named = [MembershipModule.forRoot({ log: ann.log })];
    await expect(build({ service: 'shop' })).rejects.toThrow('needs MembershipModule.forRoot(...)');
    const other = build({ service: 'shop', membership: 'other' }, named);
    await expect(other).rejects.toThrow('forRoot(...) with the name "other"');
    expect(() => withClient({})).toThrow(MembershipSetupError);
    expect(() => withClient(undefined as never)).toThrow("options: { service: 'inventory' }");
    expect(() => withClient({ service: 'shop', wait: 'long' })).toThrow('"shop": wait must be');
  });
});
