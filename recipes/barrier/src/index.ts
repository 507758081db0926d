/** Where barriers stand whose paths do not begin with a slash. */
export const BARRIERS_ROOT = '/barriers';
