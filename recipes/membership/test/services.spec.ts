import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidArgumentError, InvalidPathError, RequestTooLargeError } from '@aviary/client';
import { RecipeWorld, STEADY, type Service } from '../../../test/recipes/recipe-world.js';
import {
  MembershipsClosedError,
  PresenceLeftError,
  Services,
  type DiscoveredInstance,
} from '../src/index.js';

let world: RecipeWorld;
let ann: Service;
let bob: Service;
let anns: Services;
let bobs: Services;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  anns = new Services(ann.zk, { log: ann.log });
  bobs = new Services(bob.zk, { log: bob.log });
});

const AT = { name: 'inventory', address: '10.0.0.7', port: 8080 };

describe('a service', () => {
  it('is found where it was registered, until it is withdrawn', async () => {
    const lists: string[] = [];
    const describeOne = ({ id, isUp, port }: DiscoveredInstance) => `${id} ${isUp} ${port}`;
    bobs.service('inventory').instances$.subscribe((all) => {
      lists.push(all.map(describeOne).join());
    });
    const me = await world.in(ann, () => anns.register({ ...AT, id: 'i-1' }).whenRegistered());
    await world.pass(100);
    await world.in(ann, () => me.setStatus('OUT_OF_SERVICE'));
    await world.pass(100);
    await world.in(ann, () => me.setMetadata({ zone: 'eu' }));
    await world.pass(100);
    const [found] = await world.in(bob, () => bobs.service('inventory').instances());
    expect(found?.metadata).toEqual({ instance_status: 'OUT_OF_SERVICE', zone: 'eu' });
    expect(found?.sessionId).toBe(ann.zk.sessionId);
    await world.in(ann, () => me.withdraw());
    await world.pass(100);
    expect(lists).toEqual(['', 'i-1 true 8080', 'i-1 false 8080', 'i-1 false 8080', '']);
    expect([anns.registrations, me.status, me.name]).toEqual([[], 'OUT_OF_SERVICE', 'inventory']);
  });

  it('stands where Spring Cloud looks, with a random id, and nobody overrules its status', async () => {
    const metadata = { instance_status: 'DOWN', zone: 'eu' };
    const me = await world.in(ann, () => anns.register({ ...AT, metadata }).whenRegistered());
    expect(me.path).toMatch(/^\/services\/inventory\/[0-9a-f-]{36}$/);
    const { data, stat } = await world.look((zk) => zk.get(me.path));
    expect(stat.ephemeralOwner).toBe(ann.zk.sessionId);
    expect(JSON.parse(String(data))).toMatchObject({
      name: 'inventory',
      id: me.id,
      serviceType: 'DYNAMIC',
      payload: {
        '@class': 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance',
        metadata: { instance_status: 'UP', zone: 'eu' },
      },
    });
  });

  it('takes a payload of its own', async () => {
    const payload = { '@class': 'com.example.Shelf', rows: 3 };
    const shelf = anns.register({ ...AT, id: 'a', payload });
    const bare = anns.register({ ...AT, id: 'b', payload: null });
    await world.in(ann, () => Promise.all([shelf.whenRegistered(), bare.whenRegistered()]));
    const found = await world.in(bob, () =>
      bobs.service<{ rows: number }>('inventory').instances(),
    );
    expect(found.map((one) => one.payload)).toEqual([{ rows: 3 }, null]);
  });

  it('passes over nodes that are no instances', async () => {
    await world.look((zk) => zk.ensurePath('/services/inventory'));
    await world.in(bob, () => bob.zk.create('/services/inventory/odd', '10.0.0.7'));
    expect(await world.in(ann, () => anns.service('inventory').instances())).toEqual([]);
  });

  it('says what it said before when a change is refused', async () => {
    const me = await world.in(ann, () =>
      anns.register({ ...AT, metadata: { zone: 'eu' } }).whenRegistered(),
    );
    const large = { zone: 'x'.repeat(2_000_000) };
    const both = world.in(ann, () =>
      Promise.allSettled([me.setMetadata(large), me.setStatus('OUT_OF_SERVICE')]),
    );
    for (const result of await both) {
      expect(result).toMatchObject({ reason: expect.any(RequestTooLargeError) as unknown });
    }
    expect(me.status).toBe('UP');
    const odd = world.in(ann, () => me.setStatus('DOWN' as never));
    await expect(odd).rejects.toThrow('"UP" or "OUT_OF_SERVICE", not DOWN');
    await world.in(ann, () => me.setStatus('OUT_OF_SERVICE'));
    const [found] = await world.in(bob, () => bobs.service('inventory').instances());
    expect(found?.metadata).toEqual({ instance_status: 'OUT_OF_SERVICE', zone: 'eu' });
    await world.in(ann, () => me.withdraw());
    await expect(me.setStatus('UP')).rejects.toBeInstanceOf(PresenceLeftError);
    expect(me.status).toBe('OUT_OF_SERVICE');
  });

  it('refuses what nobody could call', async () => {
    expect(() => anns.register({ ...AT, address: '0.0.0.0' })).toThrow('nobody reaches 0.0.0.0');
    expect(() => anns.register({ ...AT, address: '' })).toThrow(InvalidArgumentError);
    expect(() => anns.register({ ...AT, address: 'http://a' })).toThrow('not "http://a"');
    expect(() => anns.register({ ...AT, port: 0 })).toThrow('from 1 to 65535, not 0');
    expect(() => anns.register({ ...AT, sslPort: '8' as never })).toThrow(
      'sslPort must be a whole',
    );
    expect(() => anns.register({ ...AT, metadata: { a: 1 as never } })).toThrow(
      'metadata.a must be',
    );
    expect(() => anns.register({ ...AT, metadata: 'a' as never })).toThrow('an object of strings');
    expect(() => anns.register({ ...AT, payload: 5n })).toThrow('cannot be written as JSON');
    expect(() => anns.register({ ...AT, payload: () => 5 })).toThrow('cannot be written as JSON');
    expect(() => anns.register(null as never)).toThrow('register: it needs an address');
    expect(() => new Services(ann.zk, { acl: [] })).toThrow('an ACL must have an entry');
    expect(() => anns.register({ name: 'a', address: 'b' })).toThrow('it needs a port');
    expect(() => anns.register({ ...AT, id: 'a/b' })).toThrow(InvalidPathError);
    expect(() => anns.service('/a')).toThrow('without a first slash');
    expect(() => new Services(ann.zk, { root: 'x' })).toThrow(InvalidPathError);
    await world.in(ann, () => anns.close());
    expect(() => anns.register(AT)).toThrow(MembershipsClosedError);
  });
});
