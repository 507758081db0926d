/** The rim to NestJS; see README.md. */
export { EnsembleModule } from './ensemble/ensemble.module.js';
export { ENSEMBLE_TRANSPORT, EnsembleTransport } from './ensemble/ensemble.transport.js';
export type { EnsembleEvents, EnsembleStatus } from './ensemble/ensemble.transport.js';
export type { EnsembleMode } from './ensemble/hosted-server.js';
export type { EnsembleOptions } from './ensemble/ensemble-options.js';
export { EnsembleHealthIndicator } from './health/ensemble-health.indicator.js';
export type { HealthResult } from './health/health-result.js';
export { ZooKeeperHealthIndicator } from './health/zookeeper-health.indicator.js';
export { NestLog } from './logging/nest-log.js';
export type {
  ZooKeeperModuleOptions,
  ZooKeeperOptionsFactory,
  ZooKeeperStartup,
} from './zookeeper/zookeeper-options.js';
export { ZooKeeperSetupError } from './zookeeper/zookeeper-setup-error.js';
export { ZooKeeperModule } from './zookeeper/zookeeper.module.js';
export { getZooKeeperToken, InjectZooKeeper } from './zookeeper/zookeeper.tokens.js';
