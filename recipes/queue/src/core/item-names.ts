import { ItemFormatError } from './queue-errors.js';

/**
 * How items are named, and so in which order they come. `fifo`: Curator's `DistributedQueue`. `priority`: its
 * `DistributedPriorityQueue`, low numbers first. `delay`: its `DistributedDelayQueue`, by the time when they
 * are due. `id`: its `DistributedIdQueue`, in the order of arrival, with an id in the name. `simple`: its
 * `SimpleDistributedQueue`, one raw item for each node.
 */
export type QueueLayout = 'fifo' | 'priority' | 'delay' | 'id' | 'simple';

/** What the name of an item says. */
export interface ItemName {
  readonly name: string;
  /** Its number: the parent's counter, or for dead letters the czxid that the item had. */
  readonly sequence: string;
  /** Of `priority`: lower ones come first. */
  readonly priority: number | null;
  /** Of `delay`: milliseconds since 1970. */
  readonly dueMs: number | null;
  /** Of `id`. */
  readonly id: string | null;
}

/** A signed 32-bit number in ten characters or more; dead letters have 19 digits. */
const SEQUENCE = '(\\d{10}|-\\d{9,10}|\\d{19})$';

const PATTERNS: Readonly<Record<QueueLayout, RegExp>> = {
  fifo: new RegExp(`^queue-()${SEQUENCE}`),
  priority: new RegExp(`^queue-([01][0-9A-F]{8})${SEQUENCE}`),
  delay: new RegExp(`^queue-\\|([0-9A-F]{8,})\\|${SEQUENCE}`),
  id: new RegExp(`^queue-\\|([^|]*)\\|${SEQUENCE}`),
  simple: new RegExp(`^qn-()${SEQUENCE}`),
};

/** What `name` says; null: it is no item of such a queue. */
export function itemNameOf(layout: QueueLayout, name: string): ItemName | null {
  const match = PATTERNS[layout].exec(name);
  if (match === null) return null;
  const [, part = '', sequence = ''] = match;
  return {
    name,
    sequence,
    priority: layout === 'priority' ? Number.parseInt(part.slice(1), 16) | 0 : null,
    dueMs: layout === 'delay' ? Number.parseInt(part, 16) : null,
    id: layout === 'id' ? part : null,
  };
}

/** How many items there are among the children of a queue. */
export function countItems(layout: QueueLayout, children: readonly string[]): number {
  return children.filter((child) => PATTERNS[layout].test(child)).length;
}

/** The items among the children of a queue, in the order in which they are to be delivered. */
export function itemsInOrder(layout: QueueLayout, children: readonly string[]): ItemName[] {
  const items = children.flatMap((child) => itemNameOf(layout, child) ?? []);
  const base = items.find(({ sequence }) => sequence.length < 19)?.sequence ?? '0';
  return items.sort((one, other) => {
    if (one.priority !== null && other.priority !== null && one.priority !== other.priority) {
      return one.priority - other.priority;
    }
    if (one.dueMs !== null && other.dueMs !== null && one.dueMs !== other.dueMs) {
      return one.dueMs - other.dueMs;
    }
    return place(one.sequence, base) - place(other.sequence, base);
  });
}

/**
 * Where a number stands. The counter wraps at 32 bits, so the distance counts and not the number:
 * -2147483648 comes right after 2147483647.
 */
function place(sequence: string, base: string): number {
  if (sequence.length === 19) return Number(sequence) - Number.MAX_SAFE_INTEGER;
  return (Number(sequence) - Number(base)) | 0;
}

export const INT32_MAX = 2 ** 31 - 1;

/** `%08X` of a signed 32-bit number. */
function hex32(value: number): string {
  return (value >>> 0).toString(16).toUpperCase().padStart(8, '0');
}

/** The name of a new item, before its number. @throws {ItemFormatError} */
export function newItemName(
  layout: QueueLayout,
  facts: { readonly priority?: number; readonly dueMs?: number; readonly id?: string },
): string {
  switch (layout) {
    case 'fifo':
      return 'queue-';
    case 'simple':
      return 'qn-';
    case 'id':
      return `queue-|${nameOfId(facts.id ?? '')}|`;
    case 'priority': {
      const { priority = 0 } = facts;
      if (!Number.isInteger(priority) || priority > INT32_MAX || priority < -INT32_MAX - 1) {
        throw new ItemFormatError(null, `its priority must fit into 32 bits, not ${priority}`);
      }
      return `queue-${priority >= 0 ? 1 : 0}${hex32(priority)}`;
    }
    case 'delay': {
      const { dueMs = 0 } = facts;
      if (!Number.isSafeInteger(dueMs) || dueMs < 0) {
        throw new ItemFormatError(null, `it must be due at a time after 1970, not at ${dueMs}`);
      }
      return `queue-|${dueMs.toString(16).toUpperCase().padStart(8, '0')}|`;
    }
  }
}

/** An id as it stands in a name, as Curator writes it. */
export function nameOfId(id: string): string {
  return id.replace(/[/|]/g, '_');
}
