import { int, long, record, type Infer } from '@aviary/jute';

/** `zookeeper.jute`, module org.apache.zookeeper.data, class Stat. Times are ms since 1970. */
export const stat = record('Stat', {
  czxid: long,
  mzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
});
export type Stat = Infer<typeof stat>;

/** Bytes of a Stat on the wire. */
export const STAT_BYTES = 68;

/** Where each field of a Stat starts. */
export const StatOffset = {
  czxid: 0,
  mzxid: 8,
  ctime: 16,
  mtime: 24,
  version: 32,
  cversion: 36,
  aversion: 40,
  ephemeralOwner: 44,
  dataLength: 52,
  numChildren: 56,
  pzxid: 60,
} as const;
