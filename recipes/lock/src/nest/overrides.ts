import type { DiscoveryService } from '@nestjs/core';
import type { RunnerMark } from '@aviary/nest';
import { GUARD_MARKS } from './guards.js';

/**
 * What is to be said of methods of providers and controllers that override a guarded one and have no
 * guard themselves: one line for each. They run without the lock, which may be meant.
 *
 * @param module The name of the `LockModule` whose guards are meant.
 */
export function unguardedOverrides(discovery: DiscoveryService, module: string): string[] {
  const wrappers = [...discovery.getProviders(), ...discovery.getControllers()];
  // Classes stand under several tokens, and have subclasses.
  const lines = new Set<string>();
  for (const { instance } of wrappers as { readonly instance: unknown }[]) {
    if (typeof instance !== 'object' || instance === null) continue;
    for (const line of linesOf(instance, module)) lines.add(line);
  }
  return [...lines];
}

function linesOf(instance: object, module: string): string[] {
  /** By name, the class whose method is called, if that has no guard; until one is found above. */
  const unguarded = new Map<string | symbol, object>();
  const seen = new Set<string | symbol>();
  const lines: string[] = [];
  let prototype = Object.getPrototypeOf(instance) as object | null;
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
    for (const name of Reflect.ownKeys(prototype)) {
      const [mark] = GUARD_MARKS.own(prototype, name);
      const override = unguarded.get(name);
      if (mark === undefined && !seen.has(name)) unguarded.set(name, prototype);
      seen.add(name);
      if (mark === undefined || override === undefined) continue;
      unguarded.delete(name);
      if (mark.module === module) lines.push(lineOf(override, String(name), mark));
    }
  }
  return lines;
}

function lineOf(override: object, name: string, { decorator, method }: RunnerMark): string {
  return (
    `${override.constructor.name}.${name} overrides ${method}, which is under ${decorator}, and runs ` +
    `without its lock, but for what it does by super.${name}(): repeat the decorator on the ` +
    'override; or leave it out, if that is meant'
  );
}
