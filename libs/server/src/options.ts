import { FRAME_BYTES_MAX_DEFAULT } from '@aviary/protocol';

/** Caps on what clients can make the server hold; over one a client is slowed or dropped. */
export interface ServerLimits {
  /** `jute.maxbuffer`: the longest request frame, in bytes. */
  readonly frameBytesMax: number;
  /** `maxClientCnxns`: connections from one address; 0: no limit. */
  readonly connectionsPerAddressMax: number;
  /** `maxCnxns`: connections in all; 0: no limit. */
  readonly connectionsMax: number;
  /** Requests of one connection that wait for an answer, before its socket is paused. */
  readonly outstandingPerConnectionMax: number;
  /** Bytes of requests that wait for earlier ones of their connection, before it is paused. */
  readonly deferredBytesMax: number;
  /** `globalOutstandingLimit`: writes of all connections that wait, before sockets are paused. */
  readonly outstandingMax: number;
  /** Bytes of writes of all connections that wait for the disk or a leader, before sockets are paused. */
  readonly outstandingBytesMax: number;
  /** Bytes queued to a reader that is slow, before its requests are left unread. */
  readonly outputHighBytes: number;
  /** Bytes queued to a reader that does not read at all, before it is cut off. */
  readonly outputBytesMax: number;
  /** Bytes held for all connections: what they sent in part or waits, and what they do not read. */
  readonly heldBytesMax: number;
  /** About how much memory the watches of one connection take before no more are set, in bytes. */
  readonly watchBytesPerConnectionMax: number;
  /** The same for all connections together. */
  readonly watchBytesMax: number;
  /** Sessions that are open before no new one is made; those that are there can be taken up. */
  readonly sessionsMax: number;
  /** Nodes of the tree before no more are made. */
  readonly znodesMax: number;
  /** Bytes of all paths and data before writes that may add some are refused. */
  readonly contentBytesMax: number;
  /** Time that a connection has for its handshake, in milliseconds. */
  readonly handshakeMs: number;
  /** Ids that one connection may gather by authentication. */
  readonly authIdsMax: number;
}

/** What a standalone server is made with. */
export interface ServerOptions {
  /** `clientPortAddress`; null: every interface. */
  readonly clientAddress: string | null;
  /** `clientPort`; 0: any free port. */
  readonly clientPort: number;
  /** `clientPortListenBacklog`. */
  readonly backlog: number;
  readonly dataDir: string;
  readonly dataLogDir: string;
  /** `tickTime`: the grain of session expiry, in milliseconds. */
  readonly tickTimeMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** Top byte of the session ids that this server makes, from 1 to 254. */
  readonly serverId: number;
  /** `snapCount`: transactions between snapshots. */
  readonly snapCount: number;
  /** `snapSizeLimitInKb`, in bytes; 0: no limit. */
  readonly snapBytes: number;
  /** `preAllocSize`, in bytes; 0: logs are not padded. */
  readonly preAllocBytes: number;
  /** `forceSync`: false acknowledges before the disk has it. */
  readonly forceSync: boolean;
  /** `autopurge.snapRetainCount`. */
  readonly snapRetainCount: number;
  /** `autopurge.purgeInterval`, in ms; 0: never; null: after every snapshot. */
  readonly purgeIntervalMs: number | null;
  /** `4lw.commands.whitelist`. */
  readonly fourLetterWords: ReadonlySet<string>;
  /** `DigestAuthenticationProvider.superDigest`; null: nobody is super. */
  readonly superDigest: string | null;
  /** `enforce.auth.schemes`: a connection must hold an id of one of them; null: it need not. */
  readonly enforcedAuthSchemes: ReadonlySet<string> | null;
  /** `extendedTypesEnabled`: whether nodes with a time to live can be made. */
  readonly extendedTypesEnabled: boolean;
  /** `enforceQuota`: whether hard limits are kept. */
  readonly enforceQuota: boolean;
  /** `digest.enabled`. */
  readonly digestEnabled: boolean;
  /** `skipACL`: whether every access control list is passed over. */
  readonly skipAcl: boolean;
  /** `znode.container.checkIntervalMs`. */
  readonly reaperIntervalMs: number;
  /** `znode.container.maxPerMinute`. */
  readonly reapedPerMinuteMax: number;
  /** `znode.container.maxNeverUsedIntervalMs`; 0: containers never used stay. */
  readonly containerNeverUsedMs: number;
  readonly limits: ServerLimits;
}

/** The words that are answered unless the configuration says otherwise: cheap, and no secrets. */
export const FOUR_LETTER_WORDS_DEFAULT: readonly string[] = ['isro', 'mntr', 'ruok', 'srvr'];

/** Limits as they are unless something else is asked for; the README says what each is there for. */
export const LIMITS_DEFAULT: ServerLimits = {
  frameBytesMax: FRAME_BYTES_MAX_DEFAULT,
  connectionsPerAddressMax: 1000,
  connectionsMax: 60_000,
  outstandingPerConnectionMax: 1000,
  deferredBytesMax: 1 << 20,
  outstandingMax: 20_000,
  outstandingBytesMax: 64 << 20,
  outputHighBytes: 1 << 20,
  outputBytesMax: 16 << 20,
  heldBytesMax: 256 << 20,
  watchBytesPerConnectionMax: 64 << 20,
  watchBytesMax: 512 << 20,
  sessionsMax: 250_000,
  // Together they end before the memory that node addresses can reach does.
  znodesMax: 100_000_000,
  contentBytesMax: 16 * 2 ** 30,
  handshakeMs: 10_000,
  authIdsMax: 64,
};

const TICK_MS_DEFAULT = 3000;

/**
 * Complete options from those that differ from the defaults. The defaults are ZooKeeper's, except
 * where its own are unsafe: purge is on, TTL nodes can be made, the cheap four-letter words answer,
 * and a whole office behind one address may connect.
 */
export function serverOptions(
  given: Partial<Omit<ServerOptions, 'limits'>> & { limits?: Partial<ServerLimits> },
): ServerOptions {
  const tickTimeMs = given.tickTimeMs ?? TICK_MS_DEFAULT;
  const dataDir = given.dataDir ?? './data';
  return {
    clientAddress: '127.0.0.1',
    clientPort: 2181,
    backlog: 511,
    dataDir,
    dataLogDir: dataDir,
    tickTimeMs,
    minSessionTimeoutMs: 2 * tickTimeMs,
    maxSessionTimeoutMs: 20 * tickTimeMs,
    serverId: 1,
    snapCount: 100_000,
    snapBytes: 4_194_304 * 1024,
    preAllocBytes: 64 << 20,
    forceSync: true,
    snapRetainCount: 3,
    purgeIntervalMs: null,
    fourLetterWords: new Set(FOUR_LETTER_WORDS_DEFAULT),
    superDigest: null,
    enforcedAuthSchemes: null,
    extendedTypesEnabled: true,
    enforceQuota: false,
    digestEnabled: true,
    skipAcl: false,
    reaperIntervalMs: 60_000,
    reapedPerMinuteMax: 10_000,
    containerNeverUsedMs: 300_000,
    ...given,
    limits: { ...LIMITS_DEFAULT, ...given.limits },
  };
}
