import { ConfigurationError } from './configuration-error.js';
import { MEMBER_SETTINGS } from './settings.js';

/** A setting on which this server does not or may not act, as it stands in a configuration. */
export interface UnofferedSetting {
  readonly key: string;
  readonly value: string;
  readonly where: string;
}

/** Settings of ZooKeeper that make no difference to a server that stands alone. */
const IDLE_ALONE = new Set([
  ...MEMBER_SETTINGS.keys(),
  'electionAlg',
  'connectToLearnerMasterLimit',
  'leaderServes',
  'cnxTimeout',
  'reconfigEnabled',
  'quorumListenOnAllIPs',
  'multiAddress.enabled',
]);

/** The same for names that stand for many. */
const IDLE_PREFIXES = ['admin.', 'metricsProvider.', 'quorum.', 'nio.', 'netty.', 'jvm.'];

/** What a member does, whatever these settings say. */
const FIXED_FOR_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['reconfigEnabled', 'no'],
  ['leaderServes', 'yes'],
  ['quorumListenOnAllIPs', 'no'],
  ['connectToLearnerMasterLimit', '0'],
  ['cnxTimeout', '5000'],
  ['localSessionsEnabled', 'no'],
  ['localSessionsUpgradingEnabled', 'no'],
  ['syncEnabled', 'yes'],
]);

const NO_TLS = 'the servers of an ensemble talk to each other without TLS and SASL here';

/** The only value that a member takes, and why: to pass over another would promise too much. */
const REQUIRED_OF_MEMBERS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['electionAlg', ['3', 'ZooKeeper has no other any more']],
  ['multiAddress.enabled', ['no', 'a server has one address here']],
  ['sslQuorum', ['no', NO_TLS]],
  ['quorum.auth.enableSasl', ['no', NO_TLS]],
  ['quorum.auth.learnerRequireSasl', ['no', NO_TLS]],
  ['quorum.auth.serverRequireSasl', ['no', NO_TLS]],
]);

/** Settings that are looked at although nothing is done with them; in the environment, too. */
export const UNOFFERED_SETTINGS: readonly string[] = [
  'dynamicConfigFile',
  ...FIXED_FOR_MEMBERS.keys(),
  ...REQUIRED_OF_MEMBERS.keys(),
];

/** Values that mean the same. */
function plain(value: string): string {
  return { true: 'yes', false: 'no' }[value.toLowerCase()] ?? value.toLowerCase();
}

/**
 * What is to be said of a setting that is passed over.
 *
 * @param isMember Whether the server is a member of an ensemble.
 * @returns One line; null: nothing.
 * @throws {ConfigurationError} It must not be passed over.
 */
export function remarkOn(setting: UnofferedSetting, isMember: boolean): string | null {
  const { key, where } = setting;
  if (key === 'dynamicConfigFile') {
    throw new ConfigurationError(
      `${where}: ${key} is not offered: write the lines of that file, server.N=..., in its place`,
    );
  }
  // Whether a lone participant stands alone is asked of every server.
  if (key === 'standaloneEnabled') return null;
  if (isMember) return MEMBER_SETTINGS.has(key) ? null : remarkOfMember(setting);
  const isIdle = IDLE_ALONE.has(key) || IDLE_PREFIXES.some((prefix) => key.startsWith(prefix));
  return isIdle
    ? `${where}: ${key} makes no difference to a server that stands alone.`
    : `${where}: ${key} is not a setting of this server and is passed over.`;
}

function remarkOfMember({ key, value, where }: UnofferedSetting): string | null {
  const required = REQUIRED_OF_MEMBERS.get(key);
  if (required !== undefined) {
    const [only, why] = required;
    if (plain(value) === only) return null;
    throw new ConfigurationError(
      `${where}: ${key} must be ${only}, since ${why}, and is "${value}"`,
    );
  }
  const fixed = FIXED_FOR_MEMBERS.get(key);
  if (fixed !== undefined) {
    if (plain(value) === fixed) return null;
    return `${where}: ${key} cannot be chosen and is passed over: this server does as ${key}=${fixed} says.`;
  }
  const isIdle = IDLE_PREFIXES.some((prefix) => key.startsWith(prefix));
  return isIdle
    ? `${where}: ${key} makes no difference to this server.`
    : `${where}: ${key} is not a setting of this server and is passed over.`;
}
