export { EnsembleModule } from './ensemble/ensemble.module.js';
export { ENSEMBLE_TRANSPORT, EnsembleTransport } from './ensemble/ensemble.transport.js';
export type { EnsembleEvents, EnsembleStatus } from './ensemble/ensemble.transport.js';
export type { EnsembleOptions } from './ensemble/ensemble-options.js';
