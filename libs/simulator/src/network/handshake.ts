import { ConnectError, type ByteStream, type SocketAddress } from '@aviary/foundation';
import type { SimulatedEvent } from '../time/event-queue.js';
import { isLoopback, type Fabric, type NetworkHost } from './fabric.js';
import { Pipe } from './pipe.js';
import type { SimulatedListener } from './simulated-listener.js';
import { SimulatedStream, type StreamOwner } from './simulated-stream.js';

/** Wait before the first repetition of an unanswered SYN; it doubles. */
const SYN_REPEAT_MS = 1000;

/** One attempt to connect, from the first SYN to the stream or the error. */
export class Handshake {
  private readonly fabric: Fabric;
  private readonly machine: NetworkHost;
  private readonly home: StreamOwner;
  private readonly to: SocketAddress;
  private readonly onOutcome: (outcome: ByteStream | ConnectError) => void;
  private timeout: SimulatedEvent | null = null;
  private isOver = false;
  private tries = 0;

  /** `onOutcome` is called once, from a turn of the process that connects. */
  constructor(
    fabric: Fabric,
    machine: NetworkHost,
    home: StreamOwner,
    to: SocketAddress,
    onOutcome: (outcome: ByteStream | ConnectError) => void,
  ) {
    this.fabric = fabric;
    this.machine = machine;
    this.home = home;
    this.to = to;
    this.onOutcome = onOutcome;
  }

  /** Sends the first SYN and gives up after `timeoutMs`. */
  begin(timeoutMs: number): void {
    const timeoutUs = Math.round(timeoutMs * 1000);
    this.timeout = this.home.owner.post(timeoutUs, () => this.fail('ETIMEDOUT'), true);
    this.sendSyn();
  }

  private sendSyn(): void {
    if (this.isOver || !this.home.owner.isAlive) return;
    const { fabric, machine } = this;
    const target = fabric.hostAt(machine, this.to.address);
    if (target === null) {
      this.repeatLater();
      return;
    }
    fabric.timeline.schedule(fabric.delayUs(machine.name, target.name), null, () => {
      if (fabric.canReach(machine.name, target.name)) this.answer(target);
      else this.repeatLater();
    });
  }

  private repeatLater(): void {
    const waitMs = SYN_REPEAT_MS * 2 ** this.tries++;
    this.fabric.timeline.schedule(waitMs * 1000, null, () => this.sendSyn());
  }

  /** The SYN has arrived at `target`: its kernel answers, with a SYN-ACK or a refusal. */
  private answer(target: NetworkHost): void {
    const { fabric, machine } = this;
    const listener = fabric.listenerAt(target, this.to);
    if (listener?.hasRoom === false) {
      this.repeatLater();
      return;
    }
    fabric.timeline.schedule(fabric.delayUs(target.name, machine.name), null, () => {
      if (this.isOver || !this.home.owner.isAlive) return;
      if (!fabric.canReach(target.name, machine.name)) this.repeatLater();
      else if (listener === null) this.home.owner.post(0, () => this.fail('ECONNREFUSED'));
      else this.establish(listener);
    });
  }

  /** The SYN-ACK is here. The server accepts when the third segment reaches it. */
  private establish(listener: SimulatedListener): void {
    const { fabric, machine, to } = this;
    const local = {
      address: isLoopback(to.address) ? to.address : (machine.addresses[0] ?? to.address),
      port: machine.nextPort++,
    };
    const client = new SimulatedStream(fabric, this.home, to);
    const server: SimulatedStream = new SimulatedStream(fabric, listener.home, local, () =>
      listener.offer(server),
    );
    const request = new Pipe(fabric, client, server);
    const response = new Pipe(fabric, server, client);
    client.attach(server, request, response);
    server.attach(client, response, request);
    request.open();
    this.home.owner.post(0, () => {
      if (this.isOver) return client.destroy();
      fabric.note('connected', machine.name, to.port);
      this.finish(client);
    });
  }

  private fail(code: 'ECONNREFUSED' | 'ETIMEDOUT'): void {
    if (this.isOver) return;
    this.fabric.note(code, this.machine.name, this.to.port);
    const where = `${this.to.address}:${this.to.port}`;
    this.finish(new ConnectError(code, `cannot connect to ${where}: ${code}`));
  }

  private finish(outcome: ByteStream | ConnectError): void {
    this.isOver = true;
    if (this.timeout !== null) this.fabric.timeline.cancel(this.timeout);
    this.onOutcome(outcome);
  }
}
