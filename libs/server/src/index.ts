export { ClientPort } from './client-port.js';
export { metrics } from './metrics.js';
export { FOUR_LETTER_WORDS_DEFAULT, LIMITS_DEFAULT, serverOptions } from './options.js';
export type { ServerLimits, ServerOptions } from './options.js';
export { StandaloneServer } from './server.js';
export type { ServerPorts, ServerState } from './server.js';
export { SessionIdentityError } from './session-identity.js';
export { AVIARY_VERSION, SERVER_VERSION } from './version.js';
