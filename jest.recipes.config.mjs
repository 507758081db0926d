import { shared } from './jest.config.mjs';

/** Recipes on a cluster of processes, or on the ensemble that `ZK_HOSTS` names. */
export default {
  ...shared,
  testMatch: ['<rootDir>/test/recipes/**/*.spec.ts', '<rootDir>/test/e2e/demo-walk.spec.ts'],
};
