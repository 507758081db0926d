import { encode, nullableVector, JuteReader } from '@aviary/jute';
import { OPEN_ACL, acl, type Acl } from '@aviary/protocol';
import { worldPermissions } from './acl-rules.js';

/** Wire form of a whole list. */
export const aclList = nullableVector(acl);

/** The number of "everybody may do everything" on the system's own nodes; it is never stored. */
export const OPEN_ACL_NUMBER = -1;

/** An access control list, ready for use. */
export interface AclList {
  readonly acls: readonly Acl[];
  /** The list in wire form. */
  readonly bytes: Uint8Array;
  /** What everybody may do: the common case needs no look at ids. */
  readonly worldPerms: number;
}

/** A list that nodes share. */
export interface AclEntry extends AclList {
  /** Stands for the list in nodes and in snapshots. */
  readonly number: number;
  references: number;
}

/** A list ready for use. */
export function aclListOf(acls: readonly Acl[]): AclList {
  return { acls, bytes: encode(aclList, acls), worldPerms: worldPermissions(acls) };
}

function entryOf(number: number, acls: readonly Acl[], references: number): AclEntry {
  return { ...aclListOf(acls), number, references };
}

/** Whether `bytes[start..end)` is `list` in wire form. */
export function isWireFormOf(
  list: AclList,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const known = list.bytes;
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}

function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/**
 * The distinct access control lists of the tree, each once, with the number of nodes that use it.
 * Numbers are never used twice while the server runs.
 */
export class AclTable {
  private readonly byNumber = new Map<number, AclEntry>();
  private readonly byBytes = new Map<string, AclEntry>();
  private greatest = 0;
  private unknown = 0;
  /** What was interned last: most nodes in a row have the same list. */
  private latest: AclEntry | null = null;

  constructor() {
    this.byNumber.set(OPEN_ACL_NUMBER, entryOf(OPEN_ACL_NUMBER, OPEN_ACL, 1));
  }

  /** Lists in use, without the one that is never stored. */
  get size(): number {
    return this.byNumber.size - 1;
  }

  /**
   * How many nodes name a list that nobody brought. While the log behind a fuzzy snapshot is replayed
   * there may be some; if any are left at its end, the snapshot and the log do not belong together.
   */
  get unknownReferences(): number {
    return this.unknown;
  }

  /**
   * The entry of a number that a node holds.
   *
   * @throws {UnknownAclError} Nobody brought that list.
   */
  get(number: number): AclEntry {
    const entry = this.byNumber.get(number);
    if (entry === undefined) throw new UnknownAclError(number);
    return entry;
  }

  has(number: number): boolean {
    return this.byNumber.has(number);
  }

  /** The entry for a list; a new one has no references yet. */
  intern(acls: readonly Acl[]): AclEntry {
    const known = this.byBytes.get(keyOf(encode(aclList, acls)));
    if (known !== undefined) return known;
    return this.add(entryOf(++this.greatest, acls, 0));
  }

  /** As {@link intern}, for a list in wire form; null and empty lists stand for {@link OPEN_ACL}. */
  internBytes(bytes: Uint8Array, start: number, end: number): AclEntry {
    const { latest } = this;
    const isUsable = latest !== null && latest.references > 0;
    if (isUsable && isWireFormOf(latest, bytes, start, end)) return latest;
    const entry = this.lookUp(bytes, start, end);
    // The open list stands here for null as well, and must not answer for its own bytes.
    if (entry.number !== OPEN_ACL_NUMBER) this.latest = entry;
    return entry;
  }

  private lookUp(bytes: Uint8Array, start: number, end: number): AclEntry {
    const known = this.byBytes.get(keyOf(bytes.subarray(start, end)));
    if (known !== undefined) return known;
    const acls = aclList.read(new JuteReader(bytes, start, end));
    return acls === null || acls.length === 0 ? this.get(OPEN_ACL_NUMBER) : this.intern(acls);
  }

  /** Takes over an entry of a snapshot. A list that stands there twice keeps both numbers. */
  load(number: number, acls: readonly Acl[]): void {
    this.greatest = Math.max(this.greatest, number);
    this.add(entryOf(number, acls, 0));
  }

  /** A node names `number`. One that is unknown is not given to a list that comes later. */
  retain(number: number): void {
    const entry = this.byNumber.get(number);
    if (entry !== undefined) {
      entry.references++;
      return;
    }
    this.unknown++;
    this.greatest = Math.max(this.greatest, number);
  }

  /** A node names `number` no more; the last one takes the list along. */
  release(number: number): void {
    const left = this.releaseKeeping(number);
    if (left !== null && left.references <= 0) this.drop(left);
  }

  /** As {@link release}, but the list stays: nodes that are still to be loaded may name it. */
  releaseKeeping(number: number): AclEntry | null {
    if (number === OPEN_ACL_NUMBER) return null;
    const entry = this.byNumber.get(number);
    if (entry === undefined) {
      this.unknown--;
      return null;
    }
    entry.references--;
    return entry;
  }

  /** Forgets the lists that no node uses: after loading a snapshot. */
  dropUnused(): void {
    for (const entry of [...this.byNumber.values()]) {
      if (entry.references <= 0) this.drop(entry);
    }
  }

  /** Every stored entry. */
  *entries(): IterableIterator<AclEntry> {
    for (const entry of this.byNumber.values()) {
      if (entry.number !== OPEN_ACL_NUMBER && entry.references > 0) yield entry;
    }
  }

  private add(entry: AclEntry): AclEntry {
    this.byNumber.set(entry.number, entry);
    this.byBytes.set(keyOf(entry.bytes), entry);
    return entry;
  }

  private drop(entry: AclEntry): void {
    this.byNumber.delete(entry.number);
    const key = keyOf(entry.bytes);
    if (this.byBytes.get(key) === entry) this.byBytes.delete(key);
  }
}

/** A node names an access control list that the snapshot did not bring. */
export class UnknownAclError extends Error {
  constructor(number: number) {
    super(`a node names access control list ${number}, which the snapshot does not hold`);
    this.name = new.target.name;
  }
}
