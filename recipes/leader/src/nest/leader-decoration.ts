import { DEFAULT_MODULE, markedMethodOf, shown, type MarkedMethod } from '@aviary/nest';
import { LeaderSetupError } from './leader-setup-error.js';

/** A decorator of the leader's methods, and what it was given. */
export interface LeaderDecoration {
  /** As it is written: `@LeaderOnly()`. */
  readonly decorator: string;
  readonly role: unknown;
  /** Callers without types can pass anything. */
  readonly options: { readonly leaders?: string | undefined };
  /** Default: a generator would only be made. */
  readonly whyNotGenerator?: string;
}

/** A method that belongs to a role. */
export interface LeaderMethod extends MarkedMethod {
  /** The `name` of the `LeaderModule` that is meant. */
  readonly module: string;
  /** Ends the definition of the class with a sentence about the decorator and the method. */
  readonly refuse: (problem: string) => never;
}

/** @throws {LeaderSetupError} It stands on something that is no method, or was given what is none. */
export function leaderMethodOf(
  { decorator, role, options, whyNotGenerator }: LeaderDecoration,
  target: object,
  key: string | symbol | undefined,
  descriptor: unknown,
): LeaderMethod {
  const marked = markedMethodOf(
    {
      decorator,
      SetupError: LeaderSetupError,
      whyNotStatic: 'a static method has no application that could lead',
      whyNotGenerator: whyNotGenerator ?? 'a generator would only be made, and nobody would run it',
    },
    target,
    key,
    descriptor,
  );
  const refuse = (problem: string): never => {
    throw new LeaderSetupError(`${decorator} on ${marked.name}: ${problem}`);
  };
  if (Object(options) !== options) refuse(`its options must be an object, not ${shown(options)}`);
  if (!isName(role)) refuse(`its role must be a string, and not empty, not ${shown(role)}`);
  const { leaders = DEFAULT_MODULE } = options;
  if (!isName(leaders)) {
    refuse(`leaders must be the name of a LeaderModule, not ${shown(leaders)}`);
  }
  return { ...marked, module: leaders, refuse };
}

/** An option that is one of a few words. */
export function checkWay(
  { refuse }: LeaderMethod,
  option: string,
  given: unknown,
  ways: readonly string[],
): void {
  if (ways.includes(given as string)) return;
  refuse(`${option} must be one of ${ways.map(shown).join(', ')}, not ${shown(given)}`);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
