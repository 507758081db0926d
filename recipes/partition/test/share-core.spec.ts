import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { definitionOf, memberNode, type GroupRecord } from '../src/core/group-record.js';
import { ShareCore, type ShareInput, type ShareOutput } from '../src/core/share-core.js';

const SEED = 20261123;
const definition = definitionOf(3);
const { fingerprint } = definition;

function coreOf(member: string): ShareCore {
  return new ShareCore({ member, definition, settleMs: 500 });
}

function recordOf(version: number, ...members: string[]): GroupRecord {
  const generation = BigInt(version + 100);
  return { version, origin: 1n, generation, definition: fingerprint, members };
}

const nodesOf = (...members: string[]) => members.map((member) => memberNode(member, fingerprint));

/** A core that is in the group and has been told of an agreement. */
function joined(member: string, record: GroupRecord): { core: ShareCore; outputs: ShareOutput[] } {
  const core = coreOf(member);
  const outputs = [
    ...core.step({ kind: 'members', nodes: nodesOf(...record.members) }),
    ...core.step({ kind: 'joined', isJoined: true }),
    ...core.step({ kind: 'record', record }),
  ];
  return { core, outputs };
}

const kinds = (outputs: readonly ShareOutput[]) => outputs.map(({ kind }) => kind);

describe('a member', () => {
  it('claims what it is due, with the version of the agreement', () => {
    const record = recordOf(7, 'ann');
    const { outputs } = joined('ann', record);
    expect(outputs).toEqual(['0', '1', '2'].map((item) => ({ kind: 'claim', item, record })));
  });

  it('claims nothing before it is in the group', () => {
    const core = coreOf('ann');
    expect(core.step({ kind: 'record', record: recordOf(1, 'ann') })).toEqual([]);
    expect(kinds(core.step({ kind: 'joined', isJoined: true }))).toEqual([
      'claim',
      'claim',
      'claim',
    ]);
  });

  it('does not claim again what was refused for its version, until there is another one', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    expect(core.step({ kind: 'refused', item: '0', reason: 'stale' })).toEqual([]);
    expect(core.step({ kind: 'joined', isJoined: true })).toEqual([]);
    const record = recordOf(8, 'ann');
    const next = core.step({ kind: 'record', record });
    expect(next).toEqual([{ kind: 'claim', item: '0', record }]);
    // The same version again, of a group that everybody had left and that was made anew.
    core.step({ kind: 'refused', item: '0', reason: 'stale' });
    const anew = { ...record, origin: 200n, generation: 208n };
    expect(core.step({ kind: 'record', record: anew })).toEqual([
      { kind: 'claim', item: '0', record: anew },
    ]);
  });

  it('claims again by the same agreement what it has owned by it and lost', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    core.step({ kind: 'refused', item: '0', reason: 'stale' });
    const record = recordOf(8, 'ann');
    core.step({ kind: 'record', record });
    core.step({ kind: 'claimed', item: '0' });
    core.step({ kind: 'lost', item: '0' });
    core.step({ kind: 'ended', item: '0' });
    expect(core.step({ kind: 'released', item: '0' })).toEqual([
      { kind: 'claim', item: '0', record },
    ]);
  });

  it('waits for the owner before, and forgets it when the item is due to another', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    const taken = core.step({ kind: 'refused', item: '0', reason: 'taken' });
    expect(taken).toEqual([{ kind: 'await', item: '0' }]);
    expect(core.step({ kind: 'record', record: recordOf(8, 'bob') })).toContainEqual({
      kind: 'forget',
      item: '0',
    });
    const record = recordOf(9, 'ann');
    core.step({ kind: 'record', record });
    core.step({ kind: 'refused', item: '0', reason: 'taken' });
    expect(core.step({ kind: 'freed', item: '0' })).toEqual([{ kind: 'claim', item: '0', record }]);
  });

  it('never works on what it is not due any more when the answer comes', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    core.step({ kind: 'record', record: recordOf(8, 'bob') });
    expect(core.step({ kind: 'claimed', item: '0' })).toEqual([{ kind: 'release', item: '0' }]);
  });

  it('keeps its node if the item comes back before the work has ended', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    expect(kinds(core.step({ kind: 'claimed', item: '0' }))).toEqual(['start']);
    const away = core.step({ kind: 'record', record: recordOf(8, 'bob') });
    expect(away).toContainEqual({ kind: 'stop', item: '0', reason: 'moved' });
    expect(kinds(core.step({ kind: 'record', record: recordOf(9, 'ann') }))).toEqual(['wait']);
    expect(core.step({ kind: 'ended', item: '0' })).toEqual([{ kind: 'start', item: '0' }]);
  });

  it('gives up what is overdue, and claims what it has lost once its node is gone', () => {
    const { core } = joined('ann', recordOf(7, 'ann'));
    core.step({ kind: 'claimed', item: '0' });
    const lost = core.step({ kind: 'lost', item: '0' });
    expect(lost).toEqual([{ kind: 'stop', item: '0', reason: 'lost' }]);
    expect(kinds(core.step({ kind: 'overdue', item: '0' }))).toEqual(['release']);
    expect(kinds(core.step({ kind: 'released', item: '0' }))).toEqual(['claim']);
  });
});

describe('an agreement', () => {
  it('is proposed by the first member at once, by the others later and later', () => {
    const waits = ['ann', 'bob', 'cas'].map((member) => {
      const core = coreOf(member);
      core.step({ kind: 'joined', isJoined: true });
      core.step({ kind: 'record', record: recordOf(3, 'old') });
      return core.step({ kind: 'members', nodes: nodesOf('ann', 'bob', 'cas') });
    });
    expect(waits).toEqual([500, 2_500, 4_500].map((waitMs) => [{ kind: 'wait', waitMs }]));
  });

  it('is proposed under the version that was read, and not any more when it is there', () => {
    const { core } = joined('ann', recordOf(3, 'ann'));
    core.step({ kind: 'members', nodes: nodesOf('ann', 'bob') });
    expect(core.step({ kind: 'waited' })).toEqual([
      { kind: 'propose', version: 3, definition: fingerprint, members: ['ann', 'bob'] },
    ]);
    core.step({ kind: 'members', nodes: nodesOf('ann', 'bob', 'cas') });
    // Its own first: the next one follows when it has an answer.
    expect(kinds(core.step({ kind: 'proposed' }))).toEqual(['wait']);
    const record = recordOf(4, 'ann', 'bob', 'cas');
    expect(core.step({ kind: 'record', record })).toContainEqual({ kind: 'wait', waitMs: null });
    expect(kinds(core.step({ kind: 'waited' }))).not.toContain('propose');
  });

  it('waits anew when the members change once more', () => {
    const { core } = joined('ann', recordOf(3, 'ann'));
    expect(kinds(core.step({ kind: 'members', nodes: nodesOf('ann', 'bob') }))).toEqual(['wait']);
    expect(core.step({ kind: 'members', nodes: nodesOf('bob', 'ann') })).toEqual([]);
    expect(core.step({ kind: 'members', nodes: nodesOf('ann') })).toEqual([
      { kind: 'wait', waitMs: null },
    ]);
  });

  it('of members with other items is left alone while they are there', () => {
    const core = coreOf('ann');
    core.step({ kind: 'joined', isJoined: true });
    const other = { ...recordOf(3, 'zoe'), definition: 'other' };
    core.step({ kind: 'record', record: other });
    const nodes = [...nodesOf('ann'), memberNode('zoe', 'other')];
    expect(core.step({ kind: 'members', nodes })).toEqual([]);
    expect(core.isSuperseded).toBe(true);
    expect(kinds(core.step({ kind: 'members', nodes: nodesOf('ann') }))).toEqual(['wait']);
  });
});

/** What is on its way for one item, and what a host may therefore say. */
class HostModel {
  readonly violations: string[] = [];
  private readonly claims = new Set<string>();
  private readonly awaits = new Set<string>();
  private readonly releases = new Set<string>();
  private readonly held = new Set<string>();
  private readonly working = new Set<string>();
  private readonly stopping = new Set<string>();
  isClosed = false;

  /** All that may happen next, beside what the group does. */
  possible(): ShareInput[] {
    const of = (items: Iterable<string>, ...made: ((item: string) => ShareInput)[]) =>
      [...items].flatMap((item) => made.map((make) => make(item)));
    return [
      ...of(
        this.claims,
        (item) => ({ kind: 'claimed', item }),
        (item) => ({ kind: 'refused', item, reason: 'taken' }),
        (item) => ({ kind: 'refused', item, reason: 'failed' }),
        (item) => ({ kind: 'refused', item, reason: 'stale' }),
      ),
      ...of(this.awaits, (item) => ({ kind: 'freed', item })),
      ...of(this.held, (item) => ({ kind: 'lost', item })),
      ...of(this.releases, (item) => ({ kind: 'released', item })),
      ...of(
        this.stopping,
        (item) => ({ kind: 'ended', item }),
        (item) => ({ kind: 'overdue', item }),
      ),
    ];
  }

  happened(input: ShareInput): void {
    if (!('item' in input)) return;
    const { item } = input;
    if (input.kind === 'claimed') this.held.add(item);
    if (input.kind === 'claimed' || input.kind === 'refused') this.claims.delete(item);
    if (input.kind === 'freed') this.awaits.delete(item);
    if (input.kind === 'released') this.releases.delete(item);
    if (input.kind === 'ended' || input.kind === 'overdue') {
      this.stopping.delete(item);
      this.working.delete(item);
    }
  }

  carryOut(output: ShareOutput): void {
    switch (output.kind) {
      case 'claim':
        this.check(!this.isBusy(output.item), 'claims what it has or asked for', output);
        this.claims.add(output.item);
        return;
      case 'await':
        this.check(!this.isBusy(output.item), 'waits for what it has or asked for', output);
        this.awaits.add(output.item);
        return;
      case 'forget':
        this.check(this.awaits.delete(output.item), 'forgets what it does not wait for', output);
        return;
      case 'start':
        this.check(this.held.has(output.item), 'works on what it does not hold', output);
        this.check(!this.working.has(output.item), 'works twice', output);
        this.working.add(output.item);
        return;
      case 'stop':
        this.check(this.working.has(output.item), 'stops what does not run', output);
        this.stopping.add(output.item);
        return;
      case 'release':
        this.check(this.held.delete(output.item), 'releases what it does not hold', output);
        this.check(!this.working.has(output.item), 'releases what it works on', output);
        this.releases.add(output.item);
        return;
      case 'closed':
        this.check(!this.isClosed, 'closes twice', output);
        this.check(this.held.size + this.claims.size + this.releases.size === 0, 'keeps', output);
        this.isClosed = true;
        return;
      case 'propose':
      case 'wait':
    }
  }

  private isBusy(item: string): boolean {
    const { claims, awaits, releases, held } = this;
    return [claims, awaits, releases, held].some((items) => items.has(item));
  }

  private check(isRight: boolean, violation: string, output: ShareOutput): void {
    if (!isRight) this.violations.push(`${violation}: ${JSON.stringify(output)}`);
  }
}

it('asks for nothing that makes no sense, whatever happens, and comes to an end', () => {
  const steps = fc.array(fc.nat(), { minLength: 10, maxLength: 120 });
  fc.assert(
    fc.property(steps, (draws) => {
      const core = coreOf('ann');
      const host = new HostModel();
      let version = 0;
      const group = (draw: number): ShareInput[] => [
        {
          kind: 'record',
          record: recordOf(++version, ...(draw % 2 === 0 ? ['ann'] : ['ann', 'bob'])),
        },
        { kind: 'record', record: recordOf(version, 'bob') },
        { kind: 'record', record: null },
        { kind: 'joined', isJoined: draw % 5 !== 0 },
        { kind: 'members', nodes: nodesOf('ann', ...(draw % 3 === 0 ? ['bob'] : [])) },
      ];
      const take = (input: ShareInput): void => {
        host.happened(input);
        for (const output of core.step(input)) host.carryOut(output);
      };
      for (const draw of draws) {
        const inputs = [...host.possible(), ...group(draw)];
        take(inputs[draw % inputs.length]!);
      }
      take({ kind: 'close' });
      for (let at = 0; at < 100 && !host.isClosed; at++) {
        const [next] = host.possible().filter(({ kind }) => kind !== 'lost');
        if (next !== undefined) take(next);
      }
      expect(host.violations).toEqual([]);
      expect(host.isClosed).toBe(true);
    }),
    { seed: SEED, numRuns: 300 },
  );
});
