/** A node changed. Only that it did is said: read to see the newest state. */
export interface NodeEvent {
  readonly kind: 'created' | 'deleted' | 'dataChanged' | 'childrenChanged';
  readonly path: string;
  /** The transaction that changed it; null where the server does not say (before 3.9). */
  readonly zxid: bigint | null;
}

/**
 * How a watch that fires once has ended: the node changed, or why nobody will hear of changes.
 *
 * `sessionLost`: watches end with their session; read again. `cancelled`: by its owner. `closed`:
 * with the client.
 */
export type WatchEvent =
  NodeEvent | { readonly kind: 'sessionLost' } | { readonly kind: 'cancelled' | 'closed' };
