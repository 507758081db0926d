import { readFileSync, writeFileSync } from 'node:fs';
import type { Member } from '../../e2e/configured-ensemble.js';
import { CuttableNetwork, type Rewrite } from './cuttable-network.js';

/** From whom a member is cut off. */
export type CutFrom = 'peers' | 'clients' | 'everybody';

/** Which way bytes stop: to the member, from it, or both. */
export type CutWay = 'in' | 'out' | 'both';

const CLIENTS = 'clients';

interface Ports {
  readonly quorum: string;
  readonly election: string;
  readonly client: string;
}

/**
 * A network between the members of an ensemble and before their clients. Each member reaches each
 * other one by ports of its own, which only its own configuration names.
 */
export class MemberNetwork {
  /** Where clients find the members, in the order of these. */
  readonly servers: string[] = [];
  private readonly network = new CuttableNetwork();

  private constructor(private readonly members: readonly Member[]) {}

  /** Stands between members that are configured and do not run yet. */
  static async between(members: readonly Member[]): Promise<MemberNetwork> {
    const network = new MemberNetwork(members);
    await network.open();
    return network;
  }

  /** Bytes stop, and nothing closes; see {@link CuttableNetwork}. */
  cutOff(member: Member, from: CutFrom = 'peers', ways: CutWay = 'both'): void {
    const others = this.members.filter((other) => other !== member).map(nameOf);
    const ends = [...(from === 'clients' ? [] : others), ...(from === 'peers' ? [] : [CLIENTS])];
    for (const end of ends) {
      if (ways !== 'out') this.network.cut(end, nameOf(member));
      if (ways !== 'in') this.network.cut(nameOf(member), end);
    }
  }

  /** Everybody reaches everybody again; connections that were cut are reset. */
  heal(): void {
    this.network.heal();
  }

  close(): Promise<void> {
    return this.network.close();
  }

  private async open(): Promise<void> {
    const ports = new Map(this.members.map((member) => [member, portsOf(member)]));
    const elections = new Map<string, number>();
    for (const [to, { election }] of ports) {
      for (const from of this.members) {
        if (from === to) continue;
        // Where `from` is to be called back, which is the other's door: known when all are open.
        const rewrite: Rewrite = (bytes) => {
          const own = ports.get(from)!.election;
          const door = elections.get(`${nameOf(to)} > ${nameOf(from)}`)!;
          return replaced(bytes, `:${own}`, `:${door}`);
        };
        const ends = { from: nameOf(from), to: nameOf(to) };
        const port = await this.network.door({ ...ends, port: Number(election), rewrite });
        elections.set(`${ends.from} > ${ends.to}`, port);
      }
    }
    for (const member of this.members) await this.configure(member, ports, elections);
    for (const [member, { client }] of ports) {
      const ends = { from: CLIENTS, to: nameOf(member) };
      const port = await this.network.door({ ...ends, port: Number(client) });
      this.servers.push(`127.0.0.1:${port}`);
    }
  }

  /** Lets a member find the others behind their doors. */
  private async configure(
    from: Member,
    ports: ReadonlyMap<Member, Ports>,
    elections: ReadonlyMap<string, number>,
  ): Promise<void> {
    let text = readFileSync(from.config, 'utf8');
    for (const [to, { quorum, election }] of ports) {
      if (from === to) continue;
      const ends = { from: nameOf(from), to: nameOf(to) };
      const quorumDoor = await this.network.door({ ...ends, port: Number(quorum) });
      const electionDoor = elections.get(`${ends.from} > ${ends.to}`)!;
      text = text.replace(`:${quorum}:${election};`, `:${quorumDoor}:${electionDoor};`);
    }
    writeFileSync(from.config, text);
  }
}

function nameOf({ id }: Member): string {
  return `member ${id}`;
}

/** The ports at which a member listens, as its configuration names them. */
function portsOf({ id, config }: Member): Ports {
  const line = new RegExp(`^server\\.${id}=[^:]+:(\\d+):(\\d+);[^:]+:(\\d+)$`, 'm');
  const [, quorum, election, client] = line.exec(readFileSync(config, 'utf8')) ?? [];
  if (quorum === undefined || election === undefined || client === undefined) {
    throw new Error(`${config} has no line for its own server ${id}`);
  }
  return { quorum, election, client };
}

/** Puts one text in the place of another as long, if it is there. */
function replaced(bytes: Buffer, before: string, after: string): Buffer {
  const at = bytes.indexOf(before);
  if (at < 0) return bytes;
  // The message says how long it is.
  if (before.length !== after.length) throw new Error(`${after} is not as long as ${before}`);
  const copy = Buffer.from(bytes);
  copy.write(after, at, 'latin1');
  return copy;
}
