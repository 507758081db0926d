/** Where roles stand whose paths do not begin with a slash. */
export const LEADERS_ROOT = '/leaders';
