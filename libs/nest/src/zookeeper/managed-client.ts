import { ZooKeeper } from '@aviary/client';

/**
 * A client that `ZooKeeperModule` made, and that it therefore connects and closes. What a test puts
 * in its place belongs to the test.
 */
export class ManagedClient extends ZooKeeper {}
