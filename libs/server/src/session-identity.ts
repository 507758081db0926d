import { assert, isMissing, type Clock, type Disk, type Random } from '@aviary/foundation';
import type { DataTree } from '@aviary/znodes';

const NAME = 'session-identity.json';
const UNFINISHED_NAME = 'tmp.session-identity.json';
const SECRET_BYTES = 32;
/** How far ahead of its use a range of session ids is written down. */
const IDS_RESERVED = 1n << 32n;

interface Stored {
  readonly secret: string;
  /** No session of an earlier run has this id or a greater one. */
  readonly nextSessionId: string;
  /** Sessions that ZooKeeper made, before this server took over its data. */
  readonly inherited: readonly string[];
}

/** A file of ours is not what we write. */
export class SessionIdentityError extends Error {
  constructor(path: string, problem: string) {
    super(
      `${path}: ${problem}; restore the file, or remove it to end every session that is still open`,
    );
    this.name = new.target.name;
  }
}

/**
 * What makes session ids and passwords good over restarts: the secret behind the passwords, and a
 * bound that no id given out before has passed, whatever the clock says.
 */
export class SessionIdentity {
  private readonly inherited: ReadonlySet<bigint>;

  private constructor(
    readonly secret: Uint8Array,
    private readonly serverId: number,
    private nextId: bigint,
    inherited: readonly bigint[],
  ) {
    this.inherited = new Set(inherited.map((id) => BigInt.asIntN(64, id)));
  }

  /** Whether a session was there before this server first had the data. */
  isInherited(high: number, low: number): boolean {
    return this.inherited.has((BigInt(high) << 32n) | BigInt(low >>> 0));
  }

  /** An id that no session has or had. */
  takeId(): { high: number; low: number } {
    const id = this.nextId++;
    return { high: Number(id >> 32n) | 0, low: Number(id & 0xffffffffn) | 0 };
  }

  /** Passes over the ids of this server that are open in `tree`: it came from another server. */
  passOver(tree: DataTree): void {
    const own: bigint[] = [];
    tree.sessions.forEach((_timeoutMs, high, low) => {
      if (high >>> 24 === this.serverId) own.push((BigInt(high) << 32n) | BigInt(low >>> 0));
    });
    this.nextId = firstSessionId(this.serverId, this.nextId, own);
  }

  /**
   * Reads or makes the identity in `directory`, and writes down the ids that this run may use.
   *
   * @param tree With the sessions that are open.
   * @throws {SessionIdentityError} The file is damaged.
   */
  static async open(
    { clock, disk, random }: { clock: Clock; disk: Disk; random: Random },
    directory: string,
    serverId: number,
    tree: DataTree,
  ): Promise<SessionIdentity> {
    // With 0 an id might be 0, which means none; with 255 it would look like a time to live.
    assert(serverId > 0 && serverId < 255, 'a server id is a number from 1 to 254');
    const path = `${directory}/${NAME}`;
    const stored = await read(disk, path);
    const secret = stored ? Buffer.from(stored.secret, 'hex') : random.bytes(SECRET_BYTES);
    const sessions = openSessions(tree);
    const inherited = stored ? stored.inherited.map(BigInt) : sessions;
    const open = new Set(sessions.map((id) => BigInt.asIntN(64, id)));
    const still = inherited.map((id) => BigInt.asIntN(64, id)).filter((id) => open.has(id));
    const now = (BigInt(Math.floor(clock.wallMs())) & 0xff_ffff_ffffn) << 16n;
    const first = (BigInt(serverId) << 56n) | now;
    const used = stored ? [BigInt(stored.nextSessionId) - 1n, ...sessions] : sessions;
    const firstId = firstSessionId(serverId, first, used);
    await write(disk, directory, {
      secret: Buffer.from(secret).toString('hex'),
      nextSessionId: `0x${(firstId + IDS_RESERVED).toString(16)}`,
      inherited: still.map((id) => `0x${BigInt.asUintN(64, id).toString(16)}`),
    });
    return new SessionIdentity(secret, serverId, firstId, still);
  }
}

function openSessions({ sessions }: DataTree): bigint[] {
  const open: bigint[] = [];
  sessions.forEach((_timeoutMs, high, low) => {
    open.push((BigInt(high) << 32n) | BigInt(low >>> 0));
  });
  return open;
}

/**
 * `first`, or what is above all of `used` that are the server's: its id in the top byte, then forty
 * bits of time, then a counter, as ZooKeeper lays them out.
 */
function firstSessionId(serverId: number, first: bigint, used: readonly bigint[]): bigint {
  let next = first;
  for (const session of used) {
    const id = BigInt.asUintN(64, session);
    if (id >> 56n === BigInt(serverId) && id >= next) next = id + 1n;
  }
  return next;
}

async function read(disk: Disk, path: string): Promise<Stored | null> {
  let text: string;
  try {
    const file = await disk.open(path, 'read');
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    text = Buffer.from(bytes).toString('utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    const stored = JSON.parse(text) as Partial<Stored>;
    if (typeof stored.secret !== 'string' || !/^[0-9a-f]{64}$/.test(stored.secret)) {
      throw new SessionIdentityError(path, 'has no secret of 32 bytes');
    }
    const { secret, nextSessionId = '0x0', inherited = [] } = stored;
    return { secret, nextSessionId, inherited };
  } catch (error) {
    if (error instanceof SyntaxError) throw new SessionIdentityError(path, 'is not JSON');
    throw error;
  }
}

async function write(disk: Disk, directory: string, stored: Stored): Promise<void> {
  const unfinished = `${directory}/${UNFINISHED_NAME}`;
  const file = await disk.open(unfinished, 'create');
  await file.write(Buffer.from(`${JSON.stringify(stored, null, 2)}\n`), 0);
  await file.sync();
  await file.close();
  await disk.rename(unfinished, `${directory}/${NAME}`);
  await disk.syncDirectory(directory);
}
