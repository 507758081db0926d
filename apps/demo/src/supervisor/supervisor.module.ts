import { ZooKeeper } from '@aviary/client';
import { LockModule } from '@aviary/lock';
import { EnsembleModule, EnsembleTransport, ZooKeeperModule } from '@aviary/nest';
import { Module, type DynamicModule } from '@nestjs/common';
import { LOCK_ROOT } from '../instance/settings.js';
import { TillController } from '../till/till.controller.js';
import { Till } from '../till/till.js';
import type { EnsemblePlace } from './ensemble-place.js';

/** A session of the supervisor may not ask for less than the member of the demo allows. */
const TICKS_PER_SESSION = 4;

/** The till, and the member of an ensemble if there is none yet. */
@Module({})
export class SupervisorModule {
  static with(place: EnsemblePlace, sessionTimeoutMs: number): DynamicModule {
    return {
      module: SupervisorModule,
      imports: [...connection(place, sessionTimeoutMs), LockModule.forRoot({ root: LOCK_ROOT })],
      controllers: [TillController],
      providers: [{ provide: Till, inject: [ZooKeeper], useFactory: newTill }],
    };
  }
}

function connection(place: EnsemblePlace, sessionTimeoutMs: number): DynamicModule[] {
  if (place.dataDir === null) return [ZooKeeperModule.forRoot({ servers: place.servers })];
  const tickTimeMs = Math.ceil(sessionTimeoutMs / TICKS_PER_SESSION);
  const { dataDir } = place;
  return [
    EnsembleModule.forRoot({ dataDir, clientPort: 0, tickTimeMs, preAllocBytes: 1 << 20 }),
    ZooKeeperModule.forRootAsync({
      inject: [EnsembleTransport],
      useFactory: async (member: EnsembleTransport) => {
        await member.start();
        return { servers: member.address };
      },
    }),
  ];
}

function newTill(zk: ZooKeeper): Till {
  return new Till(async ({ nodePath }) => {
    await zk.sync(nodePath);
    return (await zk.exists(nodePath)) !== null;
  });
}
