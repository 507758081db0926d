import {
  ConnectError,
  type ByteStream,
  type Listener,
  type Network,
  type SocketAddress,
} from '@aviary/foundation';
import type { EventOwner } from '../time/event-owner.js';
import { isNumericAddress, type Fabric, type NetworkHost } from './fabric.js';
import { Handshake } from './handshake.js';
import { SimulatedListener } from './simulated-listener.js';
import type { SimulatedStream, StreamOwner } from './simulated-stream.js';

const BACKLOG_DEFAULT = 511;

/** Why a host did not listen; `code` as Node names it. */
export class ListenError extends Error {
  /** `EADDRINUSE` or `EADDRNOTAVAIL`. */
  readonly code: string;

  constructor(code: string, address: string | null, port: number) {
    super(`cannot listen on ${address ?? '*'}:${port}: ${code}`);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A promise that never settles: what a process that is dead gets from everything. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function isWildcard(address: string | null): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The {@link Network} of one process. */
export class SimulatedNetwork implements Network, StreamOwner {
  readonly owner: EventOwner;
  private readonly fabric: Fabric;
  private readonly machine: NetworkHost;
  private readonly listeners = new Set<SimulatedListener>();
  private readonly streams = new Set<SimulatedStream>();

  constructor(fabric: Fabric, machine: NetworkHost, owner: EventOwner) {
    this.fabric = fabric;
    this.machine = machine;
    this.owner = owner;
  }

  get host(): string {
    return this.machine.name;
  }

  listen(
    options: { address: string | null; port: number; backlog?: number },
    onAccept: (stream: ByteStream) => void,
  ): Promise<Listener> {
    if (!this.owner.isAlive) return never();
    const { port } = options;
    const address = isWildcard(options.address) ? null : options.address;
    if (address !== null && this.fabric.hostAt(this.machine, address) !== this.machine) {
      return this.rejected(new ListenError('EADDRNOTAVAIL', address, port));
    }
    const local = { address: address ?? '0.0.0.0', port: port === 0 ? this.freePort() : port };
    if (this.isTaken(local, address === null)) {
      return this.rejected(new ListenError('EADDRINUSE', address, port));
    }
    const backlog = options.backlog ?? BACKLOG_DEFAULT;
    const isForAll = address === null;
    const listener = new SimulatedListener(
      this.machine,
      this,
      { local, isForAll, backlog },
      (stream) => {
        this.fabric.note('accepted', this.host, local.port);
        onAccept(stream);
      },
    );
    this.listeners.add(listener);
    return new Promise((resolve) => this.owner.post(0, () => resolve(listener)));
  }

  resolve(host: string): Promise<string[]> {
    if (!this.owner.isAlive) return never();
    const delayUs = isNumericAddress(host) ? 0 : this.fabric.delayUs(this.host, '');
    return new Promise((resolve, reject) => {
      this.owner.post(delayUs, () => {
        const addresses = this.addressesOf(host);
        if (addresses !== null) resolve([...addresses]);
        else reject(new ConnectError('ENOTFOUND', `cannot resolve host name "${host}"`));
      });
    });
  }

  connect(to: SocketAddress, timeoutMs: number): Promise<ByteStream> {
    if (!this.owner.isAlive) return never();
    return new Promise((resolve, reject) => {
      const handshake = new Handshake(this.fabric, this.machine, this, to, (outcome) => {
        if (outcome instanceof ConnectError) reject(outcome);
        else resolve(outcome);
      });
      handshake.begin(timeoutMs);
    });
  }

  /** Counts `stream` among those of the process. */
  adopt(stream: SimulatedStream): void {
    this.streams.add(stream);
    this.machine.streams.add(stream);
  }

  forget(stream: SimulatedStream): void {
    this.streams.delete(stream);
    this.machine.streams.delete(stream);
  }

  /** The process is gone, and with `vanish` its machine, too: then no peer is told. */
  shutDown(how: 'reset' | 'vanish'): void {
    for (const listener of this.listeners) listener.drop();
    this.listeners.clear();
    for (const stream of [...this.streams]) {
      if (how === 'vanish') stream.vanish();
      else stream.abandon();
    }
  }

  private addressesOf(host: string): readonly string[] | null {
    if (isNumericAddress(host)) return [host];
    if (host === 'localhost') return ['127.0.0.1'];
    return this.fabric.addressesOf(host);
  }

  private rejected(error: Error): Promise<never> {
    return new Promise((_resolve, reject) => this.owner.post(0, () => reject(error)));
  }

  private freePort(): number {
    while (this.isTaken({ address: '', port: this.machine.nextPort }, true)) {
      this.machine.nextPort++;
    }
    return this.machine.nextPort++;
  }

  private isTaken(local: SocketAddress, isForAll: boolean): boolean {
    for (const { local: other, isForAll: otherIsForAll } of this.machine.listeners) {
      if (other.port !== local.port) continue;
      if (isForAll || otherIsForAll || other.address === local.address) return true;
    }
    return false;
  }
}
