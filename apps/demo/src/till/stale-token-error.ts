/** The token is older than one that was here: lease or term must be over. Nothing was done. */
export class StaleTokenError extends Error {}
