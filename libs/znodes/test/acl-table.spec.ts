import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encode } from '@aviary/jute';
import { OPEN_ACL, READ_ACL, type Acl } from '@aviary/protocol';
import { AclTable, OPEN_ACL_NUMBER, UnknownAclError, aclList } from '../src/acl-table.js';

const listFor = (user: string): Acl[] => [{ perms: 31, id: { scheme: 'digest', id: `${user}:x` } }];

function internBytes(table: AclTable, acls: readonly Acl[] | null): number {
  const bytes = Buffer.concat([Buffer.from('##'), encode(aclList, acls), Buffer.from('##')]);
  return table.internBytes(bytes, 2, bytes.length - 2).number;
}

function numbersIn(table: AclTable): number[] {
  return [...table.entries()].map(({ number }) => number);
}

describe('a table of lists', () => {
  it('holds each list once, as a value or in wire form', () => {
    const table = new AclTable();
    const one = table.intern(listFor('a')).number;
    expect([internBytes(table, listFor('a')), table.intern(listFor('a')).number]).toEqual([
      one,
      one,
    ]);
    expect(internBytes(table, listFor('b'))).toBe(one + 1);
    expect(table.size).toBe(2);
  });

  it('knows lists apart that differ in order, bits or one byte', () => {
    const table = new AclTable();
    const lists = [
      [...listFor('a'), ...listFor('b')],
      [...listFor('b'), ...listFor('a')],
      [{ perms: 30, id: listFor('a')[0]!.id }],
      listFor('a'),
      listFor('á'),
    ];
    expect(new Set(lists.map((list) => internBytes(table, list))).size).toBe(5);
    lists.forEach((list, i) => expect(table.get(i + 1).acls).toEqual(list));
  });

  it('sets what everybody may do apart', () => {
    const table = new AclTable();
    const mixed = [...READ_ACL, { perms: 8, id: OPEN_ACL[0]!.id }, ...listFor('a')];
    expect(table.intern(mixed).worldPerms).toBe(9);
    expect(table.get(OPEN_ACL_NUMBER).worldPerms).toBe(31);
  });

  it('gives an open list that was sent a number of its own', () => {
    const table = new AclTable();
    expect(internBytes(table, OPEN_ACL)).toBe(1);
    expect(table.get(1).acls).toEqual(OPEN_ACL);
  });

  it('reads null and empty lists of old logs as open', () => {
    const table = new AclTable();
    expect([internBytes(table, null), internBytes(table, [])]).toEqual([-1, -1]);
    expect(internBytes(table, OPEN_ACL)).toBe(1);
  });

  it('drops a list with its last node, and never uses the number again', () => {
    const table = new AclTable();
    const first = internBytes(table, listFor('a'));
    table.retain(first);
    table.retain(first);
    table.release(first);
    expect(table.has(first)).toBe(true);
    table.release(first);
    expect([table.has(first), table.size]).toEqual([false, 0]);
    expect(() => table.get(first)).toThrow(UnknownAclError);
    expect(internBytes(table, listFor('a'))).toBe(first + 1);
  });

  it('never drops the open list', () => {
    const table = new AclTable();
    for (let i = 0; i < 3; i++) table.release(OPEN_ACL_NUMBER);
    expect(table.get(OPEN_ACL_NUMBER).acls).toEqual(OPEN_ACL);
  });

  it('shows the lists in use', () => {
    const table = new AclTable();
    internBytes(table, listFor('unused'));
    const used = internBytes(table, listFor('a'));
    table.retain(used);
    expect(numbersIn(table)).toEqual([used]);
    table.dropUnused();
    expect(table.size).toBe(1);
  });
});

describe('a table that was loaded', () => {
  it('goes on counting behind the greatest number', () => {
    const table = new AclTable();
    table.load(7, listFor('a'));
    table.load(3, listFor('b'));
    expect(internBytes(table, listFor('b'))).toBe(3);
    expect(internBytes(table, listFor('c'))).toBe(8);
  });

  it('keeps both numbers of a list that stands there twice', () => {
    const table = new AclTable();
    table.load(1, listFor('a'));
    table.load(2, listFor('a'));
    table.retain(1);
    table.retain(2);
    expect(internBytes(table, listFor('a'))).toBe(2);
    table.release(2);
    expect([table.get(1).acls, internBytes(table, listFor('a'))]).toEqual([listFor('a'), 3]);
  });

  it('does not give a number away that a node names and nobody brought', () => {
    const table = new AclTable();
    table.load(2, listFor('a'));
    table.retain(4);
    table.retain(4);
    expect([table.has(4), table.unknownReferences]).toEqual([false, 2]);
    expect(internBytes(table, listFor('b'))).toBe(5);
    table.release(4);
    table.release(4);
    expect(table.unknownReferences).toBe(0);
    expect(internBytes(table, listFor('c'))).toBe(6);
  });
});

describe('references', () => {
  it('are counted right, whatever nodes take and leave', () => {
    const step = fc.record({ node: fc.nat(4), user: fc.constantFrom('a', 'b', 'c', null) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new AclTable();
        const held = new Map<number, { number: number; user: string }>();
        for (const { node, user } of steps) {
          const before = held.get(node);
          if (user === null) {
            held.delete(node);
          } else {
            const number = internBytes(table, listFor(user));
            table.retain(number);
            held.set(node, { number, user });
          }
          if (before !== undefined) table.release(before.number);
          for (const { number, user: owner } of held.values()) {
            expect(table.get(number).acls).toEqual(listFor(owner));
          }
        }
        const users = new Set([...held.values()].map(({ user }) => user));
        table.dropUnused();
        expect(table.size).toBe(users.size);
      }),
      { seed: 20_261_128, numRuns: 150 },
    );
  });
});
