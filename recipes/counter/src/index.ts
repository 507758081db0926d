/** Where counters stand whose paths do not begin with a slash. */
export const COUNTERS_ROOT = '/counters';
