import {
  participantsOf,
  type EnsembleConfig,
  type EnsembleMember,
  type HostPort,
} from '@aviary/protocol';
import {
  Hierarchy,
  Majority,
  type ElectionConfig,
  type QuorumVerifier,
  type ServerId,
} from '@aviary/zab';

/** Who elects, and where the members are called. */
export interface ElectionMembership {
  readonly config: ElectionConfig;
  /**
   * Election addresses of every server of the configuration in force and of the proposed one, in the
   * order in which they are tried.
   */
  readonly addresses: ReadonlyMap<ServerId, readonly HostPort[]>;
}

/**
 * What elections need of an ensemble's configuration.
 *
 * @param lastSeen The proposed configuration, if it is not yet in force (QuorumPeer.lastSeenQuorumVerifier).
 */
export function electionMembership(
  me: ServerId,
  current: EnsembleConfig,
  lastSeen: EnsembleConfig | null = null,
): ElectionMembership {
  const addresses = new Map<ServerId, HostPort[]>();
  for (const config of lastSeen === null ? [current] : [current, lastSeen]) {
    for (const [id, member] of config.members) {
      const known = addresses.get(id) ?? [];
      const added = electionAddressesOf(member).filter((one) => !known.some(isSameAs(one)));
      addresses.set(id, [...known, ...added]);
    }
  }
  return {
    config: {
      current: { version: current.version, verifier: quorumVerifierOf(current) },
      lastSeen:
        lastSeen === null
          ? null
          : { version: lastSeen.version, verifier: quorumVerifierOf(lastSeen) },
      observer: current.members.get(me)?.role === 'observer',
    },
    addresses,
  };
}

/** Where a server listens for elections. */
export function electionAddressesOf({ addresses }: EnsembleMember): HostPort[] {
  return addresses.map(({ host, electionPort }) => ({ host, port: electionPort }));
}

/** Who may act for the ensemble: most of the participants, or what its groups and weights say. */
export function quorumVerifierOf(config: EnsembleConfig): QuorumVerifier {
  const { hierarchy } = config;
  if (hierarchy === null) return new Majority(participantsOf(config));
  const groups = [...hierarchy.groups.values()].map((servers) => ({
    weights: new Map(servers.map((server) => [server, hierarchy.weights.get(server) ?? 1])),
  }));
  return new Hierarchy(groups);
}

function isSameAs(one: HostPort): (other: HostPort) => boolean {
  return ({ host, port }) => host === one.host && port === one.port;
}
