import { LockModule } from '@aviary/lock';
import { ZooKeeperModule } from '@aviary/nest';
import { Module, type DynamicModule } from '@nestjs/common';
import { Clerk } from './clerk.js';
import { INSTANCE_SETTINGS, LOCK_ROOT, type InstanceSettings } from './settings.js';
import { TillClient } from './till.client.js';
import { VisitsController } from './visits.controller.js';

/** The service: everything that an application under a lock needs. */
@Module({})
export class InstanceModule {
  static with(settings: InstanceSettings): DynamicModule {
    const { servers, sessionTimeoutMs, name } = settings;
    return {
      module: InstanceModule,
      imports: [
        ZooKeeperModule.forRoot({ servers, sessionTimeoutMs }),
        LockModule.forRoot({ root: LOCK_ROOT, identity: name }),
      ],
      controllers: [VisitsController],
      providers: [Clerk, TillClient, { provide: INSTANCE_SETTINGS, useValue: settings }],
    };
  }
}
