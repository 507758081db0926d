import 'reflect-metadata';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { RecipeWorld, STEADY, type Service } from '../../../test/recipes/recipe-world.js';
import {
  Group,
  Groups,
  InjectGroup,
  InjectGroups,
  InjectServices,
  MembershipModule,
  MembershipSetupError,
  Services,
  getGroupToken,
  type Membership,
} from '../src/index.js';

let world: RecipeWorld;
let ann: Service;

@Injectable()
class Worker implements OnApplicationBootstrap {
  membership: Membership<{ zone: string }> | null = null;

  constructor(
    @InjectGroup('workers') readonly workers: Group<{ zone: string }>,
    @InjectGroups() readonly groups: Groups,
    @InjectServices() readonly services: Services,
    readonly byClass: Groups,
  ) {}

  onApplicationBootstrap(): void {
    this.membership = this.workers.join({ zone: 'eu' }, { id: 'w-1' });
  }
}

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

const FEATURE = MembershipModule.forFeature(['workers']);

function application(options: Parameters<typeof MembershipModule.forRoot>[0] = {}) {
  const membership = MembershipModule.forRoot({ log: ann.log, ...options });
  return applicationOf(ann, { imports: [membership, FEATURE], providers: [Worker] });
}

describe('MembershipModule', () => {
  it('injects groups, and leaves them when the application ends', async () => {
    const app = await world.in(ann, () => application());
    const worker = app.get(Worker);
    expect(worker.workers).toBe(worker.groups.group('workers'));
    expect(worker.byClass).toBe(worker.groups);
    expect(app.get(getGroupToken('workers'))).toBe(worker.workers);
    await world.in(ann, () => worker.membership!.whenJoined());
    expect(await world.children('/groups/workers')).toEqual(['w-1']);
    await world.in(ann, () => app.close());
    expect(world.port.tree.findText('/groups/workers/w-1')).toBe(-1);
    expect(worker.membership?.state.kind).toBe('left');
    expect(() => worker.workers.join()).toThrow('the application is shutting down');
    await world.pass(100);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
  });

  it('N3: starts and ends without a connection, and joins when there is one', async () => {
    world.world.partition(['ann'], ['server']);
    const app = await world.in(ann, () => application());
    const { membership } = app.get(Worker);
    expect(membership?.state.kind).toBe('joining');
    world.world.heal();
    await world.in(ann, () => membership!.whenJoined());
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => ann.zk.state.kind !== 'connected');
    await world.in(ann, () => app.close());
    world.world.heal();
    await world.world.reach(() => world.port.tree.findText('/groups/workers/w-1') === -1);
  });

  it('says who a member is that says nothing else', async () => {
    const app = await world.in(ann, () => application({ identity: 'billing eu-1' }));
    const groups = app.get(Groups);
    await world.in(ann, () => groups.join('other', undefined, { id: 'x' }).whenJoined());
    expect(String((await world.look((zk) => zk.get('/groups/other/x'))).data)).toBe('billing eu-1');
    await world.in(ann, () => app.close());
  });

  it('refuses what cannot be', async () => {
    const root = world.in(ann, () => application({ root: 'x' }));
    await expect(root).rejects.toBeInstanceOf(MembershipSetupError);
    const services = world.in(ann, () => application({ servicesRoot: 'x' }));
    await expect(services).rejects.toThrow('MembershipModule "default": root: ');
    const feature = world.in(ann, () =>
      applicationOf(ann, {
        imports: [MembershipModule.forRoot(), MembershipModule.forFeature(['../x'])],
      }),
    );
    await expect(feature).rejects.toThrow('MembershipModule.forFeature: group: a path must not');
    expect(() => MembershipModule.forFeature('x' as never)).toThrow(MembershipSetupError);
    const acl = world.in(ann, () => application({ acl: [] }));
    await expect(acl).rejects.toThrow('MembershipModule "default": ');
    const bare = world.in(ann, () => applicationOf(ann, { imports: [MembershipModule] }));
    await expect(bare).rejects.toThrow('import MembershipModule.forRoot(...)');
  });
});
