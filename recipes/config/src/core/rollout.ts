import { combineLatest, distinctUntilChanged, map, type Observable } from 'rxjs';
import type { ZooKeeper } from '@aviary/client';
import { Trees } from '@aviary/coordination';
import { parseAcknowledged, type Acknowledged } from './acknowledgement.js';
import { versionText, type ConfigVersion } from './config-errors.js';

/** One instance that follows a configuration. */
export interface RolloutInstance extends Acknowledged {
  /** Its node among the acknowledgements. */
  readonly id: string;
  /**
   * `taken`: it has the version, or a newer one. `rejected`: it rejected it, or a newer one, and
   * has what it had. `pending`: it has not said anything about it yet.
   */
  readonly status: 'taken' | 'rejected' | 'pending';
}

/** How far a version has come. */
export interface Rollout {
  readonly path: string;
  /** The version that it is about; null: there are no data. */
  readonly version: ConfigVersion | null;
  /** The instances that follow the configuration now, in the order of their identities. */
  readonly instances: readonly RolloutInstance[];
  /** How many have the version. */
  readonly taken: number;
  /** How many rejected it. */
  readonly rejected: number;
  /** How many have not said anything about it yet. */
  readonly pending: number;
  /** For people, in one line: `7 of 9 on version 42, 2 rejected: vat: must be a number`. */
  readonly summary: string;
}

/** What instances say about the configuration at `path`, beside the version that it is about. */
export function watchRollout(
  zk: ZooKeeper,
  { path, acks }: { readonly path: string; readonly acks: string },
  version$: Observable<ConfigVersion | null>,
): Observable<Rollout> {
  const directory = Trees.of(zk).tree(acks, { depthMax: 1 }).children$();
  const instances$ = directory.pipe(
    map((view) =>
      (view?.children ?? []).flatMap(({ name, data }) => {
        const said = parseAcknowledged(data);
        return said === null ? [] : [{ id: name, ...said }];
      }),
    ),
  );
  return combineLatest([version$, instances$]).pipe(
    map(([version, instances]) => rolloutOf(path, version, instances)),
    distinctUntilChanged((one, other) => isSame(one, other)),
  );
}

function rolloutOf(
  path: string,
  version: ConfigVersion | null,
  said: readonly (Acknowledged & { readonly id: string })[],
): Rollout {
  const instances = said
    .map((one): RolloutInstance => ({ ...one, status: statusOf(one, version) }))
    .sort((one, other) => compare(one.identity, other.identity) || compare(one.id, other.id));
  const count = (status: RolloutInstance['status']) =>
    instances.filter((one) => one.status === status).length;
  const [taken, rejected, pending] = [count('taken'), count('rejected'), count('pending')];
  const counts = { taken, rejected, pending };
  const summary = summaryOf(version, instances, counts);
  return { path, version, instances, ...counts, summary };
}

function statusOf(
  { taken, rejected }: Acknowledged,
  version: ConfigVersion | null,
): RolloutInstance['status'] {
  if (version === null) return 'pending';
  if (taken !== null && taken.zxid >= version.zxid) return 'taken';
  return rejected !== null && rejected.version.zxid >= version.zxid ? 'rejected' : 'pending';
}

function summaryOf(
  version: ConfigVersion | null,
  instances: readonly RolloutInstance[],
  { taken, rejected, pending }: Pick<Rollout, 'taken' | 'rejected' | 'pending'>,
): string {
  if (version === null) return `there are no data, and ${instances.length} that wait for some`;
  const parts = [`${taken} of ${instances.length} on version ${versionText(version)}`];
  if (pending > 0) parts.push(`${pending} pending`);
  if (rejected > 0) {
    const all = instances.flatMap((one) =>
      one.status === 'rejected' ? [one.rejected?.reason] : [],
    );
    parts.push(`${rejected} rejected: ${[...new Set(all)].join(' / ')}`);
  }
  return parts.join(', ');
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function isSame(one: Rollout, other: Rollout): boolean {
  return (
    one.summary === other.summary &&
    one.version?.zxid === other.version?.zxid &&
    one.instances.length === other.instances.length &&
    one.instances.every((instance, at) => {
      const same = other.instances[at];
      return (
        same?.id === instance.id &&
        same.status === instance.status &&
        same.taken?.zxid === instance.taken?.zxid &&
        same.rejected?.version.zxid === instance.rejected?.version.zxid
      );
    })
  );
}
