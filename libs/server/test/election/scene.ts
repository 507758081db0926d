import { World, type NetworkModel } from '@aviary/simulator';
import type { ServerId } from '@aviary/zab';
import {
  ELECTION_PORT,
  MemberUnderTest,
  ensembleOf,
  type GivenOptions,
} from './member-under-test.js';
import { WirePeer, type WireConnection } from './wire-peer.js';

export interface SceneOptions {
  readonly seed?: number;
  readonly given?: GivenOptions;
  /** Servers that are there, and not in the configuration. */
  readonly strangers?: readonly ServerId[];
  readonly network?: Partial<NetworkModel>;
}

/** One server of ours among servers that the test speaks for. */
export class Scene {
  readonly world: World;
  readonly ours: MemberUnderTest;
  private readonly peers = new Map<ServerId, WirePeer>();

  constructor(
    me: ServerId,
    others: readonly ServerId[],
    { seed = 7, given = {}, strangers = [], network = {} }: SceneOptions = {},
  ) {
    this.world = new World({ seed, network });
    for (const id of [...others, ...strangers]) {
      const host = this.world.addHost(`host${id}`);
      this.world.fabric.setName(`s${id}`, [host.address]);
      this.peers.set(id, new WirePeer(id, host.boot()));
    }
    const host = this.world.addHost('ours');
    this.world.fabric.setName(`s${me}`, [host.address]);
    this.ours = new MemberUnderTest(me, this.world, host, ensembleOf([me, ...others]), given);
  }

  peer(id: ServerId): WirePeer {
    return this.peers.get(id)!;
  }

  async start(looks = true): Promise<void> {
    this.ours.start({}, looks);
    await this.reach(() => this.ours.hasStarted);
  }

  reach(condition: () => boolean): Promise<void> {
    return this.world.reach(condition, { virtualMsMax: 20_000 });
  }

  async pass(ms: number): Promise<void> {
    await this.world.run({ virtualMsMax: ms });
  }

  /** A connection from `id` to ours that has said `bytes`. */
  connect(id: ServerId, ...bytes: readonly Uint8Array[]): WireConnection {
    const to = { address: this.ours.host.address, port: ELECTION_PORT };
    return this.peer(id).connect(to, ...bytes);
  }
}
