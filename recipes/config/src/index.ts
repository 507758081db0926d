/** Where configurations stand whose paths do not begin with a slash. */
export const CONFIG_ROOT = '/config';
