/** Injects the `EnsemblePlace` of the demo. */
export const ENSEMBLE_PLACE = Symbol('demo:ensemble-place');
/** Injects its `DemoOptions`. */
export const DEMO_OPTIONS = Symbol('demo:options');
