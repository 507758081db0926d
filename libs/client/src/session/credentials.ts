import type { JuteWriter } from '@aviary/jute';
import { OpCode, Xid, authPacket } from '@aviary/protocol';
import { Deque } from './deque.js';
import type { Credential } from './session-io.js';

/**
 * The identities of a client. A server knows them per connection, so each new connection is told
 * of all of them, before anything else.
 */
export class Credentials {
  private readonly known: Credential[] = [];
  /** Sent on this connection and not yet answered, in order. */
  private readonly onWire = new Deque<Credential>();
  /** Those whose owner still waits to hear of them. */
  private readonly awaited = new Set<Credential>();

  add(credential: Credential): void {
    this.known.push(credential);
    this.awaited.add(credential);
  }

  /** Appends the packets for a new connection. */
  writeAll(writer: JuteWriter): void {
    for (const credential of this.known) this.write(writer, credential);
  }

  write(writer: JuteWriter, credential: Credential): void {
    const lengthAt = writer.reserve(4);
    writer.int(Xid.auth);
    writer.int(OpCode.auth);
    authPacket.write(writer, { type: 0, scheme: credential.scheme, auth: credential.auth });
    writer.intAt(lengthAt, writer.position - lengthAt - 4);
    this.onWire.push(credential);
  }

  /** The oldest packet was answered. Null: none was sent. `awaited`: its owner waits to hear. */
  answered(): { readonly credential: Credential; readonly awaited: boolean } | null {
    const credential = this.onWire.shift();
    if (credential === undefined) return null;
    return { credential, awaited: this.awaited.delete(credential) };
  }

  connectionLost(): void {
    this.onWire.drain();
  }

  /** Those whose owners still wait, who are now to be told that nothing more will come. */
  abandon(): Credential[] {
    const rest = [...this.awaited];
    this.awaited.clear();
    return rest;
  }
}
