/** Version of this package. */
export const AVIARY_VERSION = '0.1.0';

/**
 * What the server says it is: first the ZooKeeper whose behaviour it has, since clients look for
 * three numbers at the start, then its own name.
 */
export const SERVER_VERSION = `3.9.5-aviary-${AVIARY_VERSION}, built on 2026-11-22 00:00 UTC`;
