import 'reflect-metadata';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DistributedLock, LockModule, currentLease } from '@aviary/lock';
import { ZooKeeperModule } from '@aviary/nest';

// contender HOSTS LOCK ROOM ROUNDS: two loops enter a room under @DistributedLock(), or one stays.

const [servers = '', lock = '', room = '', roundsText = ''] = process.argv.slice(2);
const rounds = Number(roundsText);

@Injectable()
class Room {
  @DistributedLock(() => lock)
  async enter(): Promise<void> {
    const lease = currentLease();
    lease.assertHeld();
    // Fails if somebody is inside.
    writeFileSync(join(room, 'inside'), '', { flag: 'wx' });
    appendFileSync(join(room, 'journal'), `nest ${lease.nodePath.slice(-10)}\n`);
    await sleep(2);
    lease.assertHeld();
    rmSync(join(room, 'inside'));
  }

  @DistributedLock(() => lock)
  async stay(): Promise<void> {
    process.stdout.write('holding\n');
    await once(process, 'never');
  }
}

@Module({
  imports: [
    ZooKeeperModule.forRoot({ servers, sessionTimeoutMs: 4_000 }),
    LockModule.forRoot({ identity: 'nest' }),
  ],
  providers: [Room],
})
class ContenderModule {}

async function contend(contender: Room): Promise<void> {
  for (let round = 0; round < rounds; round++) await contender.enter();
}

const app = await NestFactory.createApplicationContext(ContenderModule, { logger: ['error'] });
const contender = app.get(Room);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.pause();
if (rounds === 0) await contender.stay();
await Promise.all([contend(contender), contend(contender)]);
await app.close();
process.stdout.write('done\n');
