import { describe, expect, it } from '@jest/globals';
import {
  AssertionError,
  ConnectError,
  DiskError,
  assert,
  assertNever,
  formatSessionId,
  isMissing,
} from '@aviary/foundation';

describe('assert', () => {
  it('throws what it is told, and only when the condition is false', () => {
    expect(() => assert(true, 'never')).not.toThrow();
    expect(() => assert(false, 'broken')).toThrow(new AssertionError('broken'));
    expect(() => assertNever('x' as never)).toThrow(new AssertionError('unreachable: x'));
  });
});

describe('DiskError', () => {
  it('names the operation, the file and the code', () => {
    const cause = new Error('low level');
    const error = new DiskError('ENOSPC', '/data/log.1', 'write', { cause });
    expect(error.message).toBe('write /data/log.1: ENOSPC');
    expect(error).toMatchObject({ name: 'DiskError', code: 'ENOSPC', path: '/data/log.1', cause });
  });

  it('is the only error that says that a file is missing', () => {
    expect(isMissing(new DiskError('ENOENT', 'x', 'open'))).toBe(true);
    expect(isMissing(new DiskError('EIO', 'x', 'open'))).toBe(false);
    expect(isMissing(Object.assign(new Error(), { code: 'ENOENT' }))).toBe(false);
    expect(isMissing(null)).toBe(false);
  });
});

describe('ConnectError', () => {
  it('carries its code', () => {
    const error = new ConnectError('ECONNREFUSED', 'nobody listens');
    expect(error).toMatchObject({ name: 'ConnectError', code: 'ECONNREFUSED' });
    expect(error.message).toBe('nobody listens');
  });
});

describe('formatSessionId', () => {
  it('is unsigned hex', () => {
    expect(formatSessionId(0x100000ccc360000n)).toBe('0x100000ccc360000');
    expect(formatSessionId(-1n)).toBe('0xffffffffffffffff');
    expect(formatSessionId(BigInt.asIntN(64, 0x8100_0000_0000_0001n))).toBe('0x8100000000000001');
    expect(formatSessionId(0n)).toBe('0x0');
  });
});
