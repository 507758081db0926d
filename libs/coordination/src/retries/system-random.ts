import { randomBytes } from 'node:crypto';
import type { Random } from '@aviary/foundation';

/** The system's randomness, for recipes that are given none. */
export const systemRandom: Random = {
  uint32: () => randomBytes(4).readUInt32BE(),
  bytes: (length) => randomBytes(length),
};
