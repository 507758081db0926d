/** The `code` of what a port of the host threw (`ECONNREFUSED`, ...); `UNKNOWN` if it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
