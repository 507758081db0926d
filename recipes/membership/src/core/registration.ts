import { AbortedError, DeadlineExceededError, InvalidArgumentError } from '@aviary/client';
import type { PresenceState, TimeLimits } from '@aviary/coordination';
import type { Observable } from 'rxjs';
import type { Membership } from './membership.js';
import { INSTANCE_STATUS, URI_SPEC, encodeInstance, springPayload } from './service-instance.js';

/** What an instance says of itself. */
export interface RegisterSettings {
  /** Of the service. */
  readonly name: string;
  /** Where others reach this process: a host name or an address, not one that only this machine knows. */
  readonly address: string;
  readonly port?: number | undefined;
  readonly sslPort?: number | undefined;
  /** Of the instance, unique in the service. Default: a random UUID. */
  readonly id?: string | undefined;
  /**
   * For Spring Cloud: text by name. It goes into a payload of Spring's class, together with
   * `instance_status`. Default: none.
   */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Instead of Spring Cloud's payload, one of your own (JSON), for readers that know it. Java readers want to
   * know its class: an object may say it as `'@class'`. null: none at all.
   */
  readonly payload?: unknown;
}

const STATUSES = ['UP', 'OUT_OF_SERVICE'] as const;

/** Whether an instance takes requests, in Spring Cloud's words. */
export type InstanceStatus = (typeof STATUSES)[number];

/** @throws {InvalidArgumentError} */
export function checkMetadata(metadata: unknown): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new InvalidArgumentError('metadata must be an object of strings');
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === 'string') continue;
    throw new InvalidArgumentError(`metadata.${key} must be a string, not ${typeof value}`);
  }
}

/** That this process is found as an instance of a service, from `register` to `withdraw`. */
export class Registration implements AsyncDisposable {
  /** Of the service. */
  readonly name: string;
  /** Of the instance. */
  readonly id: string;
  private readonly membership: Membership;
  private readonly settings: RegisterSettings;
  private readonly registrationTimeUTC: number;
  private metadata: Readonly<Record<string, string>>;
  private current: InstanceStatus = 'UP';

  /** @internal Use `Services.register`. */
  constructor(
    settings: RegisterSettings,
    id: string,
    registrationTimeUTC: number,
    join: (data: Uint8Array) => Membership,
  ) {
    this.settings = settings;
    this.name = settings.name;
    this.id = id;
    this.registrationTimeUTC = Math.floor(registrationTimeUTC);
    this.metadata = settings.metadata ?? {};
    this.membership = join(this.encode());
  }

  /** Its node. */
  get path(): string {
    return this.membership.path;
  }

  /** As of `Membership`. */
  get state(): PresenceState {
    return this.membership.state;
  }

  /** The state now, and every change. Hot; never errors; completes after `left`. */
  get state$(): Observable<PresenceState> {
    return this.membership.state$;
  }

  /** What it says of itself: whether it takes requests. */
  get status(): InstanceStatus {
    return this.current;
  }

  /** Waits until others find it. @throws as `Presence.whenJoined` */
  async whenRegistered(limits?: TimeLimits): Promise<this> {
    await this.membership.whenJoined(limits);
    return this;
  }

  /**
   * Says whether it takes requests. Spring Cloud's callers and ours pass over one that does not; with a
   * payload of your own there is nothing that says it. @throws as `Presence.update`
   */
  async setStatus(status: InstanceStatus, limits?: TimeLimits): Promise<void> {
    if (!STATUSES.includes(status)) {
      const known = STATUSES.join('" or "');
      throw new InvalidArgumentError(`the status must be "${known}", not ${status as string}`);
    }
    const before = this.current;
    this.current = status;
    await this.write(limits, () => {
      if (this.current === status) this.current = before;
    });
  }

  /** Replaces Spring Cloud's metadata. @throws as `Presence.update` */
  async setMetadata(
    metadata: Readonly<Record<string, string>>,
    limits?: TimeLimits,
  ): Promise<void> {
    checkMetadata(metadata);
    const before = this.metadata;
    this.metadata = metadata;
    await this.write(limits, () => {
      if (this.metadata === metadata) this.metadata = before;
    });
  }

  /** Is found no more. Never rejects; without a connection it resolves at once. */
  withdraw(): Promise<void> {
    return this.membership.leave();
  }

  /** As {@link withdraw}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.withdraw();
  }

  /** @param undo What was changed is not said: it was refused, and will not be written later. */
  private async write(limits: TimeLimits | undefined, undo: () => void): Promise<void> {
    try {
      await this.membership.update(this.encode(), limits);
    } catch (error) {
      const isOnlyLate = error instanceof DeadlineExceededError || error instanceof AbortedError;
      if (!isOnlyLate) undo();
      throw error;
    }
  }

  private encode(): Buffer {
    const { name, address, port = null, sslPort = null, payload } = this.settings;
    const { id, registrationTimeUTC, metadata, current } = this;
    // It stands first, and nobody's metadata overrules it.
    const status = { [INSTANCE_STATUS]: current };
    const spring = () => springPayload(name, id, { ...status, ...metadata, ...status });
    return encodeInstance({
      name,
      id,
      address,
      port,
      sslPort,
      payload: payload === undefined ? spring() : payload,
      registrationTimeUTC,
      uriSpec: URI_SPEC,
    });
  }
}
