/** Where groups stand whose paths do not begin with a slash. */
export const GROUPS_ROOT = '/groups';
