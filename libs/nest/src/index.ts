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
export { dress, originalOf } from './methods/dress.js';
export type { Method } from './methods/dress.js';
export { durationMs, durationOptionMs } from './methods/duration.js';
export type { Duration } from './methods/duration.js';
export { compileTemplate } from './methods/key-template.js';
export type { KeyOfCall, KeyRefusals } from './methods/key-template.js';
export { markedMethodOf, returnKindOf } from './methods/marked-method.js';
export type { MarkedMethod, MethodDecoration, ReturnKind } from './methods/marked-method.js';
export { Marks, requireOneObject } from './methods/marks.js';
export type { FoundMark } from './methods/marks.js';
export { ParameterMarks, placeArgument } from './methods/parameter-marks.js';
export type { ParameterDecoration } from './methods/parameter-marks.js';
export { parameterPlaces } from './methods/parameter-names.js';
export type { ParameterPlace } from './methods/parameter-names.js';
export { DEFAULT_MODULE, RunnerBinding } from './methods/runner-binding.js';
export type { MethodRunner, RunnerBindingOptions, RunnerMark } from './methods/runner-binding.js';
export { shown } from './methods/shown.js';
export { featureModule, featurePath } from './modules/feature-module.js';
export type { Feature } from './modules/feature-module.js';
export { misplacedExtras } from './modules/misplaced-extras.js';
export type { RecipeExtras } from './modules/recipe-extras.js';
export { recipeModule } from './modules/recipe-module.js';
export type { RecipeDefinition, RecipeModuleHost, RecipePart } from './modules/recipe-module.js';
export { RecipeSetup } from './modules/recipe-setup.js';
export type { RecipeOptions, RecipeSetupFacts } from './modules/recipe-setup.js';
export { RecipeSetupError } from './modules/recipe-setup-error.js';
export type { RecipeSetupErrorClass } from './modules/recipe-setup-error.js';
export type {
  ZooKeeperModuleOptions,
  ZooKeeperOptionsFactory,
  ZooKeeperStartup,
} from './zookeeper/zookeeper-options.js';
export { ZooKeeperSetupError } from './zookeeper/zookeeper-setup-error.js';
export { ZooKeeperModule } from './zookeeper/zookeeper.module.js';
export { getZooKeeperToken, InjectZooKeeper } from './zookeeper/zookeeper.tokens.js';
