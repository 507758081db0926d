import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** Rooms whose code is a function of its inputs: time, chance and the world come through ports. */
const deterministicRooms = [
  'foundation',
  'jute',
  'protocol',
  'znodes',
  'storage',
  'server',
  'zab',
  'simulator',
];

const message = 'This room is deterministic: use the ports of @aviary/foundation.';
const timeAndChance = ['performance', 'setTimeout', 'setInterval', 'setImmediate', 'crypto'].map(
  (name) => ({ name, message }),
);
const worldlyGlobals = [
  ...timeAndChance,
  ...['Date', 'process', 'queueMicrotask'].map((name) => ({ name, message })),
];

const usePort = 'Use the Random port of @aviary/foundation.';
const noMathRandom = { object: 'Math', property: 'random', message: usePort };

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**', 'data/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 70 }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'off',
      // Lone classes with decorators are how Nest modules are written.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Typed arrays are read by computed index all over the packed rooms.
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/unified-signatures': 'off',
      // Nest declares its options as classes and takes object literals for them.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Nest's `unwrap<T>(): T` is to be overridden as it is.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      // It asks for the type of every value that goes anywhere, a fifth of the time of all rules: we
      // declare no enum instead, and it is on below, where those of others come in.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Use an object `as const`, or a union.' },
      ],
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
    },
  },
  {
    // Nest has enums, and so has TypeScript's compiler.
    files: ['libs/nest/**/*.ts', '{recipes,apps}/**/*.ts', 'test/{*,e2e/*,interop/*}.ts'],
    rules: { '@typescript-eslint/no-unsafe-enum-assignment': 'error' },
  },
  {
    files: deterministicRooms.map((room) => `libs/${room}/src/**/*.ts`),
    rules: {
      'no-restricted-globals': ['error', ...worldlyGlobals],
      'no-restricted-properties': ['error', noMathRandom],
    },
  },
  {
    // What is built on the client takes time and chance from it, so that a seed is one world.
    files: ['libs/{client,coordination}/src/**/*.ts', 'recipes/*/src/core/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...timeAndChance],
      'no-restricted-properties': ['error', noMathRandom],
      'no-restricted-imports': [
        'error',
        {
          name: 'node:crypto',
          importNames: ['randomBytes', 'randomInt', 'randomUUID'],
          message: usePort,
        },
      ],
    },
  },
  {
    files: ['**/test/**/*.ts'],
    languageOptions: {
      parserOptions: { projectService: false, project: './tsconfig.tests.json' },
    },
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
  prettier,
);
