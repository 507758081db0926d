import {
  EnsembleConfigError,
  ensembleConfigOf,
  observersOf,
  parseEnsembleConfig,
  participantsOf,
  type EnsembleConfig,
  type EnsembleMember,
  type EnsembleRole,
  type HostPort,
} from '@aviary/protocol';
import { ConfigurationError } from './configuration-error.js';
import type { EnsembleOptions } from './ensemble/ensemble-options.js';
import type { ServerOptions } from './options.js';
import type { MemberDraft } from './settings.js';

/** With 255 in the top byte a session id would look like a time to live. */
const SERVER_ID_MAX = 254;
const BIND_RETRY_DEFAULT = 3;

/** Where clients connect, as far as that is said beside the server lines. */
export interface GivenClientAddress {
  /** `clientPortAddress`; null: every interface. */
  readonly address?: string | null;
  /** `clientPort`. */
  readonly port?: number;
}

/** What a configuration says of the ensemble that its server belongs to. */
export interface EnsembleSettings {
  readonly ensemble: EnsembleConfig;
  readonly initLimitTicks: number;
  readonly syncLimitTicks: number;
  readonly electionPortBindRetry: number;
  /** `peerType`; null: it is not said. */
  readonly peerType: EnsembleRole | null;
  readonly client: GivenClientAddress;
}

/** A line of the ensemble's configuration, and where it stands. */
interface EnsembleLine {
  readonly value: string;
  readonly where: string;
}

/** `server.N`, `group.N` and `weight.N` while they are read. Of keys that stand twice the last holds. */
export class EnsembleLines {
  readonly warnings: string[] = [];
  private readonly lines = new Map<string, EnsembleLine>();

  static has(key: string): boolean {
    return /^(server|group|weight)\./.test(key);
  }

  take(key: string, value: string, where: string): void {
    this.lines.set(key, { value, where });
  }

  /**
   * The ensemble, if there is one: a lone participant is none, as in ZooKeeper, unless
   * `standaloneEnabled` is no. Its line alone may still say where clients connect.
   *
   * @throws {ConfigurationError}
   */
  finish(
    member: MemberDraft,
    client: GivenClientAddress,
  ): { settings: EnsembleSettings | null; lone: EnsembleMember | null } {
    const { isStandaloneEnabled = true } = member;
    if (this.lines.size === 0 && isStandaloneEnabled) return { settings: null, lone: null };
    const ensemble = this.parse();
    const [first = 0, ...others] = participantsOf(ensemble);
    if (others.length === 0 && isStandaloneEnabled) {
      this.checkLone(ensemble, first);
      return { settings: null, lone: ensemble.members.get(first) ?? null };
    }
    checkEnsemble(ensemble);
    this.judgeSize(ensemble);
    const settings: EnsembleSettings = {
      ensemble,
      initLimitTicks: ticks(member.initLimitTicks, 'initLimit', '10'),
      syncLimitTicks: ticks(member.syncLimitTicks, 'syncLimit', '5'),
      electionPortBindRetry: member.electionPortBindRetry ?? BIND_RETRY_DEFAULT,
      peerType: member.peerType ?? null,
      client,
    };
    return { settings, lone: null };
  }

  private parse(): EnsembleConfig {
    const properties = Array.from(this.lines, ([key, { value }]) => ({ key, value, line: 0 }));
    try {
      return ensembleConfigOf(properties);
    } catch (error) {
      if (!(error instanceof EnsembleConfigError)) throw error;
      const where = error.key === null ? undefined : this.lines.get(error.key)?.where;
      throw new ConfigurationError(
        where === undefined ? error.message : `${where}: ${error.message}`,
      );
    }
  }

  private checkLone(ensemble: EnsembleConfig, id: number): void {
    const key = `server.${id}`;
    const where = this.lines.get(key)?.where ?? 'configuration';
    if (ensemble.members.size > 1) {
      throw new ConfigurationError(
        `${where}: ${key} is the only participant, and a server that stands alone has no observers: ` +
          'add participants, or set standaloneEnabled=no',
      );
    }
    this.warnings.push(
      `${where}: ${key} is the only server, so it stands alone; with standaloneEnabled=no it is an ensemble of one.`,
    );
  }

  private judgeSize({ members, hierarchy }: EnsembleConfig): void {
    const participants = [...members.values()].filter(({ role }) => role === 'participant').length;
    // Where groups and weights decide, the number says nothing.
    if (hierarchy !== null) return;
    if (participants <= 2) {
      const words = participants === 1 ? 'one participant' : 'two participants';
      this.warnings.push(
        `an ensemble of ${words} serves nobody once one has failed: have three, which go on without one.`,
      );
    } else if (participants % 2 === 0) {
      this.warnings.push(
        `an ensemble of ${participants} participants survives no more failures than one of ` +
          `${participants - 1}: have an odd number.`,
      );
    }
  }
}

function ticks(value: number | undefined, key: string, usual: string): number {
  if (value !== undefined && value > 0) return value;
  throw new ConfigurationError(
    `${key} is not set, and a member of an ensemble needs it: a number of ticks, such as ${key}=${usual}`,
  );
}

/**
 * Reads who an ensemble is made of, from lines as they stand in a `zoo.cfg`.
 *
 * @throws {ConfigurationError}
 */
export function readEnsemble(text: string): EnsembleConfig {
  try {
    return checkEnsemble(parseEnsembleConfig(text));
  } catch (error) {
    if (error instanceof EnsembleConfigError) throw new ConfigurationError(error.message);
    throw error;
  }
}

/** Refuses what no ensemble can work with, whatever each line says by itself. */
function checkEnsemble(ensemble: EnsembleConfig): EnsembleConfig {
  const takenBy = new Map<string, number>();
  for (const member of ensemble.members.values()) {
    const { id } = member;
    if (id > SERVER_ID_MAX) {
      throw new ConfigurationError(
        `server.${id} has too high a number: servers are numbered from 1 to ${SERVER_ID_MAX}`,
      );
    }
    for (const place of placesOf(member)) {
      const other = takenBy.get(place);
      if (other !== undefined) {
        const whose = other === id ? 'twice' : `as server.${other} has`;
        throw new ConfigurationError(
          `server.${id} has ${place} ${whose}: give every port of a host to one server and one purpose`,
        );
      }
      takenBy.set(place, id);
    }
  }
  return ensemble;
}

/** Everywhere that a server listens, as far as its line says. */
function placesOf({ addresses, client }: EnsembleMember): string[] {
  const hosts = addresses.map(({ host }) => host);
  const places: HostPort[] = addresses.flatMap(({ host, quorumPort, electionPort }) => [
    { host, port: quorumPort },
    { host, port: electionPort },
  ]);
  if (client !== null && client.port > 0) {
    const clientHosts = isAnyAddress(client.host) ? hosts : [client.host];
    places.push(...clientHosts.map((host) => ({ host, port: client.port })));
  }
  return places.map(({ host, port }) => `${host.toLowerCase()}:${port}`);
}

function isAnyAddress(host: string | null): boolean {
  return host === null || /^[0:.]+$/.test(host);
}

function isLiteral(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}

/**
 * What the member `serverId` is made with: like every server, and as the ensemble has it. Where its
 * clients connect is what its server line says, else what is said beside.
 *
 * @throws {ConfigurationError} The ensemble has no such server, or clients would have two places.
 */
export function memberOptions(
  options: ServerOptions,
  settings: EnsembleSettings,
  serverId: number,
): { options: EnsembleOptions; warnings: string[] } {
  const { ensemble, initLimitTicks, syncLimitTicks, electionPortBindRetry, peerType } = settings;
  const member = ensemble.members.get(serverId);
  if (member === undefined) throw new ConfigurationError(strangerSentence(serverId, ensemble));
  const warnings: string[] = [];
  if (peerType !== null && peerType !== member.role) {
    warnings.push(
      `peerType is ${peerType}, but server.${serverId} is a line of ${withArticle(member.role)}: the line holds.`,
    );
  }
  if (member.secureClient !== null) {
    warnings.push(
      `server.${serverId} has a port for clients with TLS, which this server does not offer: it is passed over.`,
    );
  }
  const place = clientPlaceOf(member, settings.client);
  return {
    options: {
      ...options,
      ...(place ?? {}),
      serverId,
      ensemble,
      initLimitTicks,
      syncLimitTicks,
      electionPortBindRetry,
    },
    warnings,
  };
}

function withArticle(role: EnsembleRole): string {
  return role === 'observer' ? 'an observer' : 'a participant';
}

function strangerSentence(serverId: number, ensemble: EnsembleConfig): string {
  const ids = [...participantsOf(ensemble), ...observersOf(ensemble)].sort((a, b) => a - b);
  return (
    `this is server ${serverId}, as the file myid in dataDir says, but the servers of the ensemble are ` +
    `${ids.join(', ')}: correct myid, or add a line server.${serverId}`
  );
}

/** Where the line of a server has its clients; null: it does not say. */
export function clientPlaceOf(
  { id, client }: EnsembleMember,
  given: GivenClientAddress = {},
): Pick<ServerOptions, 'clientAddress' | 'clientPort'> | null {
  if (client === null) return null;
  const { address = null, port = client.port } = given;
  const isElsewhere =
    address !== null &&
    !isAnyAddress(address) &&
    address !== client.host &&
    // Names are not looked up here: they may well stand for the address.
    isLiteral(address) &&
    isLiteral(client.host);
  if (port !== client.port || isElsewhere) {
    const said = isElsewhere ? `clientPortAddress is ${address}` : `clientPort is ${port}`;
    throw new ConfigurationError(
      `server.${id} has its clients at ${client.host}:${client.port}, but ${said}: ` +
        'write the same twice, or one of them',
    );
  }
  return {
    // To ZooKeeper this is every interface, of IPv6 too.
    clientAddress: isAnyAddress(client.host) ? null : client.host,
    clientPort: client.port,
  };
}
