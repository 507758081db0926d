import { ZooKeeper } from '@aviary/client';
import { ConfigWatchModule } from '@aviary/config';
import { LeaderModule } from '@aviary/leader';
import { LockModule } from '@aviary/lock';
import { MembershipModule } from '@aviary/membership';
import { ZooKeeperModule } from '@aviary/nest';
import { Module, type DynamicModule } from '@nestjs/common';
import type { DemoOptions } from '../command-line.js';
import {
  CONFIG_RECORDS_ROOT,
  CONFIG_ROOT,
  GROUPS_ROOT,
  LEADERS_ROOT,
  LOCK_ROOT,
  SERVICES_ROOT,
} from '../layout.js';
import { Coordination } from '../status/coordination-status.js';
import { TillController } from '../till/till.controller.js';
import { Till } from '../till/till.js';
import { ConfigController } from './config.controller.js';
import { DEMO_OPTIONS, ENSEMBLE_PLACE } from './supervisor.tokens.js';
import type { EnsemblePlace } from './ensemble-place.js';
import { ProcessesController } from './processes.controller.js';
import { Publisher } from './publisher.js';
import { Report } from './report.js';
import { StatusController } from './status.controller.js';
import { Supervisor } from './supervisor.js';

/** The till, the instances, and what one asks and tells the demo by HTTP. */
@Module({})
export class SupervisorModule {
  static with(place: EnsemblePlace, options: DemoOptions): DynamicModule {
    return {
      module: SupervisorModule,
      imports: [
        ZooKeeperModule.forRoot({ servers: place.servers }),
        LockModule.forRoot({ root: LOCK_ROOT }),
        LeaderModule.forRoot({ root: LEADERS_ROOT }),
        ConfigWatchModule.forRoot({ root: CONFIG_ROOT, recordsRoot: CONFIG_RECORDS_ROOT }),
        MembershipModule.forRoot({ root: GROUPS_ROOT, servicesRoot: SERVICES_ROOT }),
      ],
      controllers: [TillController, StatusController, ProcessesController, ConfigController],
      providers: [
        Coordination,
        Publisher,
        Report,
        Supervisor,
        { provide: ENSEMBLE_PLACE, useValue: place },
        { provide: DEMO_OPTIONS, useValue: options },
        { provide: Till, inject: [ZooKeeper], useFactory: newTill },
      ],
    };
  }
}

function newTill(zk: ZooKeeper): Till {
  return new Till(async ({ nodePath }) => {
    await zk.sync(nodePath);
    return (await zk.exists(nodePath)) !== null;
  });
}
