import { RecipeSetupError } from '@aviary/nest';

/** An option of `CounterModule` that cannot be honoured: the application does not start. */
export class CounterSetupError extends RecipeSetupError {}
