/**
 * Maps the caller's paths to the server's and back. A chroot is the client's affair alone: the
 * server never hears of it, and does not make the node.
 */
export class Chroot {
  /** What stands in front of every path on the server; empty for the root. */
  private readonly prefix: string;

  constructor(chroot: string) {
    this.prefix = chroot === '/' ? '' : chroot;
  }

  /** The server's path for the caller's `path`. */
  toServer(path: string): string {
    if (this.prefix === '') return path;
    return path === '/' ? this.prefix : this.prefix + path;
  }

  /** The caller's path for a path of the server; null if it lies outside of the chroot. */
  toClient(path: string): string | null {
    const { prefix } = this;
    if (prefix === '') return path;
    if (!path.startsWith(prefix)) return null;
    if (path.length === prefix.length) return '/';
    return path.charCodeAt(prefix.length) === 0x2f ? path.slice(prefix.length) : null;
  }
}
