import { assert, isMissing, type Disk, type Random } from '@aviary/foundation';

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

  /**
   * Reads or makes the identity in `directory`, and writes down the ids that this run may use.
   *
   * @param sessions The sessions that are open.
   * @throws {SessionIdentityError} The file is damaged.
   */
  static async open(
    disk: Disk,
    random: Random,
    directory: string,
    options: { serverId: number; wallMs: number; sessions: readonly bigint[] },
  ): Promise<SessionIdentity> {
    const path = `${directory}/${NAME}`;
    const stored = await read(disk, path);
    const secret = stored ? Buffer.from(stored.secret, 'hex') : random.bytes(SECRET_BYTES);
    const inherited = stored ? stored.inherited.map(BigInt) : options.sessions;
    const open = new Set(options.sessions.map((id) => BigInt.asIntN(64, id)));
    const still = inherited.map((id) => BigInt.asIntN(64, id)).filter((id) => open.has(id));
    const floor = stored ? BigInt(stored.nextSessionId) : 0n;
    const firstId = firstSessionId(options, floor);
    await write(disk, directory, {
      secret: Buffer.from(secret).toString('hex'),
      nextSessionId: `0x${(firstId + IDS_RESERVED).toString(16)}`,
      inherited: still.map((id) => `0x${BigInt.asUintN(64, id).toString(16)}`),
    });
    return new SessionIdentity(secret, firstId, still);
  }
}

/** Server id in the top byte, then forty bits of time, then a counter: as ZooKeeper lays them out. */
function firstSessionId(
  options: { serverId: number; wallMs: number; sessions: readonly bigint[] },
  floor: bigint,
): bigint {
  // With 0 an id might be 0, which means none; with 255 it would look like a time to live.
  assert(options.serverId > 0 && options.serverId < 255, 'a server id is a number from 1 to 254');
  const top = BigInt(options.serverId) << 56n;
  let first = top | ((BigInt(Math.floor(options.wallMs)) & 0xff_ffff_ffffn) << 16n);
  const given = floor > 0n ? [floor - 1n] : [];
  for (const session of [...given, ...options.sessions]) {
    const id = BigInt.asUintN(64, session);
    if (id >> 56n === BigInt(options.serverId) && id >= first) first = id + 1n;
  }
  return first;
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
