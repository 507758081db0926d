import type { Codec } from '@aviary/jute';
import {
  OpCode,
  WatchEventType,
  create2Response,
  createResponse,
  errorResponse,
  getAclResponse,
  getAllChildrenNumberResponse,
  getChildren2Response,
  getChildrenResponse,
  getDataResponse,
  getEphemeralsResponse,
  multiResponse,
  saslToken,
  statResponse,
  syncResponse,
  watcherEvent,
  whoAmIResponse,
  type Acl,
  type MultiResult,
  type Stat,
} from '@aviary/protocol';
import { decodeWhole } from './encoding.js';

const nothing: Codec<null> = { bytesMin: 0, read: () => null, write: () => undefined };

const replyCodecs = new Map<number, Codec<unknown>>([
  [OpCode.create, createResponse],
  [OpCode.create2, create2Response],
  [OpCode.createContainer, create2Response],
  [OpCode.createTTL, create2Response],
  [OpCode.exists, statResponse],
  [OpCode.setData, statResponse],
  [OpCode.setACL, statResponse],
  [OpCode.getData, getDataResponse],
  [OpCode.getChildren, getChildrenResponse],
  [OpCode.getChildren2, getChildren2Response],
  [OpCode.getACL, getAclResponse],
  [OpCode.sync, syncResponse],
  [OpCode.multi, multiResponse],
  [OpCode.multiRead, multiResponse],
  [OpCode.getEphemerals, getEphemeralsResponse],
  [OpCode.getAllChildrenNumber, getAllChildrenNumberResponse],
  [OpCode.addWatch, errorResponse],
  [OpCode.whoAmI, whoAmIResponse],
  [OpCode.sasl, saslToken],
] as [number, Codec<unknown>][]);

const eventNames = new Map<number, string>(
  Object.entries(WatchEventType).map(([name, type]) => [type, name]),
);

/** Every field that any reply has; a reply has some of them. */
interface ReplyFields {
  readonly path?: string | null;
  readonly data?: Uint8Array | null;
  readonly stat?: Stat;
  readonly children?: readonly string[];
  readonly ephemerals?: readonly string[];
  readonly acl?: readonly Acl[];
  readonly clientInfo?: readonly { authScheme: string; user: string }[];
}

/**
 * Turns what one server says into text that another server says too: session ids become names,
 * in the order of their first sight, and times are checked against the transactions that they
 * belong to and then left out.
 */
export class Normaliser {
  private readonly sessions = new Map<bigint, string>([[0n, '-']]);
  /** When each transaction was, as the nodes tell it. */
  private readonly times = new Map<bigint, bigint>([[0n, 0n]]);

  /** The name of a session. */
  session(id: bigint): string {
    let name = this.sessions.get(id);
    if (name === undefined) {
      name = `session${this.sessions.size}`;
      this.sessions.set(id, name);
    }
    return name;
  }

  /** The body of a successful reply to an operation with this opcode. */
  reply(opcode: number, body: Uint8Array): string {
    const codec = replyCodecs.get(opcode) ?? nothing;
    const value = decodeWhole(codec, body);
    if (codec === nothing && body.length === 0) return '';
    if (value === null) return `not such a record: ${Buffer.from(body).toString('hex')}`;
    if (!Array.isArray(value)) return this.fields(value as ReplyFields);
    return (value as MultiResult[])
      .map(({ type, response }) => `[${type} ${this.fields((response ?? {}) as ReplyFields)}]`)
      .join(' ');
  }

  event(body: Uint8Array): string {
    const event = decodeWhole(watcherEvent, body);
    if (event === null) return `event of unknown form: ${Buffer.from(body).toString('hex')}`;
    const name = eventNames.get(event.type) ?? event.type;
    return `event ${name} ${JSON.stringify(event.path)} state=${event.state}`;
  }

  private fields(value: ReplyFields): string {
    const { stat, data, children, ephemerals, acl, clientInfo, ...rest } = value;
    const words: string[] = [];
    // Names and identities come in no particular order.
    if (clientInfo !== undefined) words.push(`ids=${JSON.stringify(sorted(clientInfo))}`);
    if (acl !== undefined) words.push(`acl=${JSON.stringify(stableOrder(acl))}`);
    if (children !== undefined) words.push(`children=${JSON.stringify([...children].sort())}`);
    if (ephemerals !== undefined) words.push(`paths=${JSON.stringify([...ephemerals].sort())}`);
    if (data !== undefined) words.push(`data=${describeData(data)}`);
    if (Object.keys(rest).length > 0) words.push(JSON.stringify(rest));
    if (stat !== undefined) words.push(this.stat(stat));
    return words.join(' ');
  }

  private stat(stat: Stat): string {
    const { czxid, mzxid, pzxid, version, cversion, aversion, ephemeralOwner } = stat;
    const times = this.timeOf(czxid, stat.ctime) + this.timeOf(mzxid, stat.mtime);
    return (
      `stat(c=${czxid} m=${mzxid} p=${pzxid} v=${version} cv=${cversion} av=${aversion} ` +
      `owner=${this.session(ephemeralOwner)} length=${stat.dataLength} ` +
      `children=${stat.numChildren}${times})`
    );
  }

  /** Empty if every node tells the same time of a transaction. */
  private timeOf(zxid: bigint, ms: bigint): string {
    const known = this.times.get(zxid);
    this.times.set(zxid, known ?? ms);
    return known === undefined || known === ms ? '' : ` time of ${zxid} off by ${ms - known} ms`;
  }
}

function sorted<T>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** A list keeps its order, but for the entries that `auth` became for one with several ids. */
function stableOrder(acl: readonly Acl[]): readonly Acl[] {
  const digests = acl.filter(({ id }) => id.scheme === 'digest');
  return digests.length > 1 ? sorted(acl) : acl;
}

function describeData(data: Uint8Array | null): string {
  if (data === null) return 'null';
  const text = Buffer.from(data).toString();
  return text.length <= 200 ? JSON.stringify(text) : `${data.length} bytes`;
}
