import { readInt32, type ByteStream, type Clock } from '@aviary/foundation';
import { fourLetterWord } from '@aviary/protocol';
import type { HeldStreams } from './held-streams.js';
import { PeekedStream } from './peeked-stream.js';

/**
 * Clients that come while nobody is served: four-letter words are answered at once, and everybody else
 * waits. ZooKeeper closes their connections, and they go from server to server until one serves.
 */
export class HeldClients {
  constructor(
    private readonly clock: Clock,
    private readonly held: HeldStreams,
    private readonly answer: (word: string) => string,
  ) {}

  /** Keeps a client until the member serves, or the time is over. */
  hold(stream: ByteStream): void {
    const client: PeekedStream = new PeekedStream(stream, this.clock, {
      onHead: (head) => this.onHead(client, head),
      onGone: () => this.held.forget(client),
    });
    this.held.hold(client);
    client.peek();
  }

  /** Hands over every client. */
  release(take: (stream: ByteStream) => void): void {
    this.held.release(take);
  }

  closeAll(): void {
    this.held.closeAll();
  }

  private onHead(client: PeekedStream, head: Uint8Array): void {
    const word = fourLetterWord(readInt32(head, 0));
    if (word === undefined) return;
    this.held.forget(client);
    // It fits into what the operating system takes of a new connection: nobody can hold it up.
    client.write(Buffer.from(this.answer(word)));
    client.end();
  }
}
