import { JuteError, bool, int, record, type Codec, type Infer } from '@aviary/jute';
import { OpCode } from './opcodes.js';
import {
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  pathWatchRequest,
  setDataRequest,
  type CheckVersionRequest,
  type CreateRequest,
  type CreateTtlRequest,
  type DeleteRequest,
  type PathWatchRequest,
  type SetDataRequest,
} from './requests.js';
import {
  create2Response,
  createResponse,
  errorResponse,
  getChildrenResponse,
  getDataResponse,
  statResponse,
  type Create2Response,
  type CreateResponse,
  type ErrorResponse,
  type GetChildrenResponse,
  type GetDataResponse,
  type StatResponse,
} from './replies.js';

/** `zookeeper.jute`, class MultiHeader. `done` marks the end of a request or a reply. */
export const multiHeader = record('MultiHeader', { type: int, done: bool, err: int });
export type MultiHeader = Infer<typeof multiHeader>;

/** Bytes of a MultiHeader on the wire. */
export const MULTI_HEADER_BYTES = 9;

/** What ends a multi request and a multi reply: type -1, done, err -1. */
export const MULTI_END: MultiHeader = { type: -1, done: true, err: -1 };

/** One operation of a multi (14) or a multiRead (22). */
export type MultiOperation =
  | { readonly type: 1 | 15 | 19; readonly request: CreateRequest }
  | { readonly type: 21; readonly request: CreateTtlRequest }
  | { readonly type: 2; readonly request: DeleteRequest }
  | { readonly type: 5; readonly request: SetDataRequest }
  | { readonly type: 13; readonly request: CheckVersionRequest }
  | { readonly type: 4 | 8; readonly request: PathWatchRequest };

/** The result of one operation of a multi. An error has type -1 and its code in `response.err`. */
export type MultiResult =
  | { readonly type: 1; readonly response: CreateResponse }
  | { readonly type: 15; readonly response: Create2Response }
  | { readonly type: 2 | 13; readonly response: null }
  | { readonly type: 5; readonly response: StatResponse }
  | { readonly type: 4; readonly response: GetDataResponse }
  | { readonly type: 8; readonly response: GetChildrenResponse }
  | { readonly type: -1; readonly response: ErrorResponse };

const operationCodecs = new Map<number, Codec<unknown>>([
  [OpCode.create, createRequest],
  [OpCode.create2, createRequest],
  [OpCode.createContainer, createRequest],
  [OpCode.createTTL, createTtlRequest],
  [OpCode.delete, deleteRequest],
  [OpCode.setData, setDataRequest],
  [OpCode.check, checkVersionRequest],
  [OpCode.getData, pathWatchRequest],
  [OpCode.getChildren, pathWatchRequest],
] as [number, Codec<unknown>][]);

const nothing: Codec<null> = { bytesMin: 0, read: () => null, write: () => undefined };

const resultCodecs = new Map<number, Codec<unknown>>([
  [OpCode.create, createResponse],
  [OpCode.create2, create2Response],
  [OpCode.delete, nothing],
  [OpCode.check, nothing],
  [OpCode.setData, statResponse],
  [OpCode.getData, getDataResponse],
  [OpCode.getChildren, getChildrenResponse],
  [OpCode.error, errorResponse],
] as [number, Codec<unknown>][]);

function sequence<T extends { readonly type: number }>(
  codecs: ReadonlyMap<number, Codec<unknown>>,
  body: 'request' | 'response',
  errOf: (item: T) => number,
): Codec<readonly T[]> {
  const codecOf = (type: number): Codec<unknown> => {
    const codec = codecs.get(type);
    if (codec === undefined) throw new JuteError(`type ${type} cannot stand in a multi`);
    return codec;
  };
  return {
    bytesMin: MULTI_HEADER_BYTES,
    read: (reader) => {
      const items: T[] = [];
      for (;;) {
        const header = multiHeader.read(reader);
        if (header.done) return items;
        items.push({ type: header.type, [body]: codecOf(header.type).read(reader) } as never);
      }
    },
    write: (writer, items) => {
      for (const item of items) {
        multiHeader.write(writer, { type: item.type, done: false, err: errOf(item) });
        codecOf(item.type).write(writer, (item as Record<string, unknown>)[body]);
      }
      multiHeader.write(writer, MULTI_END);
    },
  };
}

/** Body of a multi or multiRead request. */
export const multiRequest = sequence<MultiOperation>(operationCodecs, 'request', () => -1);

/** Body of a multi or multiRead reply. */
export const multiResponse = sequence<MultiResult>(resultCodecs, 'response', (item) =>
  item.type === -1 ? item.response.err : 0,
);
