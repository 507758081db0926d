import { parseArgs } from 'node:util';

/** What the person who starts the demo wants. */
export interface DemoOptions {
  readonly instances: number;
  /** How long it runs; null: until Ctrl-C. */
  readonly seconds: number | null;
  /** The ensemble to use; null: the one on this machine, or one of its own. */
  readonly connect: string | null;
  /** Whether it starts one of its own, also if there is another. */
  readonly isOwn: boolean;
  /** How long a visit takes. */
  readonly holdMs: number;
  readonly sessionTimeoutMs: number;
  /** Whether instances write without looking whether they still hold the lock. */
  readonly isCareless: boolean;
}

/** The command line makes no sense; the message says why. */
export class UsageError extends Error {}

export const USAGE = `usage: npm run demo -- [options]
  --instances N      processes that share the lock (default 3)
  --seconds N        stop after that time (default: at Ctrl-C)
  --connect HOSTS    an ensemble, as host:port,host:port/chroot (default: ZK_HOSTS, else
                     localhost:2181, else three members that are started for the demo)
  --own              start three members for the demo in any case
  --hold-ms N        how long a visit takes (default 600)
  --session-ms N     session timeout (default 4000)
  --careless         write without asking whether the lock is still held: only the till's check
                     of fencing tokens protects it then
`;

/** @throws {UsageError} */
export function demoOptions(
  args: readonly string[],
  environment: { readonly ZK_HOSTS?: string | undefined },
): DemoOptions {
  const values = parsed(args);
  if (values.own && values.connect !== undefined) {
    throw new UsageError('--own starts an ensemble and --connect names one: take one of them');
  }
  return {
    instances: whole('instances', values.instances, { fallback: 3, min: 1, max: 50 }),
    seconds:
      values.seconds === undefined
        ? null
        : whole('seconds', values.seconds, { fallback: 0, min: 1, max: 86_400 }),
    connect: [values.connect, environment.ZK_HOSTS].find((hosts) => hosts) ?? null,
    isOwn: values.own,
    holdMs: whole('hold-ms', values['hold-ms'], { fallback: 600, min: 1, max: 60_000 }),
    sessionTimeoutMs: whole('session-ms', values['session-ms'], {
      fallback: 4_000,
      min: 500,
      max: 60_000,
    }),
    isCareless: values.careless,
  };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        instances: { type: 'string' },
        seconds: { type: 'string' },
        connect: { type: 'string' },
        'hold-ms': { type: 'string' },
        'session-ms': { type: 'string' },
        own: { type: 'boolean', default: false },
        careless: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(
  name: string,
  text: string | undefined,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`);
}
