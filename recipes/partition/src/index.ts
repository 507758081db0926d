/** Where partitions stand whose paths do not begin with a slash. */
export const PARTITIONS_ROOT = '/partitions';
