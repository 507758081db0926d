import type { Acl, ZooKeeper } from '@aviary/client';
import { Presence } from '@aviary/coordination';
import type { Log } from '@aviary/foundation';
import { MembershipsClosedError } from './membership-errors.js';
import { Membership } from './membership.js';

/** Whatever this process is present as, until it ends. */
export class Presences {
  private readonly zk: ZooKeeper;
  private readonly acl: readonly Acl[] | undefined;
  private readonly log: Log;
  private readonly present = new Set<Membership>();
  private isClosed = false;

  constructor(zk: ZooKeeper, acl: readonly Acl[] | undefined, log: Log) {
    this.zk = zk;
    this.acl = acl;
    this.log = log;
  }

  get memberships(): readonly Membership[] {
    return [...this.present];
  }

  /** @throws {MembershipsClosedError} @throws {AlreadyPresentError} @throws {InvalidPathError} */
  join(
    path: string,
    id: string,
    data: Uint8Array,
    encode: (payload: unknown) => Uint8Array,
  ): Membership {
    if (this.isClosed) throw new MembershipsClosedError('join', path);
    const { zk, acl, log } = this;
    const presence = new Presence({ zk, path, data, acl, log });
    const membership = new Membership(id, presence, encode);
    this.present.add(membership);
    presence.state$.subscribe({ complete: () => this.present.delete(membership) });
    return membership;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(Array.from(this.present, (membership) => membership.leave()));
  }
}
