import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which `Barriers` are provided, for `inject: [...]` and for tests. */
export function getBarriersToken(name: string = DEFAULT_MODULE): string {
  return `aviary:barriers:${name}`;
}

/** The token under which a `Barrier` of `BarrierModule.forFeature` is provided. */
export function getBarrierToken(path: string, module: string = DEFAULT_MODULE): string {
  return `aviary:barrier:${module}:${path}`;
}

/** The token under which a `DoubleBarrier` of `BarrierModule.forFeature` is provided. */
export function getDoubleBarrierToken(path: string, module: string = DEFAULT_MODULE): string {
  return `aviary:double-barrier:${module}:${path}`;
}

/**
 * Injects the `Barriers` of a `BarrierModule`. For the one without a name the class will do as
 * well: `constructor(private readonly barriers: Barriers)`.
 */
export function InjectBarriers(name?: string): ReturnType<typeof Inject> {
  return Inject(getBarriersToken(name));
}

/**
 * Injects a `Barrier` of `BarrierModule.forFeature`.
 *
 * @example
 * constructor(@InjectBarrier('deploy') private readonly deploy: Barrier) {}
 */
export function InjectBarrier(path: string, module?: string): ReturnType<typeof Inject> {
  return Inject(getBarrierToken(path, module));
}

/** Injects a `DoubleBarrier` of `BarrierModule.forFeature`. */
export function InjectDoubleBarrier(path: string, module?: string): ReturnType<typeof Inject> {
  return Inject(getDoubleBarrierToken(path, module));
}
