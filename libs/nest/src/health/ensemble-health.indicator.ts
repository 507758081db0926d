import { Injectable } from '@nestjs/common';
import { EnsembleTransport, type EnsembleStatus } from '../ensemble/ensemble.transport.js';
import { healthResult, type HealthResult } from './health-result.js';

/** Why a member that has no mode serves nobody. */
const REASONS: Readonly<Record<EnsembleStatus, string>> = {
  starting: 'the member is starting',
  serving: 'the member is stopping',
  stopped: 'the member was stopped',
  failed: 'the member has failed, and serves nobody any more',
};

/**
 * The health of the member that the application hosts, for `@nestjs/terminus`: up only while it
 * serves clients. `EnsembleModule` provides it.
 *
 * @example
 * this.health.check([() => this.member.isHealthy('ensemble')]);
 */
@Injectable()
export class EnsembleHealthIndicator {
  private status: EnsembleStatus | null = null;

  constructor(private readonly transport: EnsembleTransport) {
    transport.status.subscribe((status) => (this.status = status));
  }

  /**
   * Whether clients are served at this moment, with the `mode` of the member. Asks nobody, so it takes
   * no time and needs no timeout. `down`, with the reason as `message`: the member is starting,
   * looks for a leader, or is over.
   *
   * @param name Under which the result stands.
   */
  isHealthy<const Name extends string = 'ensemble'>(
    name: Name = 'ensemble' as Name,
  ): HealthResult<Name> {
    const { mode, isUp } = this.transport;
    if (isUp) return healthResult(name, { status: 'up', mode });
    if (mode === 'looking') {
      const message = 'the member has no leader, for too few of the others can be reached';
      return healthResult(name, { status: 'down', mode, message });
    }
    const message = this.status === null ? 'the member was not started' : REASONS[this.status];
    return healthResult(name, { status: 'down', message });
  }
}
