import type { ByteStream, StreamHandler } from '@aviary/foundation';
import type { SimulatedProcess } from '@aviary/simulator';
import type { Move } from './attacks.js';

const CONNECT_MS = 5000;

/** Makes the moves of one attack on a connection of its own, and listens to nothing. */
export class Attacker implements StreamHandler {
  isDone = false;
  private stream: ByteStream | null = null;
  private next = 0;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly target: { readonly address: string; readonly port: number },
    private readonly moves: readonly Move[],
  ) {}

  begin(): void {
    this.process.network.connect(this.target, CONNECT_MS).then(
      (stream) => {
        this.stream = stream;
        stream.start(this);
        this.move();
      },
      () => {
        this.isDone = true;
      },
    );
  }

  onBytes(): void {
    // What it is told does not matter to it.
  }

  onDrained(): void {
    // It does not wait for room either.
  }

  onClosed(): void {
    this.stream = null;
    this.isDone = true;
  }

  /** Lets go of the connection, wherever the attack is. */
  giveUp(): void {
    this.isDone = true;
    this.stream?.destroy();
  }

  private move(): void {
    for (;;) {
      const { stream } = this;
      const move = this.moves[this.next++];
      if (move === undefined || stream === null) {
        this.isDone = true;
        return;
      }
      if (move.kind === 'wait') {
        this.process.clock.setTimer(move.ms, () => this.move());
        return;
      }
      if (move.kind === 'send') stream.write(move.bytes);
      else if (move.kind === 'stopReading') stream.pause();
      else if (move.kind === 'end') stream.end();
      else stream.destroy();
    }
  }
}
