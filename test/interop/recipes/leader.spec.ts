import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { Leaders } from '@aviary/leader';
import { filter, firstValueFrom } from 'rxjs';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom, isOpen } from './shared-room.js';

const WAIT_MS = 20_000;

afterAll(removeAll);

describe.each(SERVER_KINDS)('leaders on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
  });

  afterAll(() => room.stop());

  it('of a latch are Curator’s and ours in turn', async () => {
    const role = new Leaders(zk, { identity: 'ours' }).role('/latch');
    role.campaign();
    const term = await role.whenLeading({ waitMs: WAIT_MS });
    const latch = await room.curator.make('latch', '/latch', 'curator');
    await latch.tell('start');
    await room.untilChildren('/latch', 2);
    expect(await latch.tell('has')).toBe('false');
    expect(await latch.tell('leader')).toBe('ours');
    expect(await latch.tell('ids')).toBe('ours,curator');
    await role.withdraw();
    expect(await latch.tell('await', WAIT_MS)).toBe('true');
    role.campaign();
    const again = role.whenLeading({ waitMs: WAIT_MS });
    await room.untilChildren('/latch', 2);
    expect(await isOpen(again, zk)).toBe(true);
    const seen = await firstValueFrom(role.status$.pipe(filter(({ leader }) => leader !== null)));
    expect(seen).toMatchObject({ leader: { id: 'curator' }, me: { id: 'ours' }, term: null });
    await latch.tell('close');
    expect((await again).token).toBeGreaterThan(term.token);
    await role.withdraw();
  });

  it('of a selector are Curator’s and ours in turn', async () => {
    const role = new Leaders(zk, { identity: 'ours', layout: 'selector' }).role('/selector');
    const selector = await room.curator.make('selector', '/selector', 'curator');
    await selector.tell('start');
    await room.untilChildren('/selector', 1);
    role.campaign();
    const leading = role.whenLeading({ waitMs: WAIT_MS });
    await room.untilChildren('/selector', 2);
    expect(await selector.tell('leader')).toBe('curator');
    expect(await isOpen(leading, zk)).toBe(true);
    await selector.tell('yield');
    expect((await leading).isOpen).toBe(true);
    const after = await room.curator.make('selector', '/selector', 'later');
    await after.tell('start');
    await room.untilChildren('/selector', 2);
    expect(await after.tell('leader')).toBe('ours');
    await role.withdraw();
    await room.server.until(
      'Curator leads',
      () => after.tell('has'),
      (has) => has === 'true',
    );
    await after.tell('close');
  });

  it('hand over to a member that is not next, and Curator keeps its place', async () => {
    const [one, other] = ['one', 'other'].map((identity) =>
      new Leaders(room.client(), { identity }).role('/handed'),
    );
    one!.campaign();
    await one!.whenLeading({ waitMs: WAIT_MS });
    const latch = await room.curator.make('latch', '/handed', 'curator');
    await latch.tell('start');
    await room.untilChildren('/handed', 2);
    other!.campaign();
    await room.untilChildren('/handed', 3);
    await one!.transferTo('other', { waitMs: WAIT_MS });
    const term = await other!.whenLeading({ waitMs: WAIT_MS });
    expect(term.isOpen).toBe(true);
    expect(await latch.tell('has')).toBe('false');
    await one!.withdraw();
    await other!.withdraw();
    expect(await latch.tell('await', WAIT_MS)).toBe('true');
    await latch.tell('close');
  });

  it('hand over when another process asks for it, and Curator behind the leader is told', async () => {
    const [one, other] = ['one', 'other'].map((identity) =>
      new Leaders(room.client(), { identity }).role('/asked'),
    );
    one!.campaign();
    await one!.whenLeading({ waitMs: WAIT_MS });
    const latch = await room.curator.make('latch', '/asked', 'curator');
    await latch.tell('start');
    await room.untilChildren('/asked', 2);
    await other!.transferTo('curator', { waitMs: WAIT_MS });
    expect(await latch.tell('await', WAIT_MS)).toBe('true');
    await one!.withdraw();
    await latch.tell('close');

    // Before the chosen one it goes to the end of the queue, and does not get lost.
    one!.campaign();
    await one!.whenLeading({ waitMs: WAIT_MS });
    const between = await room.curator.make('latch', '/asked', 'between');
    await between.tell('start');
    await room.untilChildren('/asked', 2);
    other!.campaign();
    await room.untilChildren('/asked', 3);
    await other!.transferTo('other', { waitMs: WAIT_MS });
    expect((await other!.whenLeading({ waitMs: WAIT_MS })).isOpen).toBe(true);
    await one!.withdraw();
    await other!.withdraw();
    expect(await between.tell('await', WAIT_MS)).toBe('true');
    await between.tell('close');
  });

  it('take no part where a selector stands beside a latch', async () => {
    const selector = await room.curator.make('selector', '/mixed', 'curator');
    await selector.tell('start');
    await room.untilChildren('/mixed', 1);
    const role = new Leaders(zk, { identity: 'ours' }).role('/mixed');
    role.campaign();
    const { foreign } = await firstValueFrom(
      role.status$.pipe(filter((status) => status.foreign !== null)),
    );
    expect(foreign?.name).toMatch(/lock-/);
    await expect(role.whenLeading({ waitMs: 1_000 })).rejects.toThrow(/selector|lock|Curator/i);
    await role.withdraw();
    await selector.tell('close');
  });
});
