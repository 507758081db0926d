import type { SeededRandom } from '../seeded-random.js';
import { FileImage, type Unsynced } from './file-image.js';
import { directoryOf, Names, normalizedPath } from './names.js';
import { SECTOR_BYTES, SectorPool } from './sector-pool.js';

/** What a name stands for. */
export type DiskNode = FileImage | 'directory';

function isDirectory(node: DiskNode | undefined): boolean {
  return node === 'directory';
}

/** The state of a drive: its names and the contents of its files. */
export class DiskImage {
  readonly names: Names<DiskNode>;
  private readonly pool: SectorPool;

  private constructor(pool: SectorPool, entries: Iterable<readonly [string, DiskNode]>) {
    this.pool = pool;
    this.names = new Names<DiskNode>(isDirectory, entries);
  }

  /** An empty drive with `directories`, which are durable. */
  static formatted(directories: readonly string[]): DiskImage {
    const paths = new Set(['/']);
    for (const directory of directories) {
      for (let at = normalizedPath(directory); at !== '/'; at = directoryOf(at)) paths.add(at);
    }
    return new DiskImage(
      new SectorPool(),
      [...paths].map((path) => [path, 'directory'] as const),
    );
  }

  /** The file at `path` (normalized); null: there is none. */
  file(path: string): FileImage | null {
    const node = this.names.get(path);
    return node instanceof FileImage ? node : null;
  }

  isDirectory(path: string): boolean {
    return isDirectory(this.names.get(path));
  }

  /** Adds an empty file. */
  createFile(path: string): FileImage {
    const file = new FileImage(this.pool);
    this.names.add(path, file);
    return file;
  }

  paths(): string[] {
    return [...this.names.entries()].map(([path]) => path).sort();
  }

  /** Bytes that the contents of all files take up. */
  usedBytes(): number {
    let sectors = 0;
    for (const [, node] of this.names.entries()) {
      if (node instanceof FileImage) sectors += node.sectors;
    }
    return sectors * SECTOR_BYTES;
  }

  /** What a machine finds when its power is back. This image stays as it was. */
  afterPowerCut(random: SeededRandom, unsynced: Unsynced): DiskImage {
    const entries: [string, DiskNode][] = [];
    for (const [path, node] of this.names.afterPowerCut(random, unsynced)) {
      const isFile = node instanceof FileImage;
      entries.push([path, isFile ? node.afterPowerCut(random, unsynced) : node]);
    }
    return new DiskImage(this.pool, entries);
  }
}
