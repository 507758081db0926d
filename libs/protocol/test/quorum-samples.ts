import { expect } from '@jest/globals';
import { JuteWriter } from '@aviary/jute';
import {
  PACKET_DATA_BYTES_MAX_DEFAULT,
  PeerWireError,
  QuorumPacketReader,
  QuorumPacketWriter,
  type QuorumPacket,
  type QuorumPacketSink,
} from '@aviary/protocol';

/** Keeps a copy of every packet, as a sink that keeps anything must. */
export class KeepingSink implements QuorumPacketSink {
  readonly packets: QuorumPacket[] = [];

  onPacket({ ...packet }: QuorumPacket): boolean {
    this.packets.push({ ...packet, bytes: packet.bytes.slice() });
    return true;
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function bytesOf(...groups: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(groups.join('').replaceAll(' ', ''), 'hex'));
}

export function written(write: (writer: QuorumPacketWriter) => void): Uint8Array {
  const writer = new QuorumPacketWriter();
  write(writer);
  return writer.output.take();
}

/** The only packet in `bytes`. */
export function packetOf(bytes: Uint8Array): QuorumPacket {
  const sink = new KeepingSink();
  const reader = new QuorumPacketReader(PACKET_DATA_BYTES_MAX_DEFAULT);
  reader.push(bytes, 0, bytes.length, sink);
  expect(reader.heldBytes).toBe(0);
  expect(sink.packets).toHaveLength(1);
  return sink.packets[0]!;
}

/** A packet of any type with this data. */
export function packetWith(data: Uint8Array | null, type = 99): QuorumPacket {
  const writer = new JuteWriter();
  writer.int(type);
  writer.long(0n);
  writer.buffer(data);
  writer.int(-1);
  return packetOf(writer.take());
}

/** The message of the error of the peer that `run` throws. */
export function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(PeerWireError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}
