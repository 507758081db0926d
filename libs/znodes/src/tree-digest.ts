/**
 * The sum of the digests of all nodes modulo 2^64 (AdHash): equal trees have equal sums, whatever
 * the order in which they came about. Kept in two halves, so that no bigint is made per change.
 */
export class TreeDigest {
  high = 0;
  low = 0;

  add(nodeDigest: number): void {
    const sum = (this.low >>> 0) + nodeDigest;
    this.low = sum | 0;
    if (sum > 0xffff_ffff) this.high = (this.high + 1) | 0;
  }

  subtract(nodeDigest: number): void {
    const difference = (this.low >>> 0) - nodeDigest;
    this.low = difference | 0;
    if (difference < 0) this.high = (this.high - 1) | 0;
  }

  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low | 0;
  }

  copy(other: TreeDigest): void {
    this.high = other.high;
    this.low = other.low;
  }

  equals(high: number, low: number): boolean {
    return this.high === (high | 0) && this.low === (low | 0);
  }

  /** As a signed 64-bit number, the way it stands in logs and snapshots. */
  toBigInt(): bigint {
    return BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(this.low >>> 0));
  }
}
