import { describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import * as client from '../src/index.js';
import { errorForCode } from '../src/server-errors.js';

describe('the error for a code of the server', () => {
  it.each([
    ['noNode', 'NoNodeError', 'notApplied'],
    ['nodeExists', 'NodeExistsError', 'notApplied'],
    ['badVersion', 'BadVersionError', 'notApplied'],
    ['notEmpty', 'NotEmptyError', 'notApplied'],
    ['noAuth', 'NoAuthError', 'notApplied'],
    ['invalidAcl', 'InvalidAclError', 'notApplied'],
    ['noChildrenForEphemerals', 'NoChildrenForEphemeralsError', 'notApplied'],
    ['quotaExceeded', 'QuotaExceededError', 'notApplied'],
    ['throttledOp', 'ThrottledError', 'notApplied'],
    ['unimplemented', 'UnimplementedError', 'notApplied'],
    ['badArguments', 'BadArgumentsError', 'notApplied'],
    ['marshallingError', 'MarshallingError', 'notApplied'],
    ['notReadOnly', 'NotReadOnlyError', 'notApplied'],
    ['ephemeralOnLocalSession', 'EphemeralOnLocalSessionError', 'notApplied'],
    ['noWatcher', 'NoWatcherError', 'notApplied'],
    ['sessionExpired', 'SessionExpiredError', 'notApplied'],
    ['authFailed', 'AuthFailedError', 'notApplied'],
    ['sessionClosedRequireSaslAuth', 'AuthFailedError', 'notApplied'],
    ['reconfigDisabled', 'ServerError', 'notApplied'],
    ['systemError', 'ServerError', 'unknown'],
  ] as const)('%s is a %s, %s', (name, className, outcome) => {
    const error = errorForCode(ErrorCode[name], 'set', '/a');
    expect(error.name).toBe(className);
    expect(error.constructor).toBe((client as unknown as Record<string, unknown>)[className]);
    expect(error).toBeInstanceOf(client.CoordinationError);
    expect(error).toMatchObject({ outcome, operation: 'set', path: '/a' });
    expect(error.message).toMatch(new RegExp(`^set /a: .*${name}, ${ErrorCode[name]}\\)$`));
  });

  it('that this client does not know keeps its number, and says nothing of the outcome', () => {
    const error = errorForCode(-4711, 'whoAmI', null);
    expect(error).toBeInstanceOf(client.ServerError);
    expect(error).toMatchObject({ code: -4711, outcome: 'unknown', path: null });
    expect(error.message).toBe('whoAmI: the server answered an error (unknown(-4711), -4711)');
  });
});

describe('every error class that is exported', () => {
  it('has one root', () => {
    const classes = Object.entries(client).filter(([name]) => name.endsWith('Error'));
    expect(classes.length).toBeGreaterThan(25);
    for (const [name, value] of classes) {
      const isRoot = name === 'CoordinationError';
      const { prototype } = value as unknown as { prototype: object };
      expect([name, isRoot || prototype instanceof client.CoordinationError]).toEqual([name, true]);
    }
  });
});
