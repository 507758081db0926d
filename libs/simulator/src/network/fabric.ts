import type { SocketAddress } from '@aviary/foundation';
import { drawDelayUs } from '../delay.js';
import type { SeededRandom } from '../seeded-random.js';
import type { Timeline } from '../time/timeline.js';
import type { Trace } from '../trace.js';
import { Links } from './links.js';
import type { NetworkModel } from './network-model.js';
import type { SimulatedListener } from './simulated-listener.js';
import { READ_BYTES_MAX, type SimulatedStream } from './simulated-stream.js';

/** The first port of those that outgoing connections and `port: 0` get. */
const EPHEMERAL_PORT_FIRST = 32_768;

/** A machine as the network sees it. */
export interface NetworkHost {
  readonly name: string;
  /** The first one is where its connections come from. */
  readonly addresses: readonly string[];
  /** False while it has no power: it then answers nothing, not even with a refusal. */
  isUp: boolean;
  readonly listeners: Set<SimulatedListener>;
  /** Ends of connections that a process of the host has. */
  readonly streams: Set<SimulatedStream>;
  nextPort: number;
}

export interface FabricOptions {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly random: SeededRandom;
  readonly model: NetworkModel;
}

/** The network between the hosts: names, addresses, links and what travels on them. */
export class Fabric {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly random: SeededRandom;
  readonly model: NetworkModel;
  readonly links: Links;
  /** All reads of all hosts go through this buffer, as they do in a host that reuses it. */
  readonly readBuffer = new Uint8Array(READ_BYTES_MAX + 16);
  private readonly hosts = new Map<string, NetworkHost>();
  private readonly hostOfAddress = new Map<string, NetworkHost>();
  private readonly names = new Map<string, readonly string[]>();

  constructor(options: FabricOptions) {
    this.timeline = options.timeline;
    this.trace = options.trace;
    this.random = options.random;
    this.model = options.model;
    this.links = new Links(options.model);
  }

  addHost(name: string, addresses: readonly string[]): NetworkHost {
    const host: NetworkHost = {
      name,
      addresses,
      isUp: true,
      listeners: new Set(),
      streams: new Set(),
      nextPort: EPHEMERAL_PORT_FIRST,
    };
    this.hosts.set(name, host);
    for (const address of addresses) this.hostOfAddress.set(address, host);
    this.names.set(name, addresses);
    return host;
  }

  /** Lets `name` stand for `addresses` from now on. */
  setName(name: string, addresses: readonly string[]): void {
    this.names.set(name, addresses);
  }

  addressesOf(name: string): readonly string[] | null {
    return this.names.get(name) ?? null;
  }

  /** The host that `from` reaches at `address`; null: nobody has it. */
  hostAt(from: NetworkHost, address: string): NetworkHost | null {
    if (isLoopback(address)) return from;
    return this.hostOfAddress.get(address) ?? null;
  }

  /** Who listens for connections to `to` on `host`; null: they are refused. */
  listenerAt(host: NetworkHost, to: SocketAddress): SimulatedListener | null {
    for (const listener of host.listeners) {
      const { address, port } = listener.local;
      if (port === to.port && (listener.isForAll || address === to.address)) return listener;
    }
    return null;
  }

  /** Whether a segment that `from` sent now arrives at `to`. */
  canReach(from: string, to: string): boolean {
    return this.hosts.get(to)?.isUp === true && !this.links.isCut(from, to);
  }

  /** Draws how long a segment takes. */
  delayUs(from: string, to: string): number {
    return drawDelayUs(this.random, this.links.modelOf(from, to).delay);
  }

  /** Sends a reset to `stream`. Like every single segment it may be lost, and nobody repeats it. */
  sendReset(from: string, stream: SimulatedStream): void {
    this.timeline.schedule(this.delayUs(from, stream.host), null, () => {
      if (this.canReach(from, stream.host)) stream.onBroken('ECONNRESET');
    });
  }

  /** Breaks every connection between the two hosts at once, at both ends. */
  resetBetween(one: string, other: string): void {
    const ends = [...(this.hosts.get(one)?.streams ?? [])];
    for (const stream of ends) {
      const peer = stream.peerStream;
      if (peer?.host !== other) continue;
      stream.onBroken('ECONNRESET');
      peer.onBroken('ECONNRESET');
    }
  }

  note(kind: string, host: string, value: number): void {
    this.trace.note(this.timeline.nowUs, kind, host, value);
  }
}

/** Whether `address` means the host itself. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Whether `name` is already an address. */
export function isNumericAddress(name: string): boolean {
  return name.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}
