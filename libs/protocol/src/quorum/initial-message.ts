import { assert, readInt32 } from '@aviary/foundation';
import { JuteError, JuteWriter, decodeUtf8 } from '@aviary/jute';
import {
  formatHostPort,
  isHost,
  isWildcardHost,
  parsePort,
  splitAddress,
  type HostPort,
} from './host-port.js';
import { PeerWireError } from './peer-wire-error.js';
import { INT64_MIN, readInt64, readServerId, writeInt64 } from './wide-integers.js';

/** What stands first on an election connection. QuorumCnxManager.InitialMessage. */
export interface InitialMessage {
  /** Null for an observer of before 3.5, which has none (QuorumPeer.OBSERVER_ID). */
  readonly serverId: number | null;
  /**
   * Where the sender can be called back, on its election port; wildcards are left out. None: ask
   * the configuration.
   */
  readonly addresses: readonly HostPort[];
}

/** One address; what every server since 3.5 understands. */
const VERSION_ONE_ADDRESS = -0x1_0000;
/** Several addresses; since 3.6, and only if `multiAddress.enabled` is set everywhere. */
const VERSION_SEVERAL_ADDRESSES = -0xffff;

const FIRST_BYTES = 8;
const HEAD_BYTES = 20;

/** The longest text of addresses, in bytes. QuorumCnxManager.maxBuffer. */
export const INITIAL_TEXT_BYTES_MAX = 2048;

/** Long.MAX_VALUE, in two halves. */
const OBSERVER_ID_HIGH = 0x7fff_ffff;
const OBSERVER_ID_LOW = -1;

/**
 * The bytes of the message, to be sent in one write: ZooKeeper's reader gives up on an address text
 * that comes in two pieces.
 *
 * @param isMultiAddress As `multiAddress.enabled`; without it there is one address.
 */
export function initialMessage(
  serverId: number,
  addresses: readonly HostPort[],
  isMultiAddress: boolean,
): Uint8Array {
  assert(addresses.length > 0, 'a server says where it can be called back');
  assert(isMultiAddress || addresses.length === 1, 'several addresses need multiAddress.enabled');
  const writer = new JuteWriter();
  const at = writer.reserve(16);
  const version = isMultiAddress ? VERSION_SEVERAL_ADDRESSES : VERSION_ONE_ADDRESS;
  writeInt64(writer.bytes, at, version);
  writeInt64(writer.bytes, at + 8, serverId);
  writer.ustring(addresses.map(formatHostPort).join('|'));
  assert(
    writer.position - HEAD_BYTES <= INITIAL_TEXT_BYTES_MAX,
    'the addresses of a server fit into its initial message',
  );
  return writer.take();
}

/**
 * Takes the initial message from an accepted connection, however its bytes come; at most 2 KiB are
 * held. What is behind it is for a NotificationReader, unless the connection is closed for the
 * order of the ids.
 */
export class InitialMessageReader {
  private held = new Uint8Array(HEAD_BYTES);
  private heldLength = 0;
  private needed = FIRST_BYTES;

  /** Up to where the last chunk was used. */
  stoppedAt = 0;

  /**
   * Takes of `chunk[start..end)` what belongs to the message.
   *
   * @returns The message once it is whole, else null. Not to be called again after the message.
   * @throws {PeerWireError} What came is no such message: close the connection.
   */
  push(chunk: Uint8Array, start: number, end: number): InitialMessage | null {
    let at = start;
    for (;;) {
      const taken = Math.min(this.needed - this.heldLength, end - at);
      this.held.set(chunk.subarray(at, at + taken), this.heldLength);
      this.heldLength += taken;
      at += taken;
      this.stoppedAt = at;
      if (this.heldLength < this.needed) return null;
      const message = this.take();
      if (message !== null) return message;
    }
  }

  /** Looks at what is held, and either has the message or needs more. */
  private take(): InitialMessage | null {
    if (this.needed === FIRST_BYTES) return this.takeFirst();
    if (this.needed === HEAD_BYTES) return this.takeHead();
    const serverId = serverIdAt(this.held, FIRST_BYTES);
    return { serverId, addresses: parseAddresses(textOf(this.held, HEAD_BYTES, this.needed)) };
  }

  /** The version; in the oldest form of the message, the id alone, which is never negative. */
  private takeFirst(): InitialMessage | null {
    const version = readInt64(this.held, 0);
    if (version >= 0) return { serverId: serverIdAt(this.held, 0), addresses: [] };
    if (version !== VERSION_ONE_ADDRESS && version !== VERSION_SEVERAL_ADDRESSES) {
      const shown = version === INT64_MIN ? 'Long.MIN_VALUE' : String(version);
      throw new PeerWireError(`initial message of version ${shown}: this server knows 1 and 2`);
    }
    this.needed = HEAD_BYTES;
    return null;
  }

  private takeHead(): null {
    const length = readInt32(this.held, FIRST_BYTES + 8);
    if (length < 1 || length > INITIAL_TEXT_BYTES_MAX) {
      throw new PeerWireError(
        `initial message with ${length} bytes of addresses: 1 to ${INITIAL_TEXT_BYTES_MAX} are allowed`,
      );
    }
    this.needed = HEAD_BYTES + length;
    const whole = new Uint8Array(this.needed);
    whole.set(this.held);
    this.held = whole;
    return null;
  }
}

function serverIdAt(bytes: Uint8Array, at: number): number | null {
  const isObserver =
    readInt32(bytes, at) === OBSERVER_ID_HIGH && readInt32(bytes, at + 4) === OBSERVER_ID_LOW;
  return isObserver ? null : readServerId(bytes, at);
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  try {
    return decodeUtf8(bytes, start, end);
  } catch (error) {
    if (!(error instanceof JuteError)) throw error;
    throw new PeerWireError(`initial message: ${error.message}`);
  }
}

function parseAddresses(text: string): readonly HostPort[] {
  const addresses = text.split('|').map((part): HostPort => {
    const [host = '', portText = '', ...rest] = splitAddress(part) ?? [];
    const port = parsePort(portText);
    if (!isHost(host) || port === null || rest.length > 0) {
      throw new PeerWireError(
        `initial message with the address ${JSON.stringify(part)}: it must be host:port`,
      );
    }
    return { host, port };
  });
  return addresses.filter(({ host }) => !isWildcardHost(host));
}
