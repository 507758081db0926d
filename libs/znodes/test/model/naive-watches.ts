/** What the tables of the specification say of watches, in plain objects. */

export type WatchMode = 'data' | 'child' | 'persistent' | 'recursive';
export type EventName = 'created' | 'deleted' | 'dataChanged' | 'childrenChanged';

interface Watch {
  readonly connection: string;
  readonly path: string;
  readonly mode: WatchMode;
}

const MODES_REMOVED: readonly (readonly WatchMode[])[] = [
  [],
  ['child'],
  ['data'],
  ['data', 'child', 'persistent', 'recursive'],
  ['persistent'],
  ['recursive'],
];

function isAtOrBelow(path: string, top: string): boolean {
  return path === top || top === '/' || (top !== '' && path.startsWith(`${top}/`));
}

/** Which watches a change of the node at a path concerns. */
function concerns(watch: Watch, name: EventName, path: string): boolean {
  if (watch.mode === 'recursive') {
    return name !== 'childrenChanged' && isAtOrBelow(path, watch.path);
  }
  if (watch.path !== path) return false;
  if (watch.mode === 'persistent' || name === 'deleted') return true;
  return (watch.mode === 'child') === (name === 'childrenChanged');
}

/** The watches of all connections: a list that is searched from one end to the other. */
export class NaiveWatches {
  private watches: Watch[] = [];
  /** Events in the order in which they were sent, as text. */
  private heard: string[] = [];

  get size(): number {
    return this.watches.length;
  }

  add(connection: string, path: string, mode: WatchMode): void {
    const isKnown = this.watches.some(
      (watch) => watch.connection === connection && watch.path === path && watch.mode === mode,
    );
    if (!isKnown) this.watches.push({ connection, path, mode });
  }

  /** The code that the reply would have. */
  remove(connection: string, path: string, type: number): number {
    const modes = MODES_REMOVED[type];
    if (modes === undefined || modes.length === 0) return -5;
    const before = this.watches.length;
    this.watches = this.watches.filter(
      (watch) =>
        watch.connection !== connection || watch.path !== path || !modes.includes(watch.mode),
    );
    return this.watches.length === before ? -121 : 0;
  }

  pathsOf(connection: string): string[] {
    const own = this.watches.filter((watch) => watch.connection === connection);
    return [...new Set(own.map(({ path }) => path))];
  }

  close(connection: string): void {
    this.watches = this.watches.filter((watch) => watch.connection !== connection);
  }

  fire(
    name: EventName,
    path: string,
    zxid: number,
    mayRead: (connection: string) => boolean,
  ): void {
    const concerned = this.watches.filter((watch) => concerns(watch, name, path));
    const isOneShot = ({ mode }: Watch) => mode === 'data' || mode === 'child';
    this.watches = this.watches.filter((watch) => !concerned.includes(watch) || !isOneShot(watch));
    for (const connection of new Set(concerned.map((watch) => watch.connection))) {
      if (mayRead(connection)) this.heard.push(eventText(connection, name, path, zxid));
    }
  }

  /** What was heard since the last call. */
  takeHeard(): string[] {
    const { heard } = this;
    this.heard = [];
    return heard;
  }
}

export function eventText(connection: string, name: EventName, path: string, zxid: number): string {
  return `${connection} hears ${name} ${path} at ${zxid}`;
}
