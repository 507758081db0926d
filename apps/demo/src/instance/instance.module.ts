import { ConfigWatchModule } from '@aviary/config';
import { LeaderModule } from '@aviary/leader';
import { LockModule } from '@aviary/lock';
import { MembershipModule, ServiceRegistryModule } from '@aviary/membership';
import { ZooKeeperModule } from '@aviary/nest';
import { Module, type DynamicModule } from '@nestjs/common';
import {
  CONFIG_RECORDS_ROOT,
  CONFIG_ROOT,
  CRON_ROOT,
  GROUPS_ROOT,
  INSTANCES_GROUP,
  LEADERS_ROOT,
  LOCK_ROOT,
  ORDERS_CONFIG,
  ORDERS_SERVICE,
  SERVICES_ROOT,
  serviceIdOf,
} from '../layout.js';
import { Coordination } from '../status/coordination-status.js';
import { Bookkeeper } from './bookkeeper.js';
import { Clerk } from './clerk.js';
import { InstanceMember } from './instance-member.js';
import { ordersSchema } from './orders-config.js';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';
import { StatusController } from './status.controller.js';
import { TillClient } from './till.client.js';
import { VisitsController } from './visits.controller.js';

/** The service: everything that an application needs which shares its work with others. */
@Module({})
export class InstanceModule {
  static with(settings: InstanceSettings): DynamicModule {
    const { servers, sessionTimeoutMs, name: identity } = settings;
    const schema = ordersSchema(settings.ordersPerVisitMax);
    return {
      module: InstanceModule,
      imports: [
        ZooKeeperModule.forRoot({ servers, sessionTimeoutMs }),
        LockModule.forRoot({ root: LOCK_ROOT, identity }),
        LeaderModule.forRoot({
          ...{ root: LEADERS_ROOT, cronRoot: CRON_ROOT, identity },
          onSuspended: 'hold-until-deadline',
        }),
        ConfigWatchModule.forRoot({
          root: CONFIG_ROOT,
          recordsRoot: CONFIG_RECORDS_ROOT,
          identity,
        }),
        ConfigWatchModule.forFeature([{ path: ORDERS_CONFIG, schema }]),
        MembershipModule.forRoot({ root: GROUPS_ROOT, servicesRoot: SERVICES_ROOT, identity }),
        MembershipModule.forFeature([INSTANCES_GROUP]),
        ServiceRegistryModule.register({
          name: ORDERS_SERVICE,
          id: serviceIdOf(identity, process.pid),
          address: '127.0.0.1',
        }),
      ],
      controllers: [VisitsController, StatusController],
      providers: [
        Clerk,
        Bookkeeper,
        InstanceMember,
        TillClient,
        Coordination,
        { provide: INSTANCE_SETTINGS, useValue: settings },
      ],
    };
  }
}
