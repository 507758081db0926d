export {
  bool,
  buffer,
  decode,
  encode,
  int,
  long,
  nullableUstring,
  nullableVector,
  record,
  ustring,
  vector,
} from './codec.js';
export type { Codec, Infer, RecordCodec } from './codec.js';
export { JuteError } from './error.js';
export { JuteReader, decodeUtf8 } from './reader.js';
export { JuteWriter } from './writer.js';
