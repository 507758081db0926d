import { OnLeadershipGained, OnLeadershipLost, type LeaderTerm } from '@aviary/leader';
import { InjectGroup, PresenceLeftError, type Group, type Membership } from '@aviary/membership';
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { BOOKS_ROLE, INSTANCES_GROUP } from '../layout.js';
import type { MemberFacts } from '../status/member-facts.js';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';

/** Makes this instance a member of the group, and tells the others since when it leads. */
@Injectable()
export class InstanceMember implements OnApplicationBootstrap {
  private membership: Membership<MemberFacts> | null = null;
  private leadsSince: Date | null = null;

  constructor(
    @InjectGroup(INSTANCES_GROUP) private readonly group: Group<MemberFacts>,
    @Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings,
  ) {}

  onApplicationBootstrap(): void {
    this.membership = this.group.join(this.facts(), { id: this.settings.name });
  }

  @OnLeadershipGained(BOOKS_ROLE)
  gained({ since }: LeaderTerm): void {
    this.tell(since);
  }

  @OnLeadershipLost(BOOKS_ROLE)
  lost(): void {
    this.tell(null);
  }

  /** Not waited for: without a connection it is written later, and the role must not wait for that. */
  private tell(leadsSince: Date | null): void {
    this.leadsSince = leadsSince;
    this.membership?.update(this.facts()).catch((error: unknown) => {
      // At the shutdown it leaves the group and the role at the same time.
      if (error instanceof PresenceLeftError) return;
      new Logger(InstanceMember.name).error(`the group does not know who leads: ${String(error)}`);
    });
  }

  private facts(): MemberFacts {
    return { process: process.pid, leadsSince: this.leadsSince?.toISOString() ?? null };
  }
}
