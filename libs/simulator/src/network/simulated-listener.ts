import type { ByteStream, Listener, SocketAddress } from '@aviary/foundation';
import type { NetworkHost } from './fabric.js';
import type { SimulatedStream, StreamOwner } from './simulated-stream.js';

/** A port of a simulated host that accepts. */
export class SimulatedListener implements Listener {
  readonly local: SocketAddress;
  /** Whether it listens on every address of the host. */
  readonly isForAll: boolean;
  readonly home: StreamOwner;
  private readonly backlog: number;
  private readonly machine: NetworkHost;
  private readonly onAccept: (stream: ByteStream) => void;
  private waiting = 0;
  private isClosed = false;

  constructor(
    machine: NetworkHost,
    home: StreamOwner,
    options: { local: SocketAddress; isForAll: boolean; backlog: number },
    onAccept: (stream: ByteStream) => void,
  ) {
    this.machine = machine;
    this.home = home;
    this.local = options.local;
    this.isForAll = options.isForAll;
    this.backlog = options.backlog;
    this.onAccept = onAccept;
    machine.listeners.add(this);
  }

  /** Whether one more connection may wait to be accepted. */
  get hasRoom(): boolean {
    return this.waiting < this.backlog;
  }

  /** The kernel has completed a connection: the process accepts it in a turn of its own. */
  offer(stream: SimulatedStream): void {
    if (this.isClosed) {
      stream.refuse();
      return;
    }
    this.waiting++;
    this.home.owner.post(0, () => {
      this.waiting--;
      if (this.isClosed) stream.refuse();
      else this.onAccept(stream);
    });
  }

  close(): Promise<void> {
    this.drop();
    return Promise.resolve();
  }

  /** Closes without ceremony, as the end of the process does. */
  drop(): void {
    this.isClosed = true;
    this.machine.listeners.delete(this);
  }
}
