import type { ZooKeeper } from '@aviary/client';

/** What the presences of one client know of each other. */
export interface Kin {
  /** The paths where they are (null), or were: then with the removal that is on its way. */
  readonly taken: Map<string, Promise<void> | null>;
  /** The sessions in which they may have made nodes. The last one is the newest. */
  readonly sessions: bigint[];
  /** The random owners of nodes with a time to live, the newest last. */
  readonly owners: string[];
}

/** Of what was before that, nothing can be left. */
const SESSIONS_MAX = 16;
const OWNERS_MAX = 256;

const kinOfClients = new WeakMap<ZooKeeper, Kin>();

/** Those of a client: the same object for everybody who asks. */
export function kinOf(zk: ZooKeeper): Kin {
  let kin = kinOfClients.get(zk);
  if (kin === undefined) {
    kin = { taken: new Map<string, Promise<void> | null>(), sessions: [], owners: [] };
    kinOfClients.set(zk, kin);
  }
  return kin;
}

/** Notes a session in which a node is about to be made. */
export function noteSession({ sessions }: Kin, sessionId: bigint): void {
  if (!sessions.includes(sessionId)) sessions.push(sessionId);
  if (sessions.length > SESSIONS_MAX) sessions.shift();
}

/** Notes an owner for whom a node is about to be made. */
export function noteOwner({ owners }: Kin, owner: string): void {
  if (!owners.includes(owner)) owners.push(owner);
  if (owners.length > OWNERS_MAX) owners.shift();
}
