/** Microseconds of the machine's monotonic clock, which all of its processes share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
