import { RecipeSetupError } from '@aviary/nest';

/** A mark or an option that cannot be honoured: the application does not start. */
export class PartitionSetupError extends RecipeSetupError {}
