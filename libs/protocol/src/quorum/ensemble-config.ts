import { ZXID_EPOCH_LIMIT, formatZxid, zxidOf, type Zxid } from '@aviary/foundation';
import { parseProperties, type Property } from '../properties.js';
import { EnsembleConfigError, quoted } from './ensemble-config-error.js';
import {
  formatEnsembleMember,
  parseEnsembleMember,
  type EnsembleMember,
  type MemberAddress,
  type MemberOptions,
} from './ensemble-member.js';
import { ELECTION_MESSAGE_BYTES_MAX } from './notification.js';

/** Voters in groups: most of the weight in most of the groups decides. QuorumHierarchical. */
export interface EnsembleHierarchy {
  /** The participants of each group. Invariant: every participant is in one group, nobody else is. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  /** By server; every participant has one. */
  readonly weights: ReadonlyMap<number, number>;
}

/** Who an ensemble is made of. Invariant: at least one participant, and not all of weight 0. */
export interface EnsembleConfig {
  /** By id, ascending. */
  readonly members: ReadonlyMap<number, EnsembleMember>;
  /** The zxid that made it so; 0 until the first leader. */
  readonly version: Zxid;
  /** Null: most of the participants decide. */
  readonly hierarchy: EnsembleHierarchy | null;
}

/** The first zxid that cannot be held exactly. */
const VERSION_LIMIT = zxidOf(ZXID_EPOCH_LIMIT, 0);
/** Longer than what any server could send in an election. */
const TEXT_LENGTH_MAX = ELECTION_MESSAGE_BYTES_MAX;
const WEIGHT_MAX = 0x7fff_ffff;
const WEIGHT_DEFAULT = 1;

/** Whether a key of a configuration file is part of the ensemble's configuration. */
export function isEnsembleKey(key: string): boolean {
  return key === 'version' || /^(server\.|group|weight)/.test(key);
}

/**
 * Parses the text that ZooKeeper keeps in `/zookeeper/config`, sends in elections and with
 * NEWLEADER, and logs with a reconfiguration. Of keys that stand twice the last holds.
 *
 * @throws {EnsembleConfigError}
 */
export function parseEnsembleConfig(text: string, options?: MemberOptions): EnsembleConfig {
  if (text.length > TEXT_LENGTH_MAX) {
    throw new EnsembleConfigError(
      null,
      `the configuration of an ensemble has ${text.length} characters, ${TEXT_LENGTH_MAX} are allowed: name fewer servers`,
    );
  }
  return ensembleConfigOf(parseProperties(text), options);
}

/**
 * The same from lines that were parsed: those of a `zoo.cfg` whose keys are ensemble keys.
 *
 * @throws {EnsembleConfigError}
 */
export function ensembleConfigOf(
  properties: Iterable<Property>,
  options?: MemberOptions,
): EnsembleConfig {
  const last = new Map<string, string>();
  for (const { key, value } of properties) last.set(key.trim(), value);
  const reading = new Reading();
  for (const [key, value] of last) reading.take(key, value, options);
  return reading.finish();
}

/** The text, in ascending order of ids, without a newline at its end. QuorumVerifier.toString. */
export function formatEnsembleConfig(config: EnsembleConfig): string {
  const lines: string[] = [];
  for (const [id, member] of ascending(config.members)) {
    lines.push(`server.${id}=${formatEnsembleMember(member)}`);
  }
  if (config.hierarchy !== null) {
    for (const [id, servers] of ascending(config.hierarchy.groups)) {
      lines.push(`group.${id}=${[...servers].sort((a, b) => a - b).join(':')}`);
    }
    for (const [id, weight] of ascending(config.hierarchy.weights)) {
      lines.push(`weight.${id}=${weight}`);
    }
  }
  lines.push(`version=${formatZxid(config.version)}`);
  return lines.join('\n');
}

/**
 * Whether two configurations are the same: by their versions, else by everything that they say.
 * Hosts are compared as names, not by what they resolve to.
 */
export function isSameEnsembleConfig(a: EnsembleConfig, b: EnsembleConfig): boolean {
  if (a.version === b.version) return true;
  return comparable(a) === comparable(b);
}

/** All that two configurations must have in common. The order of addresses depends on their case. */
function comparable(config: EnsembleConfig): string {
  const members = ascending(config.members).map(([id, member]): [number, EnsembleMember] => {
    const lower = (address: MemberAddress): MemberAddress => ({
      ...address,
      host: address.host.toLowerCase(),
    });
    return [id, { ...member, addresses: member.addresses.map(lower) }];
  });
  return formatEnsembleConfig({ ...config, members: new Map(members), version: 0 }).toLowerCase();
}

/** Ids of those who vote, ascending. */
export function participantsOf({ members }: EnsembleConfig): number[] {
  return idsOf(members, 'participant');
}

/** Ids of those who do not vote, ascending. */
export function observersOf({ members }: EnsembleConfig): number[] {
  return idsOf(members, 'observer');
}

function idsOf(members: EnsembleConfig['members'], role: EnsembleMember['role']): number[] {
  const ids = [...members.values()].filter((member) => member.role === role).map(({ id }) => id);
  return ids.sort((a, b) => a - b);
}

function ascending<T>(map: ReadonlyMap<number, T>): [number, T][] {
  return [...map].sort(([a], [b]) => a - b);
}

/** The number behind the dot of a key, or one of a list of servers. */
function parseId(key: string, text: string): number {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(id)) return id;
  const most = Number.MAX_SAFE_INTEGER;
  throw new EnsembleConfigError(
    key,
    `has ${quoted(text)} where a whole number from 0 to ${most} stands`,
  );
}

/** What was read so far. */
class Reading {
  private readonly members = new Map<number, EnsembleMember>();
  private readonly groups = new Map<number, readonly number[]>();
  private readonly weights = new Map<number, number>();
  private version: Zxid = 0;

  take(key: string, value: string, options: MemberOptions | undefined): void {
    const [name = '', number = ''] = /^(server|group|weight)\.(.*)$/s.exec(key)?.slice(1) ?? [];
    if (name === 'server') {
      const id = parseId(key, number);
      this.members.set(id, parseEnsembleMember(id, value, options));
    } else if (name === 'group') {
      const servers = value.split(':').map((server) => parseId(key, server));
      this.groups.set(parseId(key, number), servers);
    } else if (name === 'weight') this.takeWeight(key, number, value);
    else if (key === 'version') this.takeVersion(value);
    else {
      throw new EnsembleConfigError(
        key,
        'does not belong to the configuration of an ensemble: it has server.N, group.N, weight.N and version',
      );
    }
  }

  private takeWeight(key: string, server: string, value: string): void {
    const weight = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
    if (!(weight <= WEIGHT_MAX)) {
      throw new EnsembleConfigError(
        key,
        `must be a whole number from 0 to ${WEIGHT_MAX}, and is ${quoted(value)}`,
      );
    }
    this.weights.set(parseId(key, server), weight);
  }

  private takeVersion(value: string): void {
    const version = /^[0-9a-fA-F]{1,16}$/.test(value) ? parseInt(value, 16) : NaN;
    if (!(version < VERSION_LIMIT)) {
      throw new EnsembleConfigError(
        'version',
        `must be a zxid in hex, below ${formatZxid(VERSION_LIMIT)}, and is ${quoted(value)}`,
      );
    }
    this.version = version;
  }

  finish(): EnsembleConfig {
    const members = new Map(ascending(this.members));
    const participants = idsOf(members, 'participant');
    if (participants.length === 0) {
      throw new EnsembleConfigError(
        null,
        'no server takes part in the ensemble: name one with server.N=host:quorumPort:electionPort',
      );
    }
    const isHierarchical = this.groups.size > 0 || this.weights.size > 0;
    const hierarchy = isHierarchical ? this.hierarchyOf(participants) : null;
    return { members, version: this.version, hierarchy };
  }

  private hierarchyOf(participants: readonly number[]): EnsembleHierarchy {
    const groupOf = new Map<number, number>();
    for (const [group, servers] of this.groups) {
      for (const server of servers) this.putInGroup(groupOf, server, group);
    }
    const weights = new Map(this.weights);
    for (const server of participants) {
      if (!groupOf.has(server)) {
        throw new EnsembleConfigError(
          `server.${server}`,
          'is in no group: add it to a group.N line, or remove all lines of groups and weights',
        );
      }
      if (!weights.has(server)) weights.set(server, WEIGHT_DEFAULT);
    }
    if (participants.every((server) => weights.get(server) === 0)) {
      throw new EnsembleConfigError(null, 'all weights are 0: give a weight.N of 1 or more');
    }
    return {
      groups: new Map(ascending(this.groups)),
      weights: new Map(ascending(weights)),
    };
  }

  private putInGroup(groupOf: Map<number, number>, server: number, group: number): void {
    const before = groupOf.get(server);
    if (before !== undefined) {
      throw new EnsembleConfigError(
        `group.${group}`,
        `names server ${server}, which is in group ${before} too: leave it in one`,
      );
    }
    if (this.members.get(server)?.role !== 'participant') {
      throw new EnsembleConfigError(
        `group.${group}`,
        `names server ${server}, which is no participant: remove it there`,
      );
    }
    groupOf.set(server, group);
  }
}
