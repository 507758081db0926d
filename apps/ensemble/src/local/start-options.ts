import { parseArgs } from 'node:util';
import { ConfigurationError } from '@aviary/server';

/** What the person who types `npm start` wants. */
export interface StartOptions {
  /** How many members; 1: one that stands alone, in the process itself. */
  readonly members: number;
  /** Whether to begin with empty data. */
  readonly isFresh: boolean;
  /** Whether a member that died is started again. */
  readonly restarts: boolean;
}

const MEMBERS_DEFAULT = 3;
const MEMBERS_MAX = 9;

export const USAGE = `usage: npm start -- [--members N] [--fresh] [--restart]
  --members N   how many, from 1 to ${MEMBERS_MAX} (default ${MEMBERS_DEFAULT}); 1 is a server that stands alone
  --fresh       remove the data of earlier runs first
  --restart     start a member again when it has died
`;

/** @throws {ConfigurationError} With one line. */
export function startOptions(args: readonly string[]): StartOptions {
  const { members, fresh, restart } = parsed(args);
  const options = { members: count(members), isFresh: fresh, restarts: restart };
  if (options.restarts && options.members === 1) {
    throw new ConfigurationError(
      '--restart needs two members or more: one that stands alone is the process that npm start runs',
    );
  }
  return options;
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        members: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        restart: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      throw new ConfigurationError(
        'npm start takes no file: node apps/ensemble/dist/main.js zoo.cfg runs one member as a file says',
      );
    }
    const [problem = ''] = message.split(/[.\n]/);
    throw new ConfigurationError(`${problem}. ${USAGE.slice(0, USAGE.indexOf('\n'))}`);
  }
}

function count(text: string | undefined): number {
  if (text === undefined) return MEMBERS_DEFAULT;
  const members = Number(text);
  if (/^\d$/.test(text) && members >= 1 && members <= MEMBERS_MAX) return members;
  throw new ConfigurationError(
    `--members must be a whole number from 1 to ${MEMBERS_MAX}, and is "${text}"`,
  );
}
