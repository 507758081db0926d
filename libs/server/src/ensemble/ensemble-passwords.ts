import { timingSafeEqual } from 'node:crypto';
import { PASSWORD_BYTES } from '@aviary/protocol';
import { referencePassword, type SessionPasswords } from '../password-keeper.js';

/**
 * ZooKeeper's passwords, for a session that may move to any server of the ensemble, of ours or of
 * ZooKeeper's: all of them must make the same of an id.
 */
export const ensemblePasswords: SessionPasswords = {
  passwordOf: referencePassword,
  isRight: (high, low, password) =>
    password.length === PASSWORD_BYTES && timingSafeEqual(password, referencePassword(high, low)),
};
