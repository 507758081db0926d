import { describe, expect, it } from '@jest/globals';
import { JuteError, JuteReader, JuteWriter, encode, type Codec } from '@aviary/jute';
import {
  OpCode,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
  closeSessionTxn,
  readTransaction,
  txnCodec,
  txnDigest,
  txnHeader,
  type Transaction,
} from '@aviary/protocol';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';

const logs = [
  'standalone/log.1',
  'standalone/log.24',
  'ensemble/server1/log.200000001',
  'ensemble/server3/log.100000001',
  'ensemble/server3/log.200000004',
  'trunc/before/log.100000001',
  'trunc/after/log.100000001',
  'reconfig/log.100000001',
];

const FILE_HEADER_BYTES = 16;

/** Payloads of a log: behind the file's header stand i64 checksum, i32 length, payload, 0x42. */
function payloadsOf(file: string): Uint8Array[] {
  const bytes = goldenDiskFile(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const payloads: Uint8Array[] = [];
  let at = FILE_HEADER_BYTES;
  while (at + 12 <= bytes.length) {
    const length = view.getInt32(at + 8);
    if (length === 0) break;
    payloads.push(bytes.subarray(at + 12, at + 12 + length));
    expect(bytes[at + 12 + length]).toBe(0x42);
    at += 12 + length + 1;
  }
  return payloads;
}

function codecOf(type: number): Codec<unknown> {
  const codec = txnCodec(type);
  if (codec === undefined) throw new Error(`no codec for type ${type}`);
  return codec;
}

interface SubTransaction {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Writes a transaction anew; the parts of a multi are decoded and encoded one by one as well. */
function encodeAnew({ header, record, digest }: Transaction): Uint8Array {
  const writer = new JuteWriter();
  txnHeader.write(writer, header);
  let body = record;
  if (header.type === OpCode.multi) {
    const { txns } = record as { txns: SubTransaction[] };
    const anew = txns.map(({ type, data }) => {
      const reader = new JuteReader(data);
      const value = codecOf(type).read(reader);
      expect(reader.remaining).toBe(0);
      return { type, data: encode(codecOf(type), value) };
    });
    body = { txns: anew };
  }
  if (body !== null) codecOf(header.type).write(writer, body);
  if (digest !== null) txnDigest.write(writer, digest);
  return writer.take();
}

function failureOf(reader: JuteReader): unknown {
  try {
    return readTransaction(reader);
  } catch (error) {
    return error;
  }
}

describe.each(logs)('transactions of %s', (file) => {
  it('decode, and encode to the same bytes', () => {
    const payloads = payloadsOf(file);
    expect(payloads.length).toBeGreaterThan(0);
    for (const payload of payloads) {
      const reader = new JuteReader(payload);
      const transaction = readTransaction(reader);
      expect(reader.remaining).toBe(0);
      expect(Buffer.from(encodeAnew(transaction))).toEqual(Buffer.from(payload));
    }
  });

  it('have ascending zxids, the first of them in the name of the file', () => {
    const zxids = payloadsOf(file).map(
      (bytes) => readTransaction(new JuteReader(bytes)).header.zxid,
    );
    expect(zxids[0]?.toString(16)).toBe(file.split('.').at(-1));
    for (let at = 1; at < zxids.length; at++) expect(zxids[at]! > zxids[at - 1]!).toBe(true);
  });

  it('end early with a JuteError wherever they are cut', () => {
    for (const payload of payloadsOf(file)) {
      const whole = readTransaction(new JuteReader(payload));
      const bodyEnd = payload.length - (whole.digest === null ? 0 : TXN_DIGEST_BYTES);
      for (let length = 0; length < bodyEnd; length++) {
        // Such a closeSession is one without its record.
        const left = length - TXN_HEADER_BYTES;
        const isShort = (left >= 0 && left < 4) || left === TXN_DIGEST_BYTES;
        if (whole.header.type === OpCode.closeSession && isShort) continue;
        expect(failureOf(new JuteReader(payload, 0, length))).toBeInstanceOf(JuteError);
      }
    }
  });
});

describe('the recorded logs', () => {
  it('hold every type of transaction', () => {
    const types = new Set<number>();
    for (const payload of logs.flatMap((file) => payloadsOf(file))) {
      const { header, record } = readTransaction(new JuteReader(payload));
      types.add(header.type);
      if (header.type !== OpCode.multi) continue;
      for (const { type } of (record as { txns: SubTransaction[] }).txns) types.add(type);
    }
    const all = Object.values(OpCode).filter((type) => txnCodec(type) !== undefined);
    // Only the server itself makes deleteContainer, and it did not while these were recorded.
    const expected = all.filter((type) => type !== OpCode.deleteContainer);
    expect([...types].sort()).toEqual(expected.sort());
  });
});

describe('readTransaction', () => {
  const header = { clientId: 1n, cxid: 2, zxid: 3n, time: 4n, type: OpCode.closeSession };
  const digest = { version: 2, treeDigest: 0x0000_0001_4141_4141n };

  function payload(...parts: Uint8Array[]): JuteReader {
    return new JuteReader(Buffer.concat([encode(txnHeader, header), ...parts]));
  }

  it('takes a closeSession without its record', () => {
    expect(readTransaction(payload())).toEqual({ header, record: null, digest: null });
  });

  it('takes the digest of a closeSession without its record for a digest', () => {
    expect(readTransaction(payload(encode(txnDigest, digest)))).toEqual({
      header,
      record: null,
      digest,
    });
  });

  it('takes a list of paths as long as a digest for paths', () => {
    const record = { paths2Delete: ['/abc'] };
    expect(readTransaction(payload(encode(closeSessionTxn, record)))).toEqual({
      header,
      record,
      digest: null,
    });
  });

  it('refuses a type that no server can replay', () => {
    const unknown = encode(txnHeader, { ...header, type: OpCode.exists });
    expect(() => readTransaction(new JuteReader(unknown))).toThrow(
      new JuteError('unknown transaction type 3'),
    );
  });
});
