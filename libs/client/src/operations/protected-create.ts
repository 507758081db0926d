import { childPath, nodeName, parentPath, type Random } from '@aviary/foundation';
import type { Stat } from '@aviary/protocol';
import {
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  SessionExpiredError,
} from '../errors.js';
import { NoNodeError } from '../server-errors.js';
import type { NodeInput } from './arguments.js';
import type { CreatedNode, NodeChildren } from './node-operations.js';
import type { CallOptions } from './operation.js';

/** A node that was made, and how it is told from those of others. */
export interface ProtectedNode extends CreatedNode {
  /** The session that it was made in. */
  readonly sessionId: bigint;
  /** The id that its name carries. */
  readonly protectionId: string;
}

/** What a protected create needs of the client. */
export interface ProtectedPorts {
  readonly random: Random;
  create(path: string, data: NodeInput | undefined, options: CallOptions): Promise<CreatedNode>;
  sync(path: string, options: CallOptions): Promise<void>;
  children(path: string, options: CallOptions): Promise<NodeChildren>;
  exists(path: string, options: CallOptions): Promise<Stat | null>;
  deleteGuaranteed(path: string, inSession: bigint | undefined): Promise<void>;
  /** The clean-up of a node that nobody will use could not be done. */
  reportLeftover(path: string, error: unknown): void;
}

/** A random UUID (version 4), as text. */
function newId(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/**
 * One create whose outcome can always be found out.
 *
 * If the connection breaks between request and answer, nobody knows whether a sequential node was
 * made, nor its name: a second attempt would leave an orphan behind that blocks every queue it
 * stands in. So the name carries a random id, in Curator's form, and after a lost answer the
 * parent's children are searched for it. Everything happens in one session, so a node of an earlier
 * session of this client, which is about to vanish, is never taken for this one.
 */
export class ProtectedCreate {
  private readonly ports: ProtectedPorts;
  private readonly sessionId: bigint;
  private readonly ephemeral: boolean;
  private readonly id: string;
  private readonly parent: string;
  private readonly path: string;

  constructor(ports: ProtectedPorts, path: string, sessionId: bigint, ephemeral: boolean) {
    this.ports = ports;
    this.sessionId = sessionId;
    this.ephemeral = ephemeral;
    this.id = newId(ports.random);
    this.parent = parentPath(path) ?? '/';
    this.path = childPath(this.parent, `${this.prefix}${nodeName(path)}`);
  }

  private get prefix(): string {
    return `_c_${this.id}-`;
  }

  /** `rest` gives the caller's options with what is left of the deadline. */
  async run(data: NodeInput | undefined, rest: () => CallOptions): Promise<ProtectedNode> {
    const options = (): CallOptions => ({ ...rest(), inSession: this.sessionId });
    let unknown = false;
    for (;;) {
      try {
        const found = unknown ? await this.find(options) : null;
        unknown = false;
        const node = found ?? (await this.ports.create(this.path, data, options()));
        return { ...node, sessionId: this.sessionId, protectionId: this.id };
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
        // A failed search says nothing new of the create.
        unknown ||= error.outcome === 'unknown';
        if (error instanceof ConnectionLossError) continue;
        if (unknown) void this.removeLater();
        throw error;
      }
    }
  }

  /** Looks for the node. What was applied before the answer was lost is seen after the sync. */
  private async find(options: () => CallOptions): Promise<CreatedNode | null> {
    const { ports, parent } = this;
    await ports.sync(parent, options());
    const { children } = await ports.children(parent, options());
    const name = children.find((child) => child.startsWith(this.prefix));
    if (name === undefined) return null;
    const path = childPath(parent, name);
    const stat = await ports.exists(path, options());
    return stat === null ? null : { path, stat };
  }

  /** The caller has gone, and the node may be there: it must not stay. */
  private async removeLater(): Promise<void> {
    const inSession = this.ephemeral ? this.sessionId : undefined;
    for (;;) {
      try {
        const found = await this.find(() => ({ deadlineMs: Infinity, inSession }));
        if (found !== null) await this.ports.deleteGuaranteed(found.path, inSession);
        return;
      } catch (error) {
        if (error instanceof NoNodeError) return;
        const sessionOver = error instanceof SessionExpiredError || error instanceof ClosedError;
        if (sessionOver && this.ephemeral) return;
        if (error instanceof ConnectionLossError || error instanceof SessionExpiredError) continue;
        this.ports.reportLeftover(this.path, error);
        return;
      }
    }
  }
}
