/** Where a server listens. */
export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 0xffff;

/**
 * Splits at the colons what stands behind a host, and takes an IPv6 host out of its brackets:
 * `[::1]:2888:3888` is `::1`, `2888`, `3888`. ConfigUtils.getHostAndPort.
 *
 * @returns null if a bracket is not closed, or not followed by a colon.
 */
export function splitAddress(text: string): string[] | null {
  if (!text.startsWith('[')) return text.split(':');
  const close = text.indexOf(']');
  if (close < 0 || (close + 1 < text.length && text[close + 1] !== ':')) return null;
  const host = text.slice(1, close);
  return close + 1 === text.length ? [host] : [host, ...text.slice(close + 2).split(':')];
}

/** The port that `text` says, from 0 to 65535; null if it says none. */
export function parsePort(text: string): number | null {
  if (!/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port > PORT_MAX ? null : port;
}

/**
 * Whether a server could be called so: a name, an IPv4 address, or, without brackets, an IPv6
 * address, maybe with a zone. What has any other character could break the lines of a configuration.
 */
export function isHost(text: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(text) || /^[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+(%[\w.-]+)?$/.test(text);
}

/** Whether the host means all addresses of a machine, so that nobody can be reached under it. */
export function isWildcardHost(host: string): boolean {
  return /^[0:.]+$/.test(host);
}

/** `host:port`, with brackets around an IPv6 host. NetUtils.formatInetAddr. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}

/** The host as it stands in front of a colon: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
