import { RecipeSetupError } from '@aviary/nest';

/** An option of a `BarrierModule` that cannot be honoured: the application does not start. */
export class BarrierSetupError extends RecipeSetupError {}
