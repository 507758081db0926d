/** Where queues stand whose paths do not begin with a slash. */
export const QUEUES_ROOT = '/queues';
