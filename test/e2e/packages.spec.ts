import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { temporaryDirectory } from './member-process.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);

/** What a fresh Nest application has, in the versions that this repository is tested with. */
const PEERS = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/microservices',
  '@types/node',
  'reflect-metadata',
  'rxjs',
];

/** An application that hosts a member, and whose method is guarded by a lock on it. */
const APPLICATION = `
import 'reflect-metadata';
import { EnsembleModule, EnsembleTransport, ZooKeeperModule } from '@aviary/nest';
import { ZooKeeper } from '@aviary/client';
import { DistributedLock, LockModule, currentLease } from '@aviary/lock';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Injectable()
class Orders {
  inside = 0;
  most = 0;
  readonly tokens: bigint[] = [];

  constructor(private readonly zk: ZooKeeper) {}

  @DistributedLock('orders/{id}', { wait: '30s' })
  async settle(id: number): Promise<void> {
    const lease = currentLease();
    this.most = Math.max(this.most, ++this.inside);
    await this.zk.exists('/');
    lease.assertHeld();
    this.tokens.push(lease.token);
    this.inside--;
  }
}

@Module({
  imports: [
    EnsembleModule.forRoot({ dataDir: process.argv[2] ?? '', clientPort: 0 }),
    ZooKeeperModule.forRootAsync({
      inject: [EnsembleTransport],
      useFactory: async (member: EnsembleTransport) => {
        await member.start();
        return { servers: member.address };
      },
    }),
    LockModule.forRoot(),
  ],
  providers: [Orders],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  const orders = app.get(Orders);
  await Promise.all([orders.settle(42), orders.settle(42), orders.settle(42)]);
  await app.close();
  const ascend = orders.tokens.every((token, at, all) => at === 0 || token > (all[at - 1] ?? 0n));
  console.log(JSON.stringify({ calls: orders.tokens.length, most: orders.most, ascend }));
}

void main();
`;

/** The compiler options of such an application. */
const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  noEmit: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};

/** npm as a person types it: without what the npm that runs these tests says of this repository. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const isOurs = /^(npm_(package|lifecycle|command)|npm_config_(local_)?prefix$|NODE_OPTIONS$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs.test(name)));
}

function workspacePackages(): string[] {
  return ['libs', 'recipes'].flatMap((floor) =>
    readdirSync(join(root, floor)).map((room) => `${floor}/${room}`),
  );
}

/** Packs every package; resolves with what depends on them, as `package.json` says it. */
async function pack(into: string): Promise<Record<string, string>> {
  const workspaces = workspacePackages().flatMap((path) => ['--workspace', path]);
  const { stdout } = await run(
    'npm',
    ['pack', ...workspaces, '--json', '--ignore-scripts', '--pack-destination', into],
    { cwd: root, env: npmEnvironment(), maxBuffer: 16 << 20 },
  );
  const packed = JSON.parse(stdout) as { name: string; filename: string }[];
  return Object.fromEntries(
    packed.map(({ name, filename }) => [name, `file:${join(into, filename)}`]),
  );
}

function installedVersions(): Record<string, string> {
  return Object.fromEntries(
    PEERS.map((name) => {
      const path = join(root, 'node_modules', name, 'package.json');
      return [name, (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version];
    }),
  );
}

/** What a compiler finds wrong in the application and in the declarations of our packages. */
function typeErrors(app: string): string[] {
  const files = ['main.mts', 'main.cts'].map((name) => join(app, 'src', name));
  const options = { ...COMPILER_OPTIONS, typeRoots: [join(app, 'node_modules', '@types')] };
  const program = ts.createProgram(files, options);
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => files.includes(fileName) || fileName.includes('/@aviary/'));
  // The application and at least the doors of all its packages: else nothing was looked at.
  expect(ours.length).toBeGreaterThan(workspacePackages().length);
  return [
    ...program.getOptionsDiagnostics(),
    ...ours.flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]),
  ].map(({ file, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n');
    return `${file?.fileName ?? ''}: ${text}`;
  });
}

describe('nest-cli.json', () => {
  it('lists every room and application as a project', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'nest-cli.json'), 'utf8')) as {
      projects: Record<string, { root: string }>;
    };
    const listed = Object.values(manifest.projects).map((project) => project.root);
    const applications = readdirSync(join(root, 'apps')).map((name) => `apps/${name}`);
    expect(listed.sort()).toEqual([...applications, ...workspacePackages()].sort());
  });
});

describe('the packages, installed into a fresh Nest application', () => {
  const directory = temporaryDirectory();
  const app = join(directory.path, 'app');

  beforeAll(async () => {
    const tarballs = join(directory.path, 'tarballs');
    mkdirSync(tarballs);
    mkdirSync(join(app, 'src'), { recursive: true });
    const dependencies = { ...(await pack(tarballs)), ...installedVersions() };
    const write = (name: string, content: object) =>
      writeFileSync(join(app, name), JSON.stringify(content));
    write('package.json', { name: 'app', version: '1.0.0', private: true, dependencies });
    // One text, once for each kind of module.
    writeFileSync(join(app, 'src', 'main.mts'), APPLICATION);
    writeFileSync(join(app, 'src', 'main.cts'), APPLICATION);
    const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...flags], { cwd: app, env: npmEnvironment() });
  }, 180_000);

  afterAll(() => directory.remove());

  it('come without tests, sources and maps', () => {
    const scope = join(app, 'node_modules', '@aviary');
    expect(readdirSync(scope)).toHaveLength(workspacePackages().length);
    const files = readdirSync(scope, { recursive: true, encoding: 'utf8' });
    const wrong = files.filter((name) =>
      /\.map$|tsbuildinfo|\/(src|test)\/|(?<!\.d)\.ts$/.test(name),
    );
    expect(wrong).toEqual([]);
    expect(files).toContain(join('lock', 'README.md'));
  });

  it('give their types to ES modules and to CommonJS', () => {
    expect(typeErrors(app)).toEqual([]);
  }, 120_000);

  it.each([
    ['as an ES module', 'main.mjs', ts.ModuleKind.ESNext],
    ['by require from CommonJS', 'main.cjs', ts.ModuleKind.CommonJS],
  ])('guard a method %s', async (_, name, module) => {
    const { outputText } = ts.transpileModule(APPLICATION, {
      compilerOptions: {
        ...COMPILER_OPTIONS,
        module,
        moduleResolution: ts.ModuleResolutionKind.Bundler,
      },
    });
    expect(outputText.includes('require("@aviary/lock")')).toBe(name === 'main.cjs');
    writeFileSync(join(app, name), outputText);
    const dataDir = join(directory.path, name);
    const { stdout } = await run(process.execPath, [join(app, name), dataDir], {
      cwd: app,
      env: npmEnvironment(),
    });
    expect(JSON.parse(stdout)).toEqual({ calls: 3, most: 1, ascend: true });
  });
});
