import type { Acl, ZooKeeper } from '@aviary/client';
import { Presence, TtlPresence } from '@aviary/coordination';
import type { Log } from '@aviary/foundation';
import { MembershipsClosedError } from './membership-errors.js';
import { Membership } from './membership.js';

/** What is present where. */
export interface JoinTerms {
  readonly path: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly encode: (payload: unknown) => Uint8Array;
  /** As of `JoinOptions`. */
  readonly ttlMs?: number | undefined;
  readonly owner?: string | undefined;
}

/** Whatever this process is present as, until it ends. */
export class Presences {
  private readonly zk: ZooKeeper;
  private readonly acl: readonly Acl[] | undefined;
  private readonly log: Log;
  private readonly present = new Set<Membership>();
  private isClosed = false;

  /** @throws {InvalidArgumentError} `acl` is none. */
  constructor(zk: ZooKeeper, acl: readonly Acl[] | undefined, log: Log) {
    zk.transaction().create('/any', '', { acl });
    this.zk = zk;
    this.acl = acl;
    this.log = log;
  }

  get memberships(): readonly Membership[] {
    return [...this.present];
  }

  /** @throws as `Group.join` */
  join({ path, id, data, encode, ttlMs, owner }: JoinTerms): Membership {
    if (this.isClosed) throw new MembershipsClosedError('join', path);
    const { zk, acl, log } = this;
    const terms = { zk, path, data, acl, log };
    const presence =
      ttlMs === undefined ? new Presence(terms) : new TtlPresence({ ...terms, ttlMs, owner });
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
