import { Logger } from '@nestjs/common';
import type { ClientProxy } from '@nestjs/microservices';
import { finalize, type Observable, type Subscription } from 'rxjs';

/** The connection to one instance, open as long as that is listed or something is under way. */
export class InstanceClient {
  readonly client: ClientProxy;
  private readonly status: Subscription;
  private readonly onStatus: (isConnected: boolean) => void;
  private holds = 0;
  private retired = false;
  private closed = false;

  /** @param onStatus Is told whether it is connected. */
  constructor(client: ClientProxy, onStatus: (isConnected: boolean) => void) {
    this.client = client;
    this.onStatus = onStatus;
    this.status = client.status.subscribe((status) => onStatus(status === 'connected'));
  }

  /** Whether it gets nothing new. */
  get isRetired(): boolean {
    return this.retired;
  }

  /** Keeps it open until {@link release}. */
  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
    this.closeIfDone();
  }

  /** What `call` brings; releases a hold at its end. */
  run<T>(call: (client: ClientProxy) => Observable<T>): Observable<T> {
    return call(this.client).pipe(finalize(() => this.release()));
  }

  /** Nothing new will be sent to it. */
  retire(): void {
    this.retired = true;
    this.closeIfDone();
  }

  /** What is under way fails. */
  close(): void {
    this.retired = true;
    if (this.closed) return;
    this.closed = true;
    this.status.unsubscribe();
    this.onStatus(false);
    void this.disconnect();
  }

  private closeIfDone(): void {
    if (this.retired && this.holds === 0) this.close();
  }

  private async disconnect(): Promise<void> {
    try {
      await this.client.close();
    } catch (error) {
      // Whatever it is, it must not keep the others from being closed.
      new Logger('DiscoveredClient').error(error);
    }
  }
}
