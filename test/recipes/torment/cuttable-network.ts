import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** Changes the first bytes of a connection on their way to who accepts it. */
export type Rewrite = (bytes: Buffer) => Buffer;

/** Who stands at the two ends of a {@link CuttableNetwork.door}. */
export interface DoorFacts {
  /** Who comes in here. */
  readonly from: string;
  /** Who is behind it. */
  readonly to: string;
  /** Where that one listens, on this machine. */
  readonly port: number;
  readonly rewrite?: Rewrite;
}

const HOST = '127.0.0.1';

/**
 * A network that can be cut: ports of this process, which pass on what comes to where it belongs.
 *
 * A cut closes nothing. Bytes stop, and with them the news that the other end has closed; new
 * connections are taken and lead nowhere. So both ends can only conclude from silence. With the
 * healing whatever was cut is reset.
 */
export class CuttableNetwork {
  private readonly cuts = new Set<string>();
  private readonly servers: Server[] = [];
  private readonly wires = new Set<Wire>();

  /** Opens a port for one who connects and one who is connected to. @returns The port. */
  async door(facts: DoorFacts): Promise<number> {
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
    const server = createServer(options, (near) => {
      const wire: Wire = new Wire(near, facts, this, () => this.wires.delete(wire));
      this.wires.add(wire);
    });
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    return (server.address() as AddressInfo).port;
  }

  /** Lets nothing through any more from one to the other; the way back stays. */
  cut(from: string, to: string): void {
    this.cuts.add(way(from, to));
    for (const wire of this.wires) wire.look();
  }

  /** Lets everything through again, and resets the connections that were cut. */
  heal(): void {
    this.cuts.clear();
    for (const wire of this.wires) wire.heal();
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(way(from, to));
  }

  /** Closes all doors and all that goes through them. */
  async close(): Promise<void> {
    const closed = this.servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    for (const wire of this.wires) wire.reset();
    await Promise.all(closed);
  }
}

function way(from: string, to: string): string {
  return `${from} > ${to}`;
}

/** One connection through a door. */
class Wire {
  private far: Socket | null = null;
  /** Something of it was held back: what it carries is not to be trusted any more. */
  private isMaimed = false;

  constructor(
    private readonly near: Socket,
    private readonly facts: DoorFacts,
    private readonly network: CuttableNetwork,
    private readonly onGone: () => void,
  ) {
    near.on('error', () => undefined);
    near.on('close', () => this.onClosed(near));
    this.look();
    // A handshake needs both ways.
    if (!this.isMaimed) this.reachOut();
  }

  /** Stops what may not pass. */
  look(): void {
    const { near, far } = this;
    if (this.isHeldBack(near)) near.pause();
    if (this.isHeldBack(far)) far?.pause();
    this.isMaimed ||= this.isHeldBack(near) || this.isHeldBack(far);
  }

  heal(): void {
    if (this.isMaimed) this.reset();
  }

  reset(): void {
    for (const socket of [this.near, this.far]) socket?.resetAndDestroy();
    this.onGone();
  }

  private reachOut(): void {
    const far = connect({ host: HOST, port: this.facts.port, allowHalfOpen: true, noDelay: true });
    this.far = far;
    far.on('error', () => undefined);
    far.on('close', () => this.onClosed(far));
    far.once('connect', () => {
      this.pass(this.near, far, this.facts.rewrite);
      this.pass(far, this.near);
      this.look();
    });
  }

  private pass(from: Socket, to: Socket, rewrite?: Rewrite): void {
    let change = rewrite;
    from.on('data', (bytes: Buffer) => {
      const isTaken = to.write(change?.(bytes) ?? bytes);
      change = undefined;
      if (isTaken) return;
      from.pause();
      to.once('drain', () => {
        if (!this.isHeldBack(from)) from.resume();
      });
    });
    from.on('end', () => to.end());
    from.resume();
  }

  /** Whether what this end sends may not pass now. */
  private isHeldBack(end: Socket | null): boolean {
    const { from, to } = this.facts;
    return end === this.near ? this.network.isCut(from, to) : this.network.isCut(to, from);
  }

  private onClosed(end: Socket): void {
    const other = end === this.near ? this.far : this.near;
    // The other end hears of it when the network is whole again.
    if (this.isHeldBack(end)) return;
    if (other?.destroyed === false) other.resetAndDestroy();
    else this.onGone();
  }
}
