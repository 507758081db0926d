import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkRegisters,
  RegisterHistory,
  SeededRandom,
  type RegisterOperation,
} from '@aviary/simulator';

const initial = () => ({ version: 0, value: 'start' });
const problems = (operations: readonly RegisterOperation[]) =>
  checkRegisters(operations, initial).map(({ message }) => message);

function history(build: (history: RegisterHistory) => void): readonly RegisterOperation[] {
  const made = new RegisterHistory();
  build(made);
  return made.operations;
}

describe('checkRegisters', () => {
  it('accepts one operation after the other', () => {
    const operations = history((h) => {
      h.read('/r').returned(0, 'start');
      h.write('/r', 'a').applied(1);
      h.read('/r').returned(1, 'a');
      h.write('/r', 'b', 1).applied(2);
      h.write('/r', 'c', 1).refused();
      h.read('/r').returned(2, 'b');
    });
    expect(problems(operations)).toEqual([]);
  });

  it('accepts any order of what happens at once', () => {
    const operations = history((h) => {
      const a = h.write('/r', 'a');
      const b = h.write('/r', 'b');
      const early = h.read('/r');
      const late = h.read('/r');
      b.applied(1);
      a.applied(2);
      late.returned(2, 'a');
      early.returned(0, 'start');
    });
    expect(problems(operations)).toEqual([]);
  });

  it('finds a stale read', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(1);
      h.read('/r').returned(0, 'start');
    });
    expect(problems(operations)).toHaveLength(1);
  });

  it('finds two reads that see time going back', () => {
    const operations = history((h) => {
      const write = h.write('/r', 'a');
      h.read('/r').returned(1, 'a');
      h.read('/r').returned(0, 'start');
      write.applied(1);
    });
    expect(problems(operations)).toHaveLength(1);
  });

  it('finds writes in an order against time', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(2);
      h.write('/r', 'b').applied(1);
    });
    expect(problems(operations)).toHaveLength(1);
  });

  it('finds one version told twice: a lost update', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(1);
      h.write('/r', 'b').applied(1);
    });
    expect(problems(operations)[0]).toContain('both');
  });

  it('finds a conditional write that replaced another version', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(1);
      h.write('/r', 'b', 0).applied(2);
    });
    expect(problems(operations)).toHaveLength(1);
  });

  it('finds a value that nobody wrote, and a version with another value', () => {
    expect(problems(history((h) => h.read('/r').returned(1, 'x')))).toHaveLength(1);
    expect(problems(history((h) => h.read('/r').returned(0, 'x')))).toHaveLength(1);
    const refused = history((h) => {
      h.write('/r', 'x').notApplied();
      h.read('/r').returned(1, 'x');
    });
    expect(problems(refused)).toHaveLength(1);
  });

  it('finds a refusal of the version that was there all the time', () => {
    const refused = history((h) => {
      h.write('/r', 'a').applied(1);
      h.write('/r', 'b', 1).refused();
      h.read('/r').returned(1, 'a');
    });
    expect(problems(refused)).toHaveLength(1);
    const raced = history((h) => {
      h.write('/r', 'a').applied(1);
      const other = h.write('/r', 'c');
      h.write('/r', 'b', 1).refused();
      other.applied(2);
    });
    expect(problems(raced)).toEqual([]);
  });

  it('lets a write of unknown outcome have happened, late or never', () => {
    const never = history((h) => {
      h.write('/r', 'a');
      h.read('/r').returned(0, 'start');
    });
    const late = history((h) => {
      h.write('/r', 'a');
      h.read('/r').returned(0, 'start');
      h.read('/r').returned(1, 'a');
    });
    const unseen = history((h) => {
      h.write('/r', 'a');
      h.write('/r', 'b').applied(2);
      h.read('/r').returned(2, 'b');
    });
    for (const operations of [never, late, unseen]) expect(problems(operations)).toEqual([]);
  });

  it('does not let it have happened before it was sent, or twice', () => {
    const before = history((h) => {
      h.write('/r', 'b').applied(2);
      h.write('/r', 'a');
    });
    expect(problems(before)).toHaveLength(1);
    const twice = history((h) => {
      h.write('/r', 'a');
      h.write('/r', 'b').applied(3);
    });
    expect(problems(twice)).toHaveLength(1);
  });

  it('gives a version to the write that fits, when several have no answer', () => {
    const operations = history((h) => {
      h.write('/r', 'any');
      h.write('/r', 'only after 2', 2);
      h.write('/r', 'c').applied(2);
      h.write('/r', 'd').applied(4);
    });
    expect(problems(operations)).toEqual([]);
  });

  it('keeps registers apart', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(1);
      h.write('/s', 'a').applied(1);
      h.read('/s').returned(0, 'start');
    });
    expect(problems(operations)).toHaveLength(1);
    expect(problems(operations)[0]).toContain('/s');
  });

  it('refuses to guess between equal values', () => {
    const operations = history((h) => {
      h.write('/r', 'a').applied(1);
      h.write('/r', 'a').applied(2);
    });
    expect(() => problems(operations)).toThrow('same value');
  });

  it('agrees with the search through all orders', () => {
    let accepted = 0;
    let convicted = 0;
    const property = fc.property(fc.nat(1_000_000), (seed) => {
      const operations = randomHistory(new SeededRandom(seed));
      const isRight = isLinearizable(operations);
      const isAccepted = problems(operations).length === 0;
      if (isAccepted) accepted++;
      else convicted++;
      // A refusal is judged with mercy; what is convicted is wrong in any case.
      const hasRefusal = operations.some(({ kind }) => kind === 'refusal');
      if (isRight || !hasRefusal)
        expect({ seed, isAccepted }).toEqual({ seed, isAccepted: isRight });
    });
    fc.assert(property, { seed: 1, numRuns: 4_000 });
    expect(Math.min(accepted, convicted)).toBeGreaterThan(400);
  });

  it('comes to an end with a long history, where the search through all orders does not', () => {
    const operations = history((h) => {
      for (let version = 1; version <= 20_000; version++) {
        const write = h.write('/r', `v${version}`);
        const reads = [h.read('/r'), h.read('/r')];
        write.applied(version);
        for (const read of reads) read.returned(version, `v${version}`);
      }
    });
    expect(problems(operations)).toEqual([]);
  });
});

/** A few clients on a register that is right, or whose replies are sometimes changed afterwards. */
function randomHistory(random: SeededRandom): readonly RegisterOperation[] {
  const made = new RegisterHistory();
  let version = 0;
  let value = 'start';
  const pending: { apply: () => void; answer: () => void }[] = [];
  const lie = random.chance(0.7) ? 0.3 : 0;
  const steps = random.between(3, 16);
  for (let step = 0; step < steps; step++) {
    if (pending.length < 4 && random.chance(0.5)) {
      pending.push(begin(step));
    } else if (pending.length > 0) {
      const [operation] = pending.splice(random.below(pending.length), 1);
      if (random.chance(0.8)) operation!.apply();
      if (random.chance(0.75)) operation!.answer();
    }
  }
  return made.operations;

  function begin(step: number) {
    if (random.chance(0.5)) return beginRead();
    const expected = random.chance(0.3) ? random.between(Math.max(0, version - 1), version) : null;
    const write = made.write('/r', `v${step}`, expected);
    let outcome: number | 'refused' | null = null;
    return {
      apply: () => {
        if (expected !== null && expected !== version) outcome = 'refused';
        else [version, value, outcome] = [version + 1, `v${step}`, version + 1];
      },
      answer: () => {
        if (outcome === 'refused') write.refused();
        else if (outcome !== null) write.applied(random.chance(lie) ? outcome + 1 : outcome);
        else if (random.chance(lie)) write.applied(version + 1);
        else if (random.chance(lie)) write.refused();
      },
    };
  }

  function beginRead() {
    const read = made.read('/r');
    let seen: [number, string] = [version, value];
    const hasSeen = random.chance(lie);
    return {
      apply: () => {
        if (!hasSeen) seen = [version, value];
      },
      answer: () => read.returned(...seen),
    };
  }
}

/** The definition itself: tries every order, and for unanswered writes also without them. */
function isLinearizable(operations: readonly RegisterOperation[]): boolean {
  const tried = new Set<string>();
  const search = (left: readonly RegisterOperation[], version: number, value: string): boolean => {
    if (left.every((operation) => operation.ended === Infinity)) return true;
    const state = `${left.map((operation) => operation.began).join()} ${version} ${value}`;
    if (tried.has(state)) return false;
    tried.add(state);
    const firstEnd = Math.min(...left.map((operation) => operation.ended));
    return left.some((operation) => {
      if (operation.began > firstEnd) return false;
      const rest = left.filter((other) => other !== operation);
      switch (operation.kind) {
        case 'read': {
          const isRight = operation.version === version && operation.value === value;
          return isRight && search(rest, version, value);
        }
        case 'refusal':
          return operation.expectedVersion !== version && search(rest, version, value);
        case 'write': {
          const fits = (operation.expectedVersion ?? version) === version;
          const isTold = operation.version === null || operation.version === version + 1;
          return fits && isTold && search(rest, version + 1, operation.value);
        }
      }
    });
  };
  return search(operations, 0, 'start');
}
