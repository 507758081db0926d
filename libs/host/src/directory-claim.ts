import { rmSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { makeDirectories } from './make-directories.js';

const SOCKET_NAME = 'aviary.socket';
/** Longer names of sockets are cut by some systems, without a word. */
const SOCKET_NAME_BYTES_MAX = 100;
const ATTEMPTS_MAX = 5;
/** What connecting says where nobody listens: all else, such as EACCES, may hide who does. */
const DEAD_CODES: readonly (string | undefined)[] = ['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'];

/** Another process holds the directory. */
export class DirectoryTakenError extends Error {
  constructor(readonly directory: string) {
    super(`${directory} is in use by another process: stop it, or choose another dataDir`);
    this.name = new.target.name;
  }
}

/**
 * Keeps other processes of this machine out of a directory: two that write the same logs destroy
 * what the other has acknowledged.
 *
 * The claim is a socket that is listened to, in the directory itself. It ends with the process,
 * however that ends, so nothing has to be cleared away after a crash: what is left of the socket
 * refuses connections, and is replaced. Where a system has no such sockets the claim is none.
 */
export class DirectoryClaim {
  private constructor(private readonly server: Server | null) {}

  /**
   * @param directory Is made if it is not there.
   * @throws {DirectoryTakenError} Another process, or this one, has claimed it.
   */
  static async take(directory: string): Promise<DirectoryClaim> {
    await makeDirectories(resolve(directory)).catch(() => undefined);
    const path = await socketPath(directory);
    if (path === null) return new DirectoryClaim(null);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const outcome = await listen(path);
      if (typeof outcome !== 'string') return new DirectoryClaim(outcome);
      // Whatever else is wrong with the directory, recovery will say it in better words.
      if (outcome !== 'EADDRINUSE') return new DirectoryClaim(null);
      const found = identityOf(path);
      if (await answers(path)) break;
      removeDead(path, found);
    }
    throw new DirectoryTakenError(directory);
  }

  /** Lets go of the directory. */
  async release(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    await new Promise<void>((done) => server.close(() => done()));
  }
}

async function socketPath(directory: string): Promise<string | null> {
  if (process.platform === 'win32') {
    const { dev, ino } = await stat(directory, { bigint: true });
    return `\\\\.\\pipe\\aviary-${dev}-${ino}`;
  }
  const absolute = join(directory, SOCKET_NAME);
  const near = relative(process.cwd(), absolute);
  const path = near.length < absolute.length ? near : absolute;
  return Buffer.byteLength(path) <= SOCKET_NAME_BYTES_MAX ? path : null;
}

/** The server that listens, or the code of the error. */
function listen(path: string): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'));
    // A member of another user has to be told, too, that this one lives.
    server.listen({ path, readableAll: true, writableAll: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Whether somebody listens there, or may. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(!DEAD_CODES.includes(error.code)),
    );
  });
}

/** Tells one file from another that came to its place; null: there is none. */
function identityOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.ino} ${found.ctimeNs}`;
}

/**
 * Takes away the socket that nobody listens to, unless another process has replaced it meanwhile.
 * Both calls are made at once: nothing of this process comes between them.
 */
function removeDead(path: string, dead: string | null): void {
  if (dead !== null && identityOf(path) === dead) rmSync(path, { force: true });
}
