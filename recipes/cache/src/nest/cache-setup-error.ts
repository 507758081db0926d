import { RecipeSetupError } from '@aviary/nest';

/** A `CacheModule` that cannot do what it is told: the application does not start. */
export class CacheSetupError extends RecipeSetupError {}
