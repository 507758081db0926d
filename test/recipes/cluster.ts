import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { NoNodeError, NotEmptyError, ZooKeeper, type ZooKeeperOptions } from '@aviary/client';
import { Ensemble, type Member } from '../e2e/configured-ensemble.js';
import { temporaryDirectory } from '../e2e/member-process.js';
import { MemberNetwork, type CutFrom, type CutWay } from './torment/member-network.js';

/** Short, so that a member that is stopped is missed soon. */
const SETTINGS = { tickTime: 500, syncLimit: 4 };

/** What members with this tick grant at least. */
export const SHORT_SESSION_MS = 2 * SETTINGS.tickTime;

const LOOK_AGAIN_MS = 10;

/** Aborts when the cluster of this test file ends. */
const ending = new AbortController();

const { ZK_HOSTS: givenHosts } = process.env;

/** Whether the members are processes of this test: else none of them is killed or stopped. */
export const membersAreOurs = givenHosts === undefined;

/** How the cluster of these tests is to be called in their names. */
export const clusterName = membersAreOurs ? 'three members' : `the ensemble at ${givenHosts}`;

/** How members of ours are to be. */
export interface ClusterOptions {
  /** Puts a network between them and before their clients that can be cut: {@link Cluster.cutOff}. */
  readonly isCuttable?: boolean;
  /** Lines of their configuration with other numbers. */
  readonly settings?: Readonly<Record<string, number>>;
}

/**
 * The cluster that recipes are tested on: three members as processes of their own, or the ensemble
 * that `ZK_HOSTS=host:port,...` names.
 *
 * @example
 * let cluster: Cluster;
 * beforeAll(async () => { cluster = await Cluster.start(); });
 * afterAll(() => cluster.stop());
 */
export class Cluster {
  /** One `host:port` for each member. */
  readonly servers: readonly string[];
  /** Below it everything of this test stands; it is removed at the end. */
  readonly base = `/recipes-${randomBytes(6).toString('hex')}`;
  private readonly ensemble: Ensemble | null;
  private readonly network: MemberNetwork | null;
  private readonly removeData: () => void;
  private readonly clients: ZooKeeper[] = [];
  private bases = 0;

  private constructor(
    servers: readonly string[],
    ensemble: Ensemble | null,
    network: MemberNetwork | null,
    removeData: () => void,
  ) {
    this.servers = servers;
    this.ensemble = ensemble;
    this.network = network;
    this.removeData = removeData;
  }

  /** Resolves when it serves. */
  static async start({ isCuttable = false, settings }: ClusterOptions = {}): Promise<Cluster> {
    if (givenHosts !== undefined) {
      const cluster = new Cluster(givenHosts.split(','), null, null, () => undefined);
      await cluster.client().create(cluster.base);
      return cluster;
    }
    const directory = temporaryDirectory();
    const ensemble = await Ensemble.configure(directory.path, { ...SETTINGS, ...settings });
    // Tests ask what is left of clients.
    for (const { config } of ensemble.members) appendFileSync(config, '4lw.commands.whitelist=*\n');
    const network = isCuttable ? await MemberNetwork.between(ensemble.members) : null;
    const servers = network?.servers ?? ensemble.members.map(({ address }) => address);
    const cluster = new Cluster(servers, ensemble, network, () => directory.remove());
    try {
      await Promise.all(ensemble.members.map((member) => ensemble.start(member)));
      await ensemble.settled();
      await cluster.client().create(cluster.base);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** A path that stands, and that no other test uses. */
  async freshBase(): Promise<string> {
    const path = `${this.base}/${++this.bases}`;
    await this.client().create(path);
    return path;
  }

  /** A client that is closed at the end, if not before. */
  client(options: Partial<ZooKeeperOptions> = {}): ZooKeeper {
    const zk = new ZooKeeper({ servers: this.servers, ...options });
    this.clients.push(zk);
    return zk;
  }

  /** The names of a node's children as the leader has them; none if there is no such node. */
  async childrenOf(path: string): Promise<readonly string[]> {
    const zk = this.client();
    try {
      await zk.sync(path);
      return [...(await zk.children(path)).children].sort();
    } catch (error) {
      if (error instanceof NoNodeError) return [];
      throw error;
    } finally {
      await zk.close();
    }
  }

  /** The members, for faults. @throws {Error} They are not ours: see {@link membersAreOurs}. */
  get members(): Ensemble {
    if (this.ensemble === null) throw new Error('the members belong to somebody else');
    return this.ensemble;
  }

  /** Kills the leader, and resolves when another leads; `restore` starts it again. */
  async killLeader(): Promise<{ readonly restore: () => Promise<void> }> {
    const leader = await this.members.settled();
    return this.kill(leader);
  }

  /** Kills a member, and resolves when the others have a leader; `restore` starts it again. */
  async kill(member: Member): Promise<{ readonly restore: () => Promise<void> }> {
    const { members } = this;
    await members.end(member, 'SIGKILL');
    await members.settled(members.members.filter((other) => other !== member));
    const restore = async (): Promise<void> => {
      await members.start(member);
      await members.settled();
    };
    return { restore };
  }

  /**
   * Bytes between a member and others stop, and nothing closes, until {@link heal}. Members and clients
   * must have found each other by {@link servers}.
   *
   * @throws {Error} The cluster was not started as one that can be cut.
   */
  cutOff(member: Member, from: CutFrom = 'peers', ways: CutWay = 'both'): void {
    this.cuttable.cutOff(member, from, ways);
  }

  /** Everybody reaches everybody again; connections that were cut are reset. */
  heal(): void {
    this.cuttable.heal();
  }

  private get cuttable(): MemberNetwork {
    if (this.network === null) throw new Error('start the cluster with isCuttable');
    return this.network;
  }

  /** Closes the clients, removes what the test made, ends the members, and each {@link until}. */
  async stop(): Promise<void> {
    ending.abort();
    this.network?.heal();
    await Promise.all(this.clients.map((zk) => zk.close()));
    if (this.ensemble === null) await this.removeBase();
    else await this.ensemble.killAll();
    await this.network?.close();
    this.removeData();
  }

  private async removeBase(): Promise<void> {
    await using zk = new ZooKeeper({ servers: this.servers });
    await removeTree(zk, this.base);
  }
}

/**
 * Resolves as soon as `condition` gives something else than false, null and undefined: with that.
 * Rejects when the cluster is stopped: a test whose time is over would keep the process alive.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  for (;;) {
    const found = await condition();
    if (found !== false && found !== null && found !== undefined) {
      return found as Exclude<T, false | null | undefined>;
    }
    await pause(LOOK_AGAIN_MS, undefined, { signal: ending.signal });
  }
}

/** What remains of ephemeral nodes and containers may go at the same time. */
async function removeTree(zk: ZooKeeper, path: string): Promise<void> {
  for (;;) {
    try {
      const { children } = await zk.children(path);
      for (const name of children) await removeTree(zk, `${path}/${name}`);
      await zk.deleteGuaranteed(path);
      return;
    } catch (error) {
      if (error instanceof NoNodeError) return;
      if (!(error instanceof NotEmptyError)) throw error;
    }
  }
}
