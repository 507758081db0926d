import { InvalidArgumentError, type Stat } from '@aviary/client';
import { pathProblem } from '@aviary/foundation';
import { hash32, shareOut } from './rendezvous.js';

/** More would be too many nodes for each member to make. */
export const ITEMS_MAX = 10_000;

/** What the members of a group have agreed upon: the data of the group's node. */
export interface GroupRecord {
  /** The version of the node; claims are checked against it. */
  readonly version: number;
  /**
   * The zxid at which the node was made. It goes when nobody is in the group, and its versions
   * begin anew.
   */
  readonly origin: bigint;
  /** The zxid of the agreement; greater for each later one. */
  readonly generation: bigint;
  /** Which items are shared out, as a fingerprint; empty: nobody has agreed upon anything yet. */
  readonly definition: string;
  /** Among whom; sorted. */
  readonly members: readonly string[];
}

/**
 * Says who is to own which item; an item that it leaves out, or gives to nobody of the members, has
 * no owner. It must give the same for the same arguments in every process.
 */
export type ShareOut = (
  items: readonly string[],
  members: readonly string[],
) => ReadonlyMap<string, string>;

/** What a group shares out, and how. */
export interface Definition {
  readonly items: readonly string[];
  /** The same for all processes that mean the same items and share them out in the same way. */
  readonly fingerprint: string;
  readonly shareOut: ShareOut;
}

/**
 * What `items` and `strategy` mean: a number of items (`0`, `1`, ...) or their names, by rendezvous
 * or by a function with a name.
 *
 * @throws {InvalidArgumentError}
 */
export function definitionOf(
  items: number | readonly string[],
  strategy: 'rendezvous' | ShareOut = 'rendezvous',
): Definition {
  const names = namesOf(items);
  if (strategy === 'rendezvous') {
    return { items: names, fingerprint: fingerprintOf(names, ''), shareOut };
  }
  if (typeof strategy !== 'function' || strategy.name === '') {
    throw new InvalidArgumentError('strategy must be "rendezvous" or a function with a name');
  }
  return { items: names, fingerprint: fingerprintOf(names, strategy.name), shareOut: strategy };
}

function namesOf(given: number | readonly string[]): readonly string[] {
  const refuse = (problem: string): never => {
    throw new InvalidArgumentError(`items must be ${problem}`);
  };
  if (typeof given === 'number') {
    if (!Number.isInteger(given) || given < 1 || given > ITEMS_MAX) {
      return refuse(`a whole number from 1 to ${ITEMS_MAX}, or names, not ${given}`);
    }
    return Array.from({ length: given }, (_, at) => String(at));
  }
  if (!Array.isArray(given) || given.length < 1 || given.length > ITEMS_MAX) {
    return refuse(`a number or a list of 1 to ${ITEMS_MAX} names`);
  }
  const items: string[] = given.map((name: unknown) => {
    const problem = nameProblem(name);
    return problem === null ? String(name) : refuse(`names of znodes: ${problem}`);
  });
  if (new Set(items).size < items.length) return refuse('different from each other');
  return items.sort();
}

function fingerprintOf(items: readonly string[], strategy: string): string {
  const hash = hash32(Buffer.from([strategy, ...items].join('\n')), items.length);
  return `${items.length}.${hash.toString(16).padStart(8, '0')}`;
}

/** Why `name` cannot be the name of a member or an item; null: it can. */
export function nameProblem(name: unknown): string | null {
  if (typeof name !== 'string' || name === '') return 'it must be a string, and not empty';
  if (/[/\n@]/.test(name)) return `"${name}" must not contain a slash, an at sign or a line break`;
  return pathProblem(`/${name}`);
}

/** The name of a member's node: it says for which items the member is there. */
export function memberNode(member: string, definition: string): string {
  return `${member}@${definition}`;
}

/** Member and definition of a node; null: it is no member's. */
export function memberOf(
  node: string,
): { readonly member: string; readonly definition: string } | null {
  const at = node.lastIndexOf('@');
  return at < 1 ? null : { member: node.slice(0, at), definition: node.slice(at + 1) };
}

/** The data of the group's node: the definition, then a line for each member. */
export function recordText(definition: string, members: readonly string[]): string {
  return [definition, ...members].join('\n');
}

/** What the group's node says. */
export function readRecord(data: Uint8Array | null, stat: Stat): GroupRecord {
  const text = data === null ? '' : Buffer.from(data).toString();
  const [definition = '', ...members] = text.split('\n');
  const { version, czxid: origin, mzxid: generation } = stat;
  return { version, origin, generation, definition, members };
}
