import 'reflect-metadata';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { ZooKeeper } from '@aviary/client';
import { DiskError, type DiskFile } from '@aviary/foundation';
import { DirectoryClaim, NodeDisk } from '@aviary/host';
import { StandaloneServer } from '@aviary/server';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  ENSEMBLE_TRANSPORT,
  EnsembleModule,
  EnsembleTransport,
  ZooKeeperModule,
  type EnsembleOptions,
} from '../src/index.js';
import { KeptLog, memberIn, Takedown, toOwnMember } from './hosted-member.js';

let takedown: Takedown;

beforeEach(() => {
  takedown = new Takedown();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await takedown.run();
});

async function started(...imports: DynamicModule[]) {
  const module = await Test.createTestingModule({ imports }).setLogger(new KeptLog()).compile();
  return takedown.app(await module.init());
}

/** What every file in a directory holds, and the names of all else. */
function contentsOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return names.map((name) => {
    const path = join(directory, name);
    return statSync(path).isFile() ? readFileSync(path).toString('hex') : name;
  });
}

/** Whether somebody listens at `address`. */
function answers(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((done) => {
    const socket = createConnection({ host, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

describe('a hosted member', () => {
  it('serves from its module’s onModuleInit on, until the end of the application', async () => {
    const app = await started(memberIn(takedown.directory()));
    const member = app.get(EnsembleTransport);
    const { address } = member;
    const statuses: string[] = [];
    member.status.subscribe((status) => statuses.push(status));
    await using zk = new ZooKeeper({ servers: address });
    await zk.create('/kept', 'yes');
    expect(member.unwrap()).toBeInstanceOf(StandaloneServer);
    await zk.close();
    await app.close();
    expect(statuses).toEqual(['serving', 'stopped']);
    expect(await answers(address)).toBe(false);
  });

  it('keeps out a second member that is given the same data, on whatever port', async () => {
    const directory = takedown.directory();
    const first = await started(memberIn(directory));
    const second = await Test.createTestingModule({ imports: [memberIn(directory)] })
      .setLogger(new KeptLog())
      .compile();
    takedown.app(second);
    const before = contentsOf(directory);
    await expect(second.init()).rejects.toThrow(`${directory} is in use by another process`);
    expect(contentsOf(directory)).toEqual(before);
    await using zk = new ZooKeeper({ servers: first.get(EnsembleTransport).address });
    await zk.create('/kept', 'yes');
  });

  it('keeps others out of both its directories, and lets go of those that it had when it fails', async () => {
    const [data, log, other] = [takedown.directory(), takedown.directory(), takedown.directory()];
    const first = await started(memberIn(data, { dataLogDir: log }));
    const sharing = [
      [memberIn(data, { dataLogDir: other }), data],
      [memberIn(other, { dataLogDir: log }), log],
    ] as const;
    for (const [imported, taken] of sharing) {
      const module = await Test.createTestingModule({ imports: [imported] })
        .setLogger(new KeptLog())
        .compile();
      takedown.app(module);
      await expect(module.init()).rejects.toThrow(`${taken} is in use by another process`);
      await module.close();
    }
    await first.close();
    for (const free of [data, log, other]) await (await DirectoryClaim.take(free)).release();
  });

  it('lets go of its directory also when it is closed while it starts', async () => {
    const directory = takedown.directory();
    const module = await Test.createTestingModule({ imports: [memberIn(directory)] })
      .setLogger(new KeptLog())
      .compile();
    takedown.app(module);
    const member = module.get(EnsembleTransport);
    const refused = expect(member.start()).rejects.toThrow('closed while it was starting');
    await member.close();
    await refused;
    await (await DirectoryClaim.take(directory)).release();
  });

  it('keeps others out until its last file is closed', async () => {
    const directory = takedown.directory();
    const app = await started(memberIn(directory));
    const server = app.get(EnsembleTransport).unwrap();
    const stop = server.stop.bind(server);
    const stopped: string[] = [];
    server.stop = async () => {
      await stop();
      await DirectoryClaim.take(directory).catch((error: unknown) => stopped.push(String(error)));
    };
    await app.close();
    expect(stopped).toEqual([expect.stringContaining(`${directory} is in use`)]);
    await (await DirectoryClaim.take(directory)).release();
  });

  it('finds its data again', async () => {
    const directory = takedown.directory();
    const first = await started(memberIn(directory), ZooKeeperModule.forRootAsync(toOwnMember()));
    await first.get(ZooKeeper).create('/kept', 'yes');
    await first.close();
    const second = await started(memberIn(directory), ZooKeeperModule.forRootAsync(toOwnMember()));
    expect(String((await second.get(ZooKeeper).get('/kept')).data)).toBe('yes');
  });

  it('takes an option that is undefined for one that is not there', async () => {
    const unset = { tickTimeMs: undefined, limits: { handshakeMs: undefined } };
    const options = { dataDir: takedown.directory(), clientPort: 0, ...unset };
    const app = await started(EnsembleModule.forRoot(options as unknown as EnsembleOptions));
    const servers = app.get(EnsembleTransport).address;
    await using zk = new ZooKeeper({ servers, sessionTimeoutMs: 900_000 });
    expect(await zk.connect()).toMatchObject({ timeoutMs: 60_000 });
    await zk.close();
  });

  it('takes its options from another module', async () => {
    const dataDir = takedown.directory();
    @Module({ providers: [{ provide: 'PLACE', useValue: dataDir }], exports: ['PLACE'] })
    class PlaceModule {}
    const app = await started(
      EnsembleModule.forRootAsync({
        imports: [PlaceModule],
        inject: ['PLACE'],
        useFactory: (place: string): EnsembleOptions => ({ dataDir: place, clientPort: 0 }),
      }),
    );
    expect(await answers(app.get(EnsembleTransport).address)).toBe(true);
  });

  it('fails the start when its factory says what belongs beside it', async () => {
    const useFactory = () => ({ dataDir: takedown.directory(), clientPort: 0, isGlobal: false });
    await expect(started(EnsembleModule.forRootAsync({ useFactory }))).rejects.toThrow(
      /^EnsembleModule: the factory returned \{ isGlobal: false \}, .*\(\{ isGlobal: false, useF/,
    );
  });

  it('fails the start when its port is taken, before it touches the data of who has it', async () => {
    const directory = takedown.directory();
    const first = await started(memberIn(directory));
    const clientPort = Number(first.get(EnsembleTransport).address.split(':')[1]);
    const before = contentsOf(directory);
    const module = await Test.createTestingModule({
      imports: [memberIn(directory, { clientPort })],
    })
      .setLogger(new KeptLog())
      .compile();
    takedown.app(module);
    await expect(module.init()).rejects.toThrow(new RegExp(`EADDRINUSE.*${clientPort}`));
    expect(contentsOf(directory)).toEqual(before);
  });
});

describe('a member as a microservice', () => {
  @Module({})
  class AppModule {
    static with(...imports: DynamicModule[]): DynamicModule {
      return { module: AppModule, imports };
    }
  }

  it('is the strategy of createMicroservice', async () => {
    const module = AppModule.with(memberIn(takedown.directory()));
    const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(module, {
      logger: new KeptLog(),
      inject: [EnsembleTransport],
      useFactory: (strategy: EnsembleTransport) => ({ strategy }),
    });
    takedown.app(app);
    const statuses: string[] = [];
    app.status.subscribe((status: string) => statuses.push(status));
    await app.listen();
    const member = app.get(EnsembleTransport);
    expect(member.transportId).toBe(ENSEMBLE_TRANSPORT);
    expect(app.unwrap<StandaloneServer>()).toBe(member.unwrap());
    expect(await answers(member.address)).toBe(true);
    await app.close();
    expect(statuses).toEqual(['starting', 'serving', 'stopped']);
  });

  it('is connected to a hybrid application, whose own client ends before it', async () => {
    const module = AppModule.with(
      ZooKeeperModule.forRootAsync(toOwnMember()),
      memberIn(takedown.directory()),
    );
    const app = takedown.app(await NestFactory.create(module, { logger: new KeptLog() }));
    const strategy = app.get(EnsembleTransport);
    app.connectMicroservice({ strategy });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    const zk = app.get(ZooKeeper);
    await zk.create('/mine', '', { mode: 'ephemeral' });
    await app.close();
    expect(zk.state).toEqual({ kind: 'closed', sessionClosed: true });
  });
});

describe('a member whose disk fails', () => {
  /** Makes every commit of files that are opened from now on fail. */
  function breakDisk(): void {
    const open = NodeDisk.prototype.open;
    jest.spyOn(NodeDisk.prototype, 'open').mockImplementation(async function (
      this: NodeDisk,
      ...args: Parameters<NodeDisk['open']>
    ): Promise<DiskFile> {
      const file = await open.apply(this, args);
      file.commit = (_bytes, _position, done) =>
        setImmediate(done, new DiskError('EIO', file.path, 'write and fdatasync'));
      return file;
    });
  }

  it('calls onFailure with one sentence, tells its status, and serves nobody', async () => {
    breakDisk();
    const reasons: string[] = [];
    const heard: string[] = [];
    const statuses: string[] = [];
    let failed: () => void = () => undefined;
    const failure = new Promise<void>((done) => (failed = done));
    const app = await started(
      memberIn(takedown.directory(), {
        onFailure: (reason) => {
          reasons.push(reason);
          failed();
        },
      }),
    );
    const member = app.get(EnsembleTransport);
    const { address } = member;
    member.on('failed', (reason) => heard.push(reason));
    member.status.subscribe((status) => statuses.push(status));
    await using zk = new ZooKeeper({ servers: address });
    // Not even the session, which is a write, is acknowledged.
    zk.create('/lost').catch(() => undefined);
    await failure;
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatch(/EIO/);
    expect(heard).toEqual(reasons);
    expect(statuses).toEqual(['serving', 'failed']);
    await member.close();
    expect(zk.state.kind).toBe('connecting');
    expect(await answers(address)).toBe(false);
    expect(statuses).toEqual(['serving', 'failed']);
    await zk.close({ deadlineMs: 0 });
  });

  it('ends the process with status 1 unless told otherwise', async () => {
    breakDisk();
    let ended: (status: unknown) => void = () => undefined;
    const status = new Promise((done) => (ended = done));
    jest.spyOn(process, 'exit').mockImplementation(((code: unknown) => ended(code)) as never);
    const app = await started(memberIn(takedown.directory()));
    await using zk = new ZooKeeper({ servers: app.get(EnsembleTransport).address });
    zk.create('/lost').catch(() => undefined);
    expect(await status).toBe(1);
    await zk.close({ deadlineMs: 0 });
  });
});
