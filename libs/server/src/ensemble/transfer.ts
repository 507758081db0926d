/** So much may wait in the socket of a learner before more is read or made for it. */
export const QUEUED_BYTES_MAX = 4 << 20;
/** After which it is tried again where something has to come by itself. */
export const RETRY_MS = 20;

/** History on its way to a learner, in pieces. */
export interface Transfer {
  /** There may be room in the socket again. */
  goOn(): void;
  /** The connection is gone, or everything was sent. May be repeated. */
  stop(): void;
}
