import { JuteReader, JuteWriter, type Codec } from '@aviary/jute';
import {
  OpCode,
  getChildren2Response,
  getChildrenResponse,
  getEphemeralsResponse,
  multiResponse,
  whoAmIResponse,
  type MultiResult,
} from '@aviary/protocol';

const HEADER_BYTES = 4 + 16;

const sorted = (names: readonly string[]) => [...names].sort();

const sortedResult = (result: MultiResult): MultiResult =>
  result.type === OpCode.getChildren
    ? { type: result.type, response: { children: sorted(result.response.children) } }
    : result;

/** Replies whose lists come in no particular order, and the same with their lists sorted. */
const sorters = new Map<number, (reader: JuteReader, writer: JuteWriter) => void>();

function sorter<T>(type: number, codec: Codec<T>, sort: (value: T) => T): void {
  sorters.set(type, (reader, writer) => codec.write(writer, sort(codec.read(reader))));
}

sorter(OpCode.getChildren, getChildrenResponse, ({ children }) => ({ children: sorted(children) }));
sorter(OpCode.getChildren2, getChildren2Response, ({ children, stat }) => ({
  children: sorted(children),
  stat,
}));
sorter(OpCode.getEphemerals, getEphemeralsResponse, ({ ephemerals }) => ({
  ephemerals: sorted(ephemerals),
}));
sorter(OpCode.whoAmI, whoAmIResponse, ({ clientInfo }) => ({
  clientInfo: [...clientInfo].sort((a, b) => (a.user < b.user ? -1 : 1)),
}));
sorter(OpCode.multiRead, multiResponse, (results) => results.map(sortedResult));

/** The reply frame with its list in one order; as it is where the order of a reply is fixed. */
export function inOneOrder(type: number, frame: Uint8Array): Uint8Array {
  const sort = sorters.get(type);
  if (sort === undefined || frame.length === HEADER_BYTES) return frame;
  const writer = new JuteWriter();
  writer.raw(frame.subarray(0, HEADER_BYTES));
  sort(new JuteReader(frame, HEADER_BYTES), writer);
  return writer.take();
}
