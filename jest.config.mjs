/** Options that every kind of test shares. */
export const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: {
    '^@aviary/([^/]+)$': ['<rootDir>/libs/$1/src/index.ts', '<rootDir>/recipes/$1/src/index.ts'],
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['/dist/'],
  testTimeout: 60_000,
};

export default {
  ...shared,
  // What a test file of ES modules has loaded stays in its process: after so much the next file gets a
  // new one, or the collector of garbage would do nothing else in the end.
  workerIdleMemoryLimit: '400MB',
  // Left to itself Jest leaves one core to itself; on a machine with two that is half of all.
  maxWorkers: '100%',
  testMatch: [
    '<rootDir>/{libs,recipes,apps}/*/test/**/*.spec.ts',
    '<rootDir>/test/*.spec.ts',
    '<rootDir>/test/{golden,scenarios,simulation,e2e}/**/*.spec.ts',
  ],
  // It waits for sessions to end, and runs with the recipes' tests.
  testPathIgnorePatterns: ['/node_modules/', '/test/e2e/demo-walk\\.spec\\.ts$'],
};
