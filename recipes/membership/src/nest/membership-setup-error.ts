import { RecipeSetupError } from '@aviary/nest';

/** A `MembershipModule` or `ServiceRegistryModule` that cannot do what it is told: there is no start. */
export class MembershipSetupError extends RecipeSetupError {}
