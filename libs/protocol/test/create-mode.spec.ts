import { describe, expect, it } from '@jest/globals';
import { CreateMode, isEphemeral, isSequential, isTtl } from '@aviary/protocol';

describe('create modes', () => {
  it.each([
    [CreateMode.persistent, ''],
    [CreateMode.ephemeral, 'ephemeral'],
    [CreateMode.persistentSequential, 'sequential'],
    [CreateMode.ephemeralSequential, 'ephemeral sequential'],
    [CreateMode.container, ''],
    [CreateMode.persistentWithTtl, 'ttl'],
    [CreateMode.persistentSequentialWithTtl, 'sequential ttl'],
    [7, ''],
    [-1, ''],
  ])('mode %i is "%s"', (mode, properties) => {
    const found = [
      isEphemeral(mode) ? 'ephemeral' : '',
      isSequential(mode) ? 'sequential' : '',
      isTtl(mode) ? 'ttl' : '',
    ];
    expect(found.filter((property) => property !== '').join(' ')).toBe(properties);
  });
});
