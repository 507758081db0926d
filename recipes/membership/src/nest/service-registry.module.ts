import { ConfigurableModuleBuilder, Module, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { DEFAULT_MODULE, misplacedExtras } from '@aviary/nest';
import type { Services } from '../core/services.js';
import { MembershipSetupError } from './membership-setup-error.js';
import { getServicesToken } from './membership.tokens.js';
import { ServiceRegistrar } from './service-registrar.js';
import type { ServiceRegistryOptions } from './service-registry-options.js';

/** What is said beside the options, since the module's shape depends on it. */
const EXTRAS = {
  /** The name of the `MembershipModule` whose connection is used. */
  membership: DEFAULT_MODULE,
};

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ServiceRegistryOptions>({ moduleName: 'ServiceRegistry' })
    .setFactoryMethodName('createServiceRegistryOptions')
    .setExtras(EXTRAS, withRegistrar)
    .build();

/**
 * Makes the application be found as an instance of a service, by Curator, Spring Cloud and `Services`, for as
 * long as its port is open. It takes the connection of a `MembershipModule`.
 *
 * @example
 * imports: [
 *   ZooKeeperModule.forRoot({ servers: 'zk1:2181' }),
 *   MembershipModule.forRoot(),
 *   ServiceRegistryModule.register({ name: 'inventory', drain: '5s' }),
 * ]
 */
@Module({})
export class ServiceRegistryModule extends ConfigurableModuleClass {}

function withRegistrar(definition: DynamicModule, { membership }: typeof EXTRAS): DynamicModule {
  const services = { token: getServicesToken(membership), optional: true };
  const registrar = {
    provide: ServiceRegistrar,
    inject: [services, MODULE_OPTIONS_TOKEN, HttpAdapterHost],
    useFactory: (
      found: Services | undefined,
      options: ServiceRegistryOptions,
      host: HttpAdapterHost,
    ) => {
      const misplaced = misplacedExtras(options, { membership }, 'registerAsync');
      if (misplaced !== null) throw new MembershipSetupError(`ServiceRegistryModule: ${misplaced}`);
      if (found !== undefined) return new ServiceRegistrar(found, options, host);
      const extra = membership === DEFAULT_MODULE ? '' : ` with the name "${membership}"`;
      throw new MembershipSetupError(
        `ServiceRegistryModule needs MembershipModule.forRoot(...)${extra} in the imports`,
      );
    },
  };
  return {
    ...definition,
    providers: [...(definition.providers ?? []), registrar],
    exports: [...(definition.exports ?? []), ServiceRegistrar],
  };
}
