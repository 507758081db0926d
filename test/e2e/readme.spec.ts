import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { readmeIn } from '../readme-examples.js';
import { RunningProgram, runMain, temporaryDirectory } from './member-process.js';

const root = resolve(import.meta.dirname, '../..');
const { text: readme, examples } = readmeIn(root);
const example = examples[0]!;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const IMPORTS = `
  import 'reflect-metadata';
  import { DistributedLock, LockModule, currentLease } from '@aviary/lock';
  import { ZooKeeperModule } from '@aviary/nest';
  import { Injectable, Module } from '@nestjs/common';
  import { NestFactory } from '@nestjs/core';
`;

/** Settles one order ten times and prints what each call returned. */
const MAIN = `
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  for (let i = 0; i < 10; i++) console.log(await app.get(Orders).settle('17'));
  await app.close();
`;

describe('the README', () => {
  const directory = temporaryDirectory();
  const programs: RunningProgram[] = [];

  afterEach(async () => {
    for (const { child, exited } of programs) {
      child.kill('SIGKILL');
      await exited;
    }
    directory.remove();
  });

  it('has an example of ten lines that two processes run under one lock', async () => {
    expect(example.split('\n').filter((line) => line.trim() !== '')).toHaveLength(10);

    const dataDir = join(directory.path, 'data');
    const member = runMain([], { AVIARY_DATA_DIR: dataDir, AVIARY_CLIENT_PORT: '0' });
    programs.push(member);
    const [, address = ''] = await member.printed(/serves ZooKeeper clients at (\S+)\n/);
    const source = IMPORTS + example.replace('127.0.0.1:2181', address) + MAIN;
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
      },
    });
    const path = join(directory.path, 'example.mjs');
    writeFileSync(path, outputText);
    symlinkSync(join(root, 'node_modules'), join(directory.path, 'node_modules'));

    const environment = { ...process.env, NODE_OPTIONS: '' };
    const runs = [0, 1].map(
      () => new RunningProgram(spawn(process.execPath, [path], { env: environment })),
    );
    programs.push(...runs);
    for (const run of runs) {
      expect({ ...(await run.exited), output: run.output }).toMatchObject({ code: 0 });
    }
    const settled = runs.flatMap(({ output }) => [
      ...output.matchAll(/^order 17 is settled by (\d+), fencing token (\d+)$/gm),
    ]);
    expect(settled).toHaveLength(20);
    expect(new Set(settled.map(([, pid]) => pid)).size).toBe(2);
    // Every call held the lock anew: no two have the same token.
    expect(new Set(settled.map(([, , token]) => token)).size).toBe(20);
  });

  it('names only commands that exist', () => {
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
    for (const name of ['check', 'demo', 'bench', 'simulate', 'test:interop']) {
      expect(named).toContain(name);
    }
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
      expect(readme).toContain(command);
    }
  });

  it('points only at files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
