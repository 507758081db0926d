import { JuteError, JuteReader, JuteWriter, type Codec } from '@aviary/jute';
import {
  OpCode,
  Xid,
  addWatchRequest,
  authPacket,
  checkVersionRequest,
  connectRequest,
  connectResponse,
  create2Response,
  createRequest,
  createResponse,
  createTtlRequest,
  deleteContainerRequest,
  deleteRequest,
  errorResponse,
  getAclResponse,
  getAllChildrenNumberResponse,
  getChildren2Response,
  getChildrenResponse,
  getDataResponse,
  getEphemeralsRequest,
  getEphemeralsResponse,
  multiRequest,
  multiResponse,
  pathRequest,
  pathWatchRequest,
  readOnlyField,
  reconfigRequest,
  replyHeader,
  requestHeader,
  saslToken,
  setAclRequest,
  setDataRequest,
  setWatches,
  setWatches2,
  statResponse,
  syncRequest,
  syncResponse,
  watchTypeRequest,
  watcherEvent,
  whoAmIResponse,
  type ReplyHeader,
} from '@aviary/protocol';

const LENGTH_BYTES = 4;

type AnyCodec = Codec<unknown>;

const nothing: AnyCodec = { bytesMin: 0, read: () => null, write: () => undefined };

/** What stands behind the header of a request, and behind that of its reply. */
const bodies = new Map<number, readonly [request: AnyCodec, reply: AnyCodec]>([
  [OpCode.create, [createRequest, createResponse]],
  [OpCode.delete, [deleteRequest, nothing]],
  [OpCode.exists, [pathWatchRequest, statResponse]],
  [OpCode.getData, [pathWatchRequest, getDataResponse]],
  [OpCode.setData, [setDataRequest, statResponse]],
  [OpCode.getACL, [pathRequest, getAclResponse]],
  [OpCode.setACL, [setAclRequest, statResponse]],
  [OpCode.getChildren, [pathWatchRequest, getChildrenResponse]],
  [OpCode.sync, [syncRequest, syncResponse]],
  [OpCode.ping, [nothing, nothing]],
  [OpCode.getChildren2, [pathWatchRequest, getChildren2Response]],
  [OpCode.check, [checkVersionRequest, nothing]],
  [OpCode.multi, [multiRequest, multiResponse]],
  [OpCode.create2, [createRequest, create2Response]],
  [OpCode.reconfig, [reconfigRequest, getDataResponse]],
  [OpCode.checkWatches, [watchTypeRequest, nothing]],
  [OpCode.removeWatches, [watchTypeRequest, nothing]],
  [OpCode.createContainer, [createRequest, create2Response]],
  [OpCode.deleteContainer, [deleteContainerRequest, nothing]],
  [OpCode.createTTL, [createTtlRequest, create2Response]],
  [OpCode.multiRead, [multiRequest, multiResponse]],
  [OpCode.auth, [authPacket, nothing]],
  [OpCode.setWatches, [setWatches, nothing]],
  [OpCode.sasl, [saslToken, saslToken]],
  [OpCode.getEphemerals, [getEphemeralsRequest, getEphemeralsResponse]],
  [OpCode.getAllChildrenNumber, [pathRequest, getAllChildrenNumberResponse]],
  [OpCode.setWatches2, [setWatches2, nothing]],
  [OpCode.addWatch, [addWatchRequest, errorResponse]],
  [OpCode.whoAmI, [nothing, whoAmIResponse]],
  [OpCode.closeSession, [nothing, nothing]],
] as [number, readonly [AnyCodec, AnyCodec]][]);

/** Reads a sequence of codecs and writes the values again; collects the bytes of the second. */
class RoundTrip {
  readonly values: unknown[] = [];
  private readonly reader: JuteReader;
  private readonly writer = new JuteWriter();

  constructor(frame: Uint8Array) {
    this.reader = new JuteReader(frame);
    this.writer.int(this.reader.int());
  }

  through<T>(codec: Codec<T>): T {
    const value = codec.read(this.reader);
    codec.write(this.writer, value);
    this.values.push(value);
    return value;
  }

  get isAtEnd(): boolean {
    return this.reader.remaining === 0;
  }

  finish(): Decoded {
    if (!this.isAtEnd) throw new JuteError(`${this.reader.remaining} bytes stand behind`);
    return { values: this.values, bytes: this.writer.take() };
  }
}

/** The values of a frame, and the frame that our codecs make of them. */
export interface Decoded {
  readonly values: readonly unknown[];
  readonly bytes: Uint8Array;
}

/** One connection as both sides see it: knows what each frame must be. */
export class WireConversation {
  /** Types of the requests that have no reply yet, by xid. */
  private readonly asked = new Map<number, number>();
  private hasGreeted = false;
  private isAccepted = false;
  private isNested = false;

  /** @throws {JuteError} The frame is no request, or bytes stand behind it. */
  sent(frame: Uint8Array): Decoded {
    const trip = new RoundTrip(frame);
    if (!this.hasGreeted) {
      this.hasGreeted = true;
      trip.through(connectRequest);
      if (!trip.isAtEnd) trip.through(readOnlyField);
      return trip.finish();
    }
    const { xid, type } = trip.through(requestHeader);
    this.asked.set(type === OpCode.ping ? Xid.ping : xid, type);
    this.isNested = type === OpCode.createSession;
    // Behind an operation that nobody knows anything may stand.
    if (bodies.has(type)) trip.through(bodies.get(type)![0]);
    else if (!trip.isAtEnd) return { values: trip.values, bytes: frame };
    return trip.finish();
  }

  /** @throws {JuteError} The frame is no reply to what was asked, nor an event. */
  received(frame: Uint8Array): Decoded {
    const trip = new RoundTrip(frame);
    if (!this.isAccepted || this.isNested) {
      this.isAccepted = true;
      trip.through(connectResponse);
      if (!trip.isAtEnd) trip.through(readOnlyField);
      return trip.finish();
    }
    const header = trip.through(replyHeader);
    if (header.xid === Xid.notification && !this.asked.has(header.xid)) trip.through(watcherEvent);
    else this.reply(header, trip);
    return trip.finish();
  }

  private reply({ xid, err }: ReplyHeader, trip: RoundTrip): void {
    const type = this.asked.get(xid);
    if (type === undefined) throw new JuteError(`nobody asked with xid ${xid}`);
    this.asked.delete(xid);
    if (err === 0) trip.through(bodies.get(type)![1]);
  }
}

/** Operations that a client may send and that have a reply. */
export const operations: readonly number[] = [...bodies.keys()];

/** The type of the request in `frame`, which is not the first of its connection. */
export function typeOfRequest(frame: Uint8Array): number {
  return new JuteReader(frame, LENGTH_BYTES + 4).int();
}
