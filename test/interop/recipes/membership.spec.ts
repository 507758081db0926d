import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { Groups, type Member } from '@aviary/membership';
import { filter, firstValueFrom } from 'rxjs';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom } from './shared-room.js';

const WAIT_MS = 20_000;

afterAll(removeAll);

describe.each(SERVER_KINDS)('groups on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;
  let groups: Groups;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
    groups = new Groups(zk, { payload: 'text' });
  });

  afterAll(() => room.stop());

  it('have members of ours and of Curator, who see each other come and go', async () => {
    const group = groups.group<string>('/workers');
    const java = await room.curator.make('group', '/workers', 'curator', 'java');
    await java.tell('start');
    const ours = group.join('node', { id: 'ours' });
    await ours.whenJoined({ waitMs: WAIT_MS });
    const both = (members: readonly Member<string>[]) => members.length === 2;
    const seen = await firstValueFrom(group.members$.pipe(filter(both)));
    expect(seen.map(({ id, payload }) => [id, payload]).sort()).toEqual([
      ['curator', 'java'],
      ['ours', 'node'],
    ]);
    const asJavaSees = () => java.tell('members');
    await room.server.until('both', asJavaSees, (text) => text === 'curator=java,ours=node');
    await ours.update('changed');
    await room.server.until('it', asJavaSees, (text) => text === 'curator=java,ours=changed');
    await ours.leave();
    await room.server.until('one', asJavaSees, (text) => text === 'curator=java');
    await java.tell('close');
    await firstValueFrom(group.members$.pipe(filter(({ length }) => length === 0)));
  });

  it('lose a member of Curator that is killed, when its session is over', async () => {
    const group = groups.group<string>('/mortals');
    const java = await room.curator.make('group', '/mortals', 'curator', 'java');
    await java.tell('start');
    await firstValueFrom(group.members$.pipe(filter(({ length }) => length === 1)));
    await room.curator.kill();
    await firstValueFrom(group.members$.pipe(filter(({ length }) => length === 0)));
  });

  it('show kazoo’s parties: of the shallow kind by the names of their members', async () => {
    const python = await room.kazoo.make('shallowparty', '/party', 'snake');
    await python.tell('start');
    const group = groups.group<string>('/party');
    const [member] = await firstValueFrom(
      group.members$.pipe(filter(({ length }) => length === 1)),
    );
    expect(member?.id).toMatch(/^[0-9a-f]{32}-snake$/);
    const ours = group.join('node', { id: 'ffffffffffffffffffffffffffffffff-ours' });
    await ours.whenJoined({ waitMs: WAIT_MS });
    expect(await python.tell('members')).toBe('ours,snake');
    await ours.leave();
    await python.tell('close');
  });
});
