import { EnsembleConfigError, quoted } from './ensemble-config-error.js';
import {
  formatHost,
  formatHostPort,
  isHost,
  parsePort,
  splitAddress,
  type HostPort,
} from './host-port.js';

/** Whether a server votes. QuorumPeer.LearnerType. */
export type EnsembleRole = 'participant' | 'observer';

/** Where the other servers reach a server. */
export interface MemberAddress {
  /** As it was configured: a name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  readonly quorumPort: number;
  readonly electionPort: number;
}

/** A server of an ensemble, as its line in the configuration has it. QuorumPeer.QuorumServer. */
export interface EnsembleMember {
  /** A whole number from 0. */
  readonly id: number;
  readonly role: EnsembleRole;
  /** At least one; ascending by host. */
  readonly addresses: readonly MemberAddress[];
  /** Where clients connect; null: the line does not say. */
  readonly client: HostPort | null;
  /** The same for clients with TLS. */
  readonly secureClient: HostPort | null;
}

/** What may stand in a server line. */
export interface MemberOptions {
  /** As `multiAddress.enabled`: whether a server may have several addresses. By default not. */
  readonly isMultiAddressEnabled?: boolean;
}

const CLIENT_HOST_DEFAULT = '0.0.0.0';

/**
 * Parses the value of `server.<id>`:
 * `host:quorumPort:electionPort[:role][|...][;[host:]clientPort][;[host:]secureClientPort]`.
 *
 * @throws {EnsembleConfigError}
 */
export function parseEnsembleMember(
  id: number,
  value: string,
  { isMultiAddressEnabled = false }: MemberOptions = {},
): EnsembleMember {
  const line = new ServerLine(`server.${id}`, value);
  const [servers = '', client = '', secureClient = '', ...rest] = value.split(';');
  if (rest.length > 0) line.refuse('has more than three parts between semicolons');
  const parts = servers.split('|');
  if (parts.length > 1 && !isMultiAddressEnabled) {
    line.refuse('has several addresses: set multiAddress.enabled=true on all servers, or keep one');
  }
  const { addresses, role } = line.servers(parts);
  return {
    id,
    role,
    addresses: [...addresses].sort(byHost),
    client: line.client(client),
    secureClient: line.client(secureClient),
  };
}

/** The value of `server.<id>` as ZooKeeper prints it: the role always, and once. */
export function formatEnsembleMember(member: EnsembleMember): string {
  const { client, secureClient } = member;
  const addresses = [...member.addresses]
    .sort(byHost)
    .map((address) => `${formatHost(address.host)}:${address.quorumPort}:${address.electionPort}`);
  let text = `${addresses.join('|')}:${member.role}`;
  if (client !== null) text += `;${formatHostPort(client)}`;
  if (secureClient !== null)
    text += `${client === null ? ';' : ''};${formatHostPort(secureClient)}`;
  return text;
}

function byHost(a: MemberAddress, b: MemberAddress): number {
  return a.host < b.host ? -1 : Number(a.host > b.host);
}

/** One value while it is parsed, so that every complaint can show it. */
class ServerLine {
  constructor(
    private readonly key: string,
    private readonly value: string,
  ) {}

  servers(parts: readonly string[]): { addresses: MemberAddress[]; role: EnsembleRole } {
    const addresses: MemberAddress[] = [];
    const roles = new Set<EnsembleRole>();
    for (const part of parts) {
      const pieces = splitAddress(part) ?? [];
      const [host = '', quorumPort = '', electionPort = '', ...role] = pieces;
      if (role.length > 1 || electionPort === '') {
        this.refuse(
          'must be host:quorumPort:electionPort, with :observer behind it for an observer',
        );
      }
      const address = {
        host: this.host(host),
        quorumPort: this.peerPort(quorumPort),
        electionPort: this.peerPort(electionPort),
      };
      if (address.quorumPort === address.electionPort) {
        this.refuse('has one port for two things: give the election another port than the quorum');
      }
      addresses.push(address);
      for (const text of role) roles.add(this.role(text));
    }
    if (roles.size > 1) this.refuse('is participant and observer: give all addresses one role');
    const [role = 'participant'] = roles;
    return { addresses, role };
  }

  client(part: string): HostPort | null {
    if (part === '') return null;
    const pieces = splitAddress(part) ?? [];
    const [host = '', portText = ''] = pieces.length === 1 ? [CLIENT_HOST_DEFAULT, part] : pieces;
    const port = parsePort(portText);
    if (port === null || pieces.length > 2) {
      this.refuse(`has ${quoted(part)} for its clients: it must be port or host:port`);
    }
    return { host: this.host(host), port };
  }

  private host(text: string): string {
    if (isHost(text)) return text;
    return this.refuse(
      `has the host ${quoted(text)}: it must be a name, an IPv4 address, or an IPv6 address in brackets`,
    );
  }

  private peerPort(text: string): number {
    const port = parsePort(text);
    if (port !== null && port > 0) return port;
    return this.refuse(`has the port ${quoted(text)}: it must be a number from 1 to 65535`);
  }

  private role(text: string): EnsembleRole {
    const role = text.trim().toLowerCase();
    if (role === 'participant' || role === 'observer') return role;
    return this.refuse(`has the role ${quoted(text)}: it must be participant or observer`);
  }

  refuse(problem: string): never {
    throw new EnsembleConfigError(this.key, `${problem}, and is ${quoted(this.value)}`);
  }
}
