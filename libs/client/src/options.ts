import {
  pathProblem,
  silentLog,
  type Clock,
  type Log,
  type Network,
  type Random,
} from '@aviary/foundation';
import { NodeNetwork, SystemClock, SystemRandom } from '@aviary/host';
import { FRAME_BYTES_MAX_DEFAULT } from '@aviary/protocol';
import { parseConnectionString, type ConnectionTarget } from './connection-string.js';
import { InvalidArgumentError, InvalidConnectionStringError } from './errors.js';
import type { SessionSettings } from './session/session-io.js';

/** An identity of the client, for ACLs. With the scheme `digest`, `auth` is `user:password`. */
export interface AuthIdentity {
  readonly scheme: string;
  readonly auth: string | Uint8Array;
}

/** How a {@link ZooKeeper} client finds its servers and behaves. Times are in milliseconds. */
export interface ZooKeeperOptions {
  /** `h1:2181,h2:2181/chroot`, or the servers one by one. IPv6 addresses stand in brackets. */
  readonly servers: string | readonly string[];

  /** Where all paths start, instead of at the end of `servers`. The node is not made. */
  readonly chroot?: string | undefined;

  /** The session timeout to ask for; the server grants one within its bounds. Default: 15,000. */
  readonly sessionTimeoutMs?: number | undefined;

  /** The longest wait of a call that names none. Infinity: no limit. Default: 30,000. */
  readonly requestDeadlineMs?: number | undefined;

  /**
   * The part of the session timeout for which leases are certain, counted from when the last
   * acknowledged request was sent. Above 0, at most 1. Default: 2/3.
   */
  readonly holdFraction?: number | undefined;

  /** The longest that `close()` waits for the server. Default: 3,000. */
  readonly closeTimeoutMs?: number | undefined;

  /** Identities to prove to every server. */
  readonly auth?: readonly AuthIdentity[] | undefined;

  /** Whether a server without a quorum, which answers reads only, will do. Default: false. */
  readonly readOnlyAllowed?: boolean | undefined;

  /** The longest request, in bytes; the server's `jute.maxbuffer`. Default: 1,048,575. */
  readonly frameBytesMax?: number | undefined;

  /** The longest answer, in bytes: servers send longer ones than they take. Default: 64 MiB. */
  readonly replyBytesMax?: number | undefined;

  /** Requests that may be sent and not yet answered; the others wait. Default: 4,096. */
  readonly inFlightRequestsMax?: number | undefined;

  /** Requests that may wait to be sent; one more fails at once. Default: 100,000. */
  readonly waitingRequestsMax?: number | undefined;

  /** Where state changes are reported. Default: nowhere. */
  readonly log?: Log | undefined;

  /** The network. Default: that of the machine. */
  readonly network?: Network | undefined;

  /** The clock. Default: that of the machine. */
  readonly clock?: Clock | undefined;

  /** Randomness, for shuffling and back-off. Default: that of the machine. */
  readonly random?: Random | undefined;
}

/** Options with everything decided. */
export interface ClientSettings {
  readonly target: ConnectionTarget;
  readonly session: Omit<SessionSettings, 'serverCount'>;
  readonly requestDeadlineMs: number;
  readonly closeTimeoutMs: number;
  readonly auth: readonly AuthIdentity[];
  readonly log: Log;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
}

const SESSION_TIMEOUT_MS_MAX = 0x7fff_ffff;
const REPLY_BYTES_MAX_DEFAULT = 64 * 1024 * 1024;
const LIMIT_MAX = 0x7fff_ffff;

interface Range {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

function numberOption(name: string, value: number | undefined, range: Range): number {
  const { fallback, min, max } = range;
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`${name} must be from ${min} to ${max}, not ${String(value)}`);
}

function targetOf(options: ZooKeeperOptions): ConnectionTarget {
  const { servers, chroot } = options;
  // Callers without types can pass anything, and often an unset environment variable.
  if (typeof servers !== 'string' && !Array.isArray(servers)) {
    throw new InvalidConnectionStringError(
      `servers must be a string like "localhost:2181" or a list, not ${typeof servers}`,
    );
  }
  const text = typeof servers === 'string' ? servers : servers.join(',');
  const target = parseConnectionString(text);
  if (chroot === undefined) return target;
  if (target.chroot !== '/') {
    throw new InvalidConnectionStringError(`"${text}" and the option chroot both name a chroot`);
  }
  const problem = pathProblem(chroot);
  if (problem !== null) throw new InvalidConnectionStringError(`chroot: ${problem}`);
  return { ...target, chroot };
}

/** Checks `options` and fills in what they leave out. @throws {InvalidArgumentError} */
export function settingsOf(options: ZooKeeperOptions): ClientSettings {
  const count = (name: keyof ZooKeeperOptions, fallback: number) =>
    numberOption(name, options[name] as number | undefined, { fallback, min: 1, max: LIMIT_MAX });
  const wait = (name: keyof ZooKeeperOptions, fallback: number) =>
    numberOption(name, options[name] as number | undefined, { fallback, min: 0, max: Infinity });
  const sessionTimeout = { fallback: 15_000, min: 1, max: SESSION_TIMEOUT_MS_MAX };
  const holdFraction = { fallback: 2 / 3, min: Number.EPSILON, max: 1 };
  return {
    target: targetOf(options),
    session: {
      sessionTimeoutMs: Math.round(
        numberOption('sessionTimeoutMs', options.sessionTimeoutMs, sessionTimeout),
      ),
      holdFraction: numberOption('holdFraction', options.holdFraction, holdFraction),
      readOnlyAllowed: options.readOnlyAllowed ?? false,
      frameBytesMax: count('frameBytesMax', FRAME_BYTES_MAX_DEFAULT),
      replyBytesMax: count('replyBytesMax', REPLY_BYTES_MAX_DEFAULT),
      inFlightRequestsMax: count('inFlightRequestsMax', 4_096),
      waitingRequestsMax: count('waitingRequestsMax', 100_000),
    },
    requestDeadlineMs: wait('requestDeadlineMs', 30_000),
    closeTimeoutMs: wait('closeTimeoutMs', 3_000),
    auth: options.auth ?? [],
    log: options.log ?? silentLog,
    network: options.network ?? new NodeNetwork(),
    clock: options.clock ?? new SystemClock(),
    random: options.random ?? new SystemRandom(),
  };
}
