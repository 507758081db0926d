import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import { LockClient } from '@aviary/lock';
import ts from 'typescript';
import { compileJava, curatorClasspath } from './installed.js';
import { Program } from './programs.js';
import { SERVER_KINDS, TestServer, removeAll, temporaryDirectory } from './servers.js';

// Java's Curator and a Nest application at the same lock, on our server and on ZooKeeper.

const LOCK = '/locks/contended';
const ROUNDS = 25;

const here = fileURLToPath(new URL('.', import.meta.url));
/** Inside the repository, so that what it imports is found. */
const compiled = join(here, '../../node_modules/.cache/aviary-interop');
const nestMain = join(compiled, `contender-${process.pid}.mjs`);
let javaClasses: string;

beforeAll(async () => {
  javaClasses = temporaryDirectory();
  await compileJava(join(here, 'locks/Contender.java'), javaClasses);
  const { outputText } = ts.transpileModule(
    readFileSync(join(here, 'locks/contender.ts'), 'utf8'),
    {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
      },
    },
  );
  mkdirSync(compiled, { recursive: true });
  writeFileSync(nestMain, outputText);
});

afterAll(async () => {
  await removeAll();
  rmSync(nestMain, { force: true });
});

type Contender = 'curator' | 'nest';

describe.each(SERVER_KINDS)('a lock on a server of %s', (kind) => {
  let server: TestServer;
  let room: string;
  let zk: ZooKeeper;
  let locks: LockClient;

  beforeAll(async () => {
    server = await TestServer.start(kind);
    zk = new ZooKeeper({ servers: server.hosts });
    locks = new LockClient(zk, { identity: 'onlooker' });
    room = temporaryDirectory();
  });

  afterEach(() => rmSync(join(room, 'journal'), { force: true }));

  afterAll(async () => {
    await zk.close();
    await server.kill();
  });

  async function ready(contender: Contender, rounds: number): Promise<Program> {
    const args = [server.hosts, LOCK, room, String(rounds)];
    const program =
      contender === 'nest'
        ? Program.start(process.execPath, [nestMain, ...args])
        : Program.start('java', [
            '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
            ...['-cp', `${curatorClasspath()}:${javaClasses}`, 'Contender'],
            ...args,
          ]);
    await program.waitFor(/ready\n/);
    return program;
  }

  /** Who entered, and with which place in the queue, in the order in which they did. */
  function journal(): { who: string; sequence: number }[] {
    const lines = readFileSync(join(room, 'journal'), 'utf8').trimEnd().split('\n');
    return lines.map((line) => {
      const [who = '', sequence = ''] = line.split(' ');
      return { who, sequence: Number(sequence) };
    });
  }

  it('lets Curator and Nest in one at a time, in the order of the queue, all to the end', async () => {
    const programs = await Promise.all([
      ready('curator', ROUNDS),
      ready('nest', ROUNDS),
      ready('nest', ROUNDS),
    ]);
    for (const program of programs) program.send('go\n');
    for (const program of programs) {
      const { status } = await program.end(90_000);
      expect({ status, output: program.output }).toEqual({ status: 0, output: 'ready\ndone\n' });
    }
    const entries = journal();
    const sequences = entries.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    const of = (name: Contender) => entries.filter(({ who }) => who === name).length;
    expect([of('curator'), of('nest')]).toEqual([2 * ROUNDS, 4 * ROUNDS]);
    const turns = entries.filter(({ who }, i) => i > 0 && who !== entries[i - 1]?.who);
    expect(turns.length).toBeGreaterThan(ROUNDS / 2);
  });

  it.each([
    ['curator', 'nest'],
    ['nest', 'curator'],
  ] as const)('held by a %s process that is killed goes to the %s one', async (first, second) => {
    const holder = await ready(first, 0);
    holder.send('go\n');
    await holder.waitFor(/holding\n/);
    const waiting = await ready(second, 1);
    waiting.send('go\n');
    const queue = async () => (await locks.inspect(LOCK)).queue.length;
    await server.until('a contender that waits', queue, (length) => length > 0);
    expect(waiting.output).toBe('ready\n');
    await holder.kill();
    await waiting.waitFor(/done\n/);
    expect(journal().map(({ who }) => who)).toEqual([second, second]);
  });
});
