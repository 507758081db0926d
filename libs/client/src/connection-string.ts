import { pathProblem } from '@aviary/foundation';
import { CLIENT_PORT_DEFAULT } from '@aviary/protocol';
import { InvalidConnectionStringError } from './errors.js';

/** One server as it was named: the name is looked up at every attempt to connect. */
export interface ServerName {
  readonly host: string;
  readonly port: number;
}

/** What a connection string says. */
export interface ConnectionTarget {
  readonly servers: readonly ServerName[];
  /** Where all paths of the client start; `/` without a chroot. */
  readonly chroot: string;
}

const FORM = 'expected "host1:port1,host2:port2/chroot", IPv6 addresses in brackets';
const PORT_MAX = 65_535;

/**
 * Reads `h1:2181,h2,[::1]:2182/chroot`. The port may be left out (2181), and so may the chroot.
 *
 * @throws {InvalidConnectionStringError}
 */
export function parseConnectionString(text: string): ConnectionTarget {
  if (text.includes('://')) {
    throw new InvalidConnectionStringError(
      `"${text}" is a URL, and should have no scheme; ${FORM}`,
    );
  }
  const cut = text.indexOf('/');
  const hosts = cut < 0 ? text : text.slice(0, cut);
  const chroot = cut < 0 ? '/' : text.slice(cut);
  const problem = pathProblem(chroot);
  if (problem !== null) {
    throw new InvalidConnectionStringError(`chroot of "${text}": ${problem}`);
  }
  const servers = hosts
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseServer(part, text));
  if (servers.length === 0) {
    throw new InvalidConnectionStringError(`"${text}" names no server; ${FORM}`);
  }
  return { servers, chroot };
}

function parseServer(part: string, whole: string): ServerName {
  const complain = (why: string) =>
    new InvalidConnectionStringError(`server "${part}" in "${whole}": ${why}; ${FORM}`);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(part);
  if (bracketed !== null) {
    const [, host = '', port] = bracketed;
    if (!host.includes(':')) throw complain('brackets are for IPv6 addresses');
    return { host, port: parsePort(port, complain) };
  }
  const pieces = part.split(':');
  if (pieces.length > 2) throw complain('too many colons');
  const [host = '', port] = pieces;
  if (host === '') throw complain('the host is missing');
  if (/[\s[\]@?#\\]/.test(host)) throw complain('this is not the name of a host');
  return { host, port: parsePort(port, complain) };
}

function parsePort(text: string | undefined, complain: (why: string) => Error): number {
  if (text === undefined) return CLIENT_PORT_DEFAULT;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > PORT_MAX) {
    throw complain(`"${text}" is not a port from 1 to ${PORT_MAX}`);
  }
  return port;
}
