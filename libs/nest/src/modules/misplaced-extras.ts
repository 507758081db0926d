import { shown } from '../methods/shown.js';

/**
 * What a factory of `forRootAsync` has returned although it belongs beside the factory, since the module's
 * shape depends on it: Nest would ignore it.
 *
 * @param extras As they hold for the module. What the factory says in the same way is not misplaced.
 * @param method Of the module, which was given the factory.
 * @returns Why the start ends, and what to write instead; null: nothing is misplaced.
 */
export function misplacedExtras(
  options: unknown,
  extras: object,
  method = 'forRootAsync',
): string | null {
  if (typeof options !== 'object' || options === null) return null;
  const returned = options as Readonly<Record<string, unknown>>;
  const misplaced = Object.entries(extras).flatMap(([key, held]: [string, unknown]) => {
    const given = returned[key];
    return given === undefined || given === held ? [] : [`${key}: ${shown(given)}`];
  });
  if (misplaced.length === 0) return null;
  const written = misplaced.join(', ');
  return (
    `the factory returned { ${written} }, which must be known before it is called; ` +
    `write it beside the factory: ${method}({ ${written}, useFactory: ... })`
  );
}
