import { shared } from './jest.config.mjs';

export default {
  ...shared,
  testMatch: ['<rootDir>/test/interop/**/*.spec.ts'],
  testTimeout: 300_000,
};
