import type { EnsembleOptions } from '@aviary/nest';
import { ConfigurationError, type ServerOptions } from '@aviary/server';

/** Exit statuses of the programs here, beside 0. */
export const EXIT_FAILURE = 1;
export const EXIT_BAD_CONFIGURATION = 2;
export const EXIT_IMPATIENT = 130;

/** What to do about errors of the system, by their codes. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has the port; stop it, or choose another clientPort',
  EACCES: 'this user may not; give it the directory or the port, or choose others',
  EPERM: 'this user may not; give it the directory or the port, or choose others',
  EROFS: 'the file system is read-only; choose another dataDir',
  ENOENT: 'it cannot be made there; choose another dataDir',
  ENOTDIR: 'a file stands where a directory is needed; choose another dataDir',
  ENOSPC: 'the disk is full; make room, or choose another dataDir',
  ENOTFOUND: 'no such name; correct clientPortAddress',
  EADDRNOTAVAIL: 'this machine has no such address; correct clientPortAddress',
};

/** The same about the ports for other members. */
const PEER_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has the port; stop it, or choose another',
  ENOTFOUND: 'no such name; correct it',
  EADDRNOTAVAIL: 'this machine has no such address; correct it',
};

/** A wrong address is a wrong setting, though only the system can tell. */
const MISTAKES = new Set(['ENOTFOUND', 'EADDRNOTAVAIL']);

type SystemError = NodeJS.ErrnoException & { readonly port?: number };

/** How a program ends that cannot go on: with one sentence that says what to do. */
export interface Failure {
  readonly sentence: string;
  readonly status: number;
}

/** @param options Of the member that could not be started, as far as they are known. */
export function failureOf(
  error: unknown,
  options?: Pick<EnsembleOptions & ServerOptions, 'clientPort' | 'ensemble' | 'serverId'>,
): Failure {
  if (!(error instanceof Error)) return { sentence: String(error), status: EXIT_FAILURE };
  const isMistake = error instanceof ConfigurationError || MISTAKES.has(codeOf(error));
  const advice = adviceOn(error, options);
  const sentence = advice === undefined ? error.message : `${error.message}: ${advice}`;
  return {
    sentence: isMistake ? `configuration: ${sentence}` : sentence,
    status: isMistake ? EXIT_BAD_CONFIGURATION : EXIT_FAILURE,
  };
}

function adviceOn(
  error: SystemError,
  options:
    Pick<EnsembleOptions & ServerOptions, 'clientPort' | 'ensemble' | 'serverId'> | undefined,
): string | undefined {
  // It has its own advice.
  if (error.name === 'ElectionPortError') return undefined;
  const code = codeOf(error);
  const isMember = options?.ensemble !== undefined;
  const isOfPeers = error.name === 'ConnectError' || error.port !== options?.clientPort;
  const advice = isMember && isOfPeers ? PEER_ADVICE[code] : undefined;
  return advice === undefined
    ? ADVICE[code]
    : `${advice} in the line server.${options?.serverId ?? ''} of all servers`;
}

function codeOf(error: SystemError): string {
  return error.code ?? '';
}
