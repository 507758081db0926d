import { FOUR_LETTER_WORDS, type EnsembleRole } from '@aviary/protocol';
import type { ServerLimits, ServerOptions } from './options.js';

/** Options as far as they are given. */
export type GivenOptions = Partial<Omit<ServerOptions, 'limits'>> & {
  limits?: Partial<ServerLimits>;
};

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What only a member of an ensemble is told, as far as it is given. */
export interface MemberDraft {
  /** `initLimit`; 0 is as if it were not given. */
  initLimitTicks?: number;
  /** `syncLimit`; the same. */
  syncLimitTicks?: number;
  electionPortBindRetry?: number;
  peerType?: EnsembleRole;
  /** `standaloneEnabled`: whether a lone participant stands alone. */
  isStandaloneEnabled?: boolean;
}

/** The options that the settings fill in. */
export type OptionsDraft = Writable<Partial<Omit<ServerOptions, 'limits'>>> & {
  limits: Writable<Partial<ServerLimits>>;
  member: MemberDraft;
  /** `enforce.auth.enabled`: whether the schemes that are named are enforced. */
  isAuthEnforced?: boolean;
};

/** Puts the value of a setting into a draft; returns what is wrong with it, or null. */
export type Apply = (draft: OptionsDraft, value: string) => string | null;

const HOUR_MS = 3_600_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  d: 24 * HOUR_MS,
  h: HOUR_MS,
  m: 60_000,
  s: 1000,
};
const INT_MAX = 0x7fff_ffff;
const ON = new Set(['yes', 'true']);
/** By what a client can prove who it is. */
const AUTH_SCHEMES: readonly string[] = ['digest', 'ip', 'super'];
const OFF = new Set(['no', 'false']);

function integer(
  min: number,
  max: number,
  put: (draft: OptionsDraft, value: number) => void,
): Apply {
  return (draft, value) => {
    const number = Number(value);
    if (!/^-?\d+$/.test(value) || number < min || number > max) {
      return `must be a whole number from ${min} to ${max}`;
    }
    put(draft, number);
    return null;
  };
}

function toggle(put: (draft: OptionsDraft, value: boolean) => void): Apply {
  return (draft, value) => {
    const word = value.toLowerCase();
    if (!ON.has(word) && !OFF.has(word)) return 'must be yes or no';
    put(draft, ON.has(word));
    return null;
  };
}

function text(put: (draft: OptionsDraft, value: string) => void): Apply {
  return (draft, value) => {
    if (value === '') return 'must not be empty';
    put(draft, value);
    return null;
  };
}

/** Hours, or a number with d, h, m or s behind it. */
function interval(put: (draft: OptionsDraft, ms: number) => void): Apply {
  return (draft, value) => {
    const match = /^(\d{1,9})([dhms]?)$/.exec(value);
    if (match === null) return 'must be a number of hours, or a number with d, h, m or s behind it';
    put(draft, Number(match[1]) * UNIT_MS[match[2] === '' ? 'h' : match[2]]);
    return null;
  };
}

const whitelist: Apply = (draft, value) => {
  const words = value.split(',').map((word) => word.trim());
  if (words.includes('*')) {
    draft.fourLetterWords = new Set(FOUR_LETTER_WORDS);
    return null;
  }
  const unknown = words.filter((word) => word !== '' && !FOUR_LETTER_WORDS.includes(word));
  if (unknown.length > 0) return `has words that do not exist: ${unknown.join(', ')}`;
  // The reference answers srvr whatever the list says: its own tools ask for it.
  draft.fourLetterWords = new Set(['srvr', ...words.filter((word) => word !== '')]);
  return null;
};

const enforcedSchemes: Apply = (draft, value) => {
  const schemes = value.split(',').map((scheme) => scheme.trim());
  const unknown = schemes.filter((scheme) => !AUTH_SCHEMES.includes(scheme));
  if (unknown.length > 0) return `must name schemes out of ${AUTH_SCHEMES.join(', ')}`;
  draft.enforcedAuthSchemes = new Set(schemes);
  return null;
};

const peerType: Apply = ({ member }, value) => {
  const role = value.toLowerCase();
  if (role !== 'participant' && role !== 'observer') return 'must be participant or observer';
  member.peerType = role;
  return null;
};

/** What cannot be kept must not be promised: passing it over would leave the door open. */
const notOffered: Apply = (_draft, value) =>
  OFF.has(value.toLowerCase()) ? null : 'must be no, since this server has no SASL login';

/** The settings of a server, by their names in ZooKeeper's configuration file. */
export const SETTINGS: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['dataDir', text((draft, value) => (draft.dataDir = value))],
  ['dataLogDir', text((draft, value) => (draft.dataLogDir = value))],
  ['clientPort', integer(0, 65_535, (draft, value) => (draft.clientPort = value))],
  ['clientPortAddress', text((draft, value) => (draft.clientAddress = value))],
  ['clientPortListenBacklog', integer(-1, INT_MAX, (d, v) => (d.backlog = v < 0 ? 511 : v))],
  ['tickTime', integer(1, INT_MAX, (draft, value) => (draft.tickTimeMs = value))],
  ['minSessionTimeout', integer(-1, INT_MAX, (d, v) => (d.minSessionTimeoutMs = v))],
  ['maxSessionTimeout', integer(-1, INT_MAX, (d, v) => (d.maxSessionTimeoutMs = v))],
  ['maxClientCnxns', integer(0, INT_MAX, (d, v) => (d.limits.connectionsPerAddressMax = v))],
  ['maxCnxns', integer(0, INT_MAX, (d, v) => (d.limits.connectionsMax = v))],
  ['globalOutstandingLimit', integer(1, INT_MAX, (d, v) => (d.limits.outstandingMax = v))],
  ['snapCount', integer(2, INT_MAX, (draft, value) => (draft.snapCount = value))],
  ['snapSizeLimitInKb', integer(0, INT_MAX, (d, v) => (d.snapBytes = v * 1024))],
  ['preAllocSize', integer(0, 4_194_303, (d, v) => (d.preAllocBytes = v * 1024))],
  ['autopurge.snapRetainCount', integer(3, INT_MAX, (d, v) => (d.snapRetainCount = v))],
  ['autopurge.purgeInterval', interval((draft, ms) => (draft.purgeIntervalMs = ms))],
  ['jute.maxbuffer', integer(1024, 1 << 30, (d, v) => (d.limits.frameBytesMax = v))],
  ['forceSync', toggle((draft, value) => (draft.forceSync = value))],
  ['4lw.commands.whitelist', whitelist],
  ['skipACL', toggle((draft, value) => (draft.skipAcl = value))],
  ['enforceQuota', toggle((draft, value) => (draft.enforceQuota = value))],
  ['digest.enabled', toggle((draft, value) => (draft.digestEnabled = value))],
  ['extendedTypesEnabled', toggle((draft, value) => (draft.extendedTypesEnabled = value))],
  ['DigestAuthenticationProvider.superDigest', text((d, v) => (d.superDigest = v))],
  ['enforce.auth.enabled', toggle((draft, value) => (draft.isAuthEnforced = value))],
  ['enforce.auth.schemes', enforcedSchemes],
  ['sessionRequireClientSASLAuth', notOffered],
  ['nio.sessionlessCnxnTimeout', integer(1, INT_MAX, (d, v) => (d.limits.handshakeMs = v))],
  ['znode.container.checkIntervalMs', integer(1, INT_MAX, (d, v) => (d.reaperIntervalMs = v))],
  ['znode.container.maxPerMinute', integer(1, INT_MAX, (d, v) => (d.reapedPerMinuteMax = v))],
  [
    'znode.container.maxNeverUsedIntervalMs',
    integer(0, INT_MAX, (draft, value) => (draft.containerNeverUsedMs = value)),
  ],
]);

/** The settings that make a difference to a member of an ensemble only. */
export const MEMBER_SETTINGS: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['initLimit', integer(0, INT_MAX, ({ member }, v) => (member.initLimitTicks = v))],
  ['syncLimit', integer(0, INT_MAX, ({ member }, v) => (member.syncLimitTicks = v))],
  [
    'electionPortBindRetry',
    integer(0, INT_MAX, ({ member }, v) => (member.electionPortBindRetry = v)),
  ],
  ['peerType', peerType],
  ['standaloneEnabled', toggle(({ member }, v) => (member.isStandaloneEnabled = v))],
]);

/** The name of a setting in the environment: `AVIARY_` and its words in capitals. */
export function environmentName(setting: string): string {
  const words = setting.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_');
  return `AVIARY_${words.toUpperCase()}`;
}
