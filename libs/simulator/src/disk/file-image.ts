import type { SeededRandom } from '../seeded-random.js';
import { SECTOR_BYTES, type SectorPool } from './sector-pool.js';

/**
 * What a power cut does to what was not synced.
 *
 * `drawn`: each piece is kept, lost, or kept in an older version, by chance. `lost`: all is gone,
 * the worst write-back. `kept`: all had just been written back.
 */
export type Unsynced = 'drawn' | 'lost' | 'kept';

/** The contents of one sector after one change; null: cut off. */
interface SectorVersion {
  readonly change: number;
  readonly bytes: Uint8Array | null;
}

interface SizeVersion {
  readonly change: number;
  readonly size: number;
  readonly isCut: boolean;
}

/** A piece is kept with one of these chances, drawn once for each file and power cut. */
const KEEP_CHANCES = [0, 0.5, 0.5, 0.9, 1] as const;

/**
 * The contents of one file: as the page cache has it, as the platter has it, and every version of
 * each sector in between.
 *
 * Until a sync covers it, a sector may reach the platter in any of its versions, independently of
 * all other sectors, and so may the size: that is how writes are lost, torn and reordered. A cut is
 * an order in time: what was written after a cut is not seen on a platter that has not the cut.
 */
export class FileImage {
  private readonly pool: SectorPool;
  private readonly cached: Map<number, Uint8Array>;
  private readonly platter: Map<number, Uint8Array>;
  private readonly unsynced = new Map<number, SectorVersion[]>();
  private sizes: SizeVersion[] = [];
  private change = 0;
  private cachedSize: number;
  private platterSize: number;

  constructor(pool: SectorPool, contents?: ReadonlyMap<number, Uint8Array>, size = 0) {
    this.pool = pool;
    this.cached = new Map(contents);
    this.platter = new Map(contents);
    this.cachedSize = size;
    this.platterSize = size;
  }

  get size(): number {
    return this.cachedSize;
  }

  /** Sectors that the file takes up; holes take none. */
  get sectors(): number {
    return this.cached.size;
  }

  /** The last change: what a sync that starts now covers. */
  get lastChange(): number {
    return this.change;
  }

  /** Reads as the running system does. @returns The bytes read. */
  read(into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(into.length, this.cachedSize - position));
    let done = 0;
    while (done < length) {
      const offset = (position + done) % SECTOR_BYTES;
      const part = Math.min(SECTOR_BYTES - offset, length - done);
      const sector = this.cached.get(Math.floor((position + done) / SECTOR_BYTES));
      if (sector === undefined) into.fill(0, done, done + part);
      else into.set(sector.subarray(offset, offset + part), done);
      done += part;
    }
    return length;
  }

  /** How many sectors more the file takes up when `length` bytes are written at `position`. */
  newSectors(position: number, length: number): number {
    let missing = 0;
    for (const sector of sectorsOf(position, length)) if (!this.cached.has(sector)) missing++;
    return missing;
  }

  /** Writes to the page cache. */
  write(bytes: Uint8Array, position: number): void {
    const change = ++this.change;
    for (const sector of sectorsOf(position, bytes.length)) {
      this.setCached(change, sector, this.overlaid(sector, bytes, position));
    }
    const end = position + bytes.length;
    if (bytes.length > 0 && end > this.cachedSize) this.setSize(change, end, false);
  }

  /** Cuts or extends the page cache's view of the file. */
  truncate(length: number): void {
    const change = ++this.change;
    const isCut = length < this.cachedSize;
    if (isCut) {
      const boundary = Math.floor(length / SECTOR_BYTES);
      for (const [sector, bytes] of [...this.cached]) {
        if (sector > boundary || (sector === boundary && length % SECTOR_BYTES === 0)) {
          this.setCached(change, sector, null);
        } else if (sector === boundary) {
          const shortened = this.pool.copyOf(bytes);
          shortened.fill(0, length % SECTOR_BYTES);
          this.setCached(change, sector, shortened);
        }
      }
    }
    if (length !== this.cachedSize) this.setSize(change, length, isCut);
  }

  /** Makes everything up to `change` durable. */
  sync(change: number): void {
    for (const [sector, versions] of this.unsynced) {
      const last = lastUpTo(versions, change);
      if (last === null) continue;
      this.setPlatter(sector, last.bytes);
      this.keepLater(sector, versions, change);
    }
    const size = lastUpTo(this.sizes, change);
    if (size !== null) this.platterSize = size.size;
    this.sizes = this.sizes.filter((version) => version.change > change);
  }

  /**
   * A sync failed: the kernel marks the pages clean all the same. Reads still see them, the next
   * sync succeeds and has nothing to do, and the platter has what it happens to have.
   */
  giveUp(change: number, random: SeededRandom, unsynced: Unsynced): void {
    const written = keepChance(random, unsynced);
    for (const [sector, versions] of this.unsynced) {
      const last = lastUpTo(versions, change);
      if (last === null) continue;
      if (random.chance(written)) this.setPlatter(sector, last.bytes);
      this.keepLater(sector, versions, change);
    }
    const size = lastUpTo(this.sizes, change);
    if (size !== null && random.chance(written)) this.platterSize = size.size;
    this.sizes = this.sizes.filter((version) => version.change > change);
  }

  /**
   * A write that the power cut interrupts: some of its sectors reach the platter, others do not.
   * With two sectors or more, at least one does and at least one does not.
   */
  tear(bytes: Uint8Array, position: number, random: SeededRandom): void {
    const sectors = sectorsOf(position, bytes.length);
    const kept = sectors.map(() => random.chance(0.5));
    if (sectors.length > 1 && new Set(kept).size === 1) kept[random.below(kept.length)] = !kept[0];
    for (const [index, sector] of sectors.entries()) {
      if (kept[index] !== true) continue;
      this.setPlatter(sector, this.overlaid(sector, bytes, position));
      this.unsynced.delete(sector);
    }
    if (!kept.includes(true)) return;
    this.cachedSize = Math.max(this.cachedSize, position + bytes.length);
    this.platterSize = Math.max(this.platterSize, position + bytes.length);
    this.sizes = this.sizes.filter(({ isCut }) => isCut);
  }

  /** What is on the platter after a power cut, as a new file. */
  afterPowerCut(random: SeededRandom, unsynced: Unsynced): FileImage {
    const keep = keepChance(random, unsynced);
    const cuts = this.sizes.filter(({ isCut }) => isCut).map(({ change }) => change);
    const cutsKept = unsynced === 'drawn' ? random.below(cuts.length + 1) : keep * cuts.length;
    const kept = new Set(cuts.slice(0, cutsKept));
    const firstOpen = cuts[cutsKept - 1] ?? 0;
    const end = cuts[cutsKept] ?? Infinity;
    const contents = new Map(this.platter);
    for (const [sector, versions] of this.unsynced) {
      const possible = possibleVersions(versions, kept, end, this.platter.get(sector) ?? null);
      const bytes = drawLatest(possible, keep, random);
      if (bytes === null) contents.delete(sector);
      else contents.set(sector, bytes);
    }
    const sizes = this.sizes.filter(({ change }) => change >= firstOpen && change < end);
    const base = firstOpen === 0 ? [this.platterSize] : [];
    const size = drawLatest([...base, ...sizes.map((version) => version.size)], keep, random);
    return new FileImage(this.pool, within(contents, size, this.pool), size);
  }

  /** Turns one bit over, on the platter and wherever the page cache has the same sector. */
  flipBit(position: number, bit: number): void {
    const index = Math.floor(position / SECTOR_BYTES);
    const isClean = this.cached.get(index) === this.platter.get(index);
    const flipped = this.pool.copyOf(this.platter.get(index) ?? this.pool.zeros());
    const offset = position % SECTOR_BYTES;
    flipped[offset] = (flipped[offset] ?? 0) ^ (1 << bit);
    this.platter.set(index, flipped);
    if (isClean) this.cached.set(index, flipped);
  }

  private overlaid(sector: number, bytes: Uint8Array, position: number): Uint8Array {
    const start = sector * SECTOR_BYTES;
    const from = Math.max(start, position);
    const to = Math.min(start + SECTOR_BYTES, position + bytes.length);
    const before = this.cached.get(sector);
    const result = before === undefined ? this.pool.zeros() : this.pool.copyOf(before);
    result.set(bytes.subarray(from - position, to - position), from - start);
    return result;
  }

  private setCached(change: number, sector: number, bytes: Uint8Array | null): void {
    if (bytes === null) this.cached.delete(sector);
    else this.cached.set(sector, bytes);
    const versions = this.unsynced.get(sector);
    if (versions === undefined) this.unsynced.set(sector, [{ change, bytes }]);
    else versions.push({ change, bytes });
  }

  private setPlatter(sector: number, bytes: Uint8Array | null): void {
    if (bytes === null) this.platter.delete(sector);
    else this.platter.set(sector, bytes);
  }

  private setSize(change: number, size: number, isCut: boolean): void {
    this.cachedSize = size;
    this.sizes.push({ change, size, isCut });
  }

  private keepLater(sector: number, versions: readonly SectorVersion[], change: number): void {
    const later = versions.filter((version) => version.change > change);
    if (later.length === 0) this.unsynced.delete(sector);
    else this.unsynced.set(sector, later);
  }
}

function keepChance(random: SeededRandom, unsynced: Unsynced): number {
  if (unsynced === 'drawn') return random.pick(KEEP_CHANCES);
  return unsynced === 'kept' ? 1 : 0;
}

function sectorsOf(position: number, length: number): number[] {
  const sectors: number[] = [];
  if (length === 0) return sectors;
  const last = Math.floor((position + length - 1) / SECTOR_BYTES);
  for (let at = Math.floor(position / SECTOR_BYTES); at <= last; at++) sectors.push(at);
  return sectors;
}

function lastUpTo<T extends { readonly change: number }>(
  versions: readonly T[],
  change: number,
): T | null {
  let found: T | null = null;
  for (const version of versions) if (version.change <= change) found = version;
  return found;
}

/** What one sector may hold after a power cut that kept some cuts, oldest first. */
function possibleVersions(
  versions: readonly SectorVersion[],
  keptCuts: ReadonlySet<number>,
  end: number,
  platter: Uint8Array | null,
): (Uint8Array | null)[] {
  let possible = [platter];
  for (const { change, bytes } of versions) {
    if (change >= end) break;
    // What a kept cut left of the sector is the least that can be seen of it.
    if (keptCuts.has(change)) possible = [bytes];
    else possible.push(bytes);
  }
  return possible;
}

/** The latest with the chance `keep`, else one before it; the oldest when nothing is kept. */
function drawLatest<T>(possible: readonly T[], keep: number, random: SeededRandom): T {
  const last = possible.length - 1;
  const index = keep === 0 ? 0 : random.chance(keep) ? last : random.below(Math.max(1, last));
  return possible[index] as T;
}

/** Drops what lies beyond `size`: the next extension must read zeros there. */
function within(
  contents: Map<number, Uint8Array>,
  size: number,
  pool: SectorPool,
): Map<number, Uint8Array> {
  const boundary = Math.floor(size / SECTOR_BYTES);
  for (const [sector, bytes] of [...contents]) {
    if (sector < boundary) continue;
    if (sector > boundary || size % SECTOR_BYTES === 0) {
      contents.delete(sector);
    } else {
      const shortened = pool.copyOf(bytes);
      shortened.fill(0, size % SECTOR_BYTES);
      contents.set(sector, shortened);
    }
  }
  return contents;
}
