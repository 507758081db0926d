import { assert } from '@aviary/foundation';

const SLAB_BYTES_LOG2 = 20;
const SLAB_BYTES = 1 << SLAB_BYTES_LOG2;
/** Addresses count in units of eight bytes, so that 32 bits reach 32 GiB. */
const UNIT_LOG2 = 3;
const UNIT_BYTES = 1 << UNIT_LOG2;
const SLAB_UNITS_LOG2 = SLAB_BYTES_LOG2 - UNIT_LOG2;
const UNIT_MASK = (1 << SLAB_UNITS_LOG2) - 1;
const SLABS_MAX = 1 << (32 - SLAB_UNITS_LOG2);

/** Up to here there is a size class every eight bytes. */
const FINE_BYTES_MAX = 1024;
const FINE_CLASSES = FINE_BYTES_MAX >>> UNIT_LOG2;
/** Above, eight classes for every doubling: at most an eighth of a block is unused. */
const STEPS_LOG2 = 3;
/** Above this a block gets a slab of its own. */
const SHARED_BYTES_MAX = SLAB_BYTES / 4;
const CLASSES = FINE_CLASSES + 1 + (18 - 10) * (1 << STEPS_LOG2) + 1;

/**
 * Blocks of bytes in large slabs outside the JavaScript heap.
 *
 * A million small buffers would cost a hundred bytes of bookkeeping each and would have to be walked
 * by every garbage collection. Here a block is a number, its address; freed blocks of a size
 * class form a list that runs through the blocks themselves. Blocks never move by themselves.
 */
export class Arena {
  /** Slabs by index, as bytes and as words. Block `a` lies in slab `slabOf(a)` at `offsetOf(a)`. */
  readonly slabs: Uint8Array[] = [];
  readonly slabWords: Int32Array[] = [];

  /** First freed block of each size class; 0: none. Address 0 is never handed out. */
  private readonly freed = new Uint32Array(CLASSES);
  private readonly freedSlabs: number[] = [];
  private currentSlab = -1;
  private currentOffset = SLAB_BYTES;
  private usedBytes = 0;

  /** Bytes in blocks that are handed out. */
  get bytesUsed(): number {
    return this.usedBytes;
  }

  /** The bytes that a block for `length` bytes really has. */
  static capacityFor(length: number): number {
    if (length <= FINE_BYTES_MAX) return Math.max(UNIT_BYTES, (length + 7) & ~7);
    if (length > SHARED_BYTES_MAX) return (length + 7) & ~7;
    const step = 1 << (31 - Math.clz32(length - 1) - STEPS_LOG2);
    return (length + step - 1) & ~(step - 1);
  }

  /** A block of at least `length` bytes, multiple of eight, with whatever it held before. */
  allocate(length: number): number {
    const capacity = Arena.capacityFor(length);
    this.usedBytes += capacity;
    if (capacity > SHARED_BYTES_MAX) return this.allocateSlab(capacity);
    const sizeClass = classOf(capacity);
    const reused = this.freed[sizeClass];
    if (reused !== 0) {
      this.freed[sizeClass] =
        this.slabWords[reused >>> SLAB_UNITS_LOG2][(reused & UNIT_MASK) << 1] >>> 0;
      return reused;
    }
    if (this.currentOffset + capacity > SLAB_BYTES) {
      this.currentSlab = this.addSlab(SLAB_BYTES);
      // The first unit of the first slab stays unused: its address would be 0, which means none.
      this.currentOffset = this.currentSlab === 0 ? UNIT_BYTES : 0;
    }
    const address =
      ((this.currentSlab << SLAB_UNITS_LOG2) | (this.currentOffset >>> UNIT_LOG2)) >>> 0;
    this.currentOffset += capacity;
    return address;
  }

  /** Gives back the block that was allocated for `length` bytes. */
  free(address: number, length: number): void {
    const capacity = Arena.capacityFor(length);
    this.usedBytes -= capacity;
    const slab = address >>> SLAB_UNITS_LOG2;
    if (capacity > SHARED_BYTES_MAX) {
      this.slabs[slab] = new Uint8Array(0);
      this.slabWords[slab] = new Int32Array(0);
      this.freedSlabs.push(slab);
      return;
    }
    const sizeClass = classOf(capacity);
    this.slabWords[slab][(address & UNIT_MASK) << 1] = this.freed[sizeClass];
    this.freed[sizeClass] = address;
  }

  private allocateSlab(capacity: number): number {
    if (this.slabs.length === 0) this.addSlab(0);
    return (this.addSlab(capacity) << SLAB_UNITS_LOG2) >>> 0;
  }

  private addSlab(bytes: number): number {
    const memory = new ArrayBuffer(bytes);
    const index = this.freedSlabs.pop() ?? this.slabs.length;
    assert(index < SLABS_MAX, 'the tree has outgrown 32 GiB of node memory');
    this.slabs[index] = new Uint8Array(memory);
    this.slabWords[index] = new Int32Array(memory);
    return index;
  }
}

/** The slab of a block. */
export function slabOf(address: number): number {
  return address >>> SLAB_UNITS_LOG2;
}

/** The byte in its slab at which a block starts. */
export function offsetOf(address: number): number {
  return (address & UNIT_MASK) << UNIT_LOG2;
}

function classOf(capacity: number): number {
  if (capacity <= FINE_BYTES_MAX) return capacity >>> UNIT_LOG2;
  const doubling = 31 - Math.clz32(capacity - 1);
  const step = (capacity - 1) >>> (doubling - STEPS_LOG2);
  return FINE_CLASSES + 1 + ((doubling - 10) << STEPS_LOG2) + (step & 7);
}
