import { RecipeSetupError } from '@aviary/nest';

/**
 * A mark, a definition or an option that cannot be honoured, or a configuration without a first
 * value: the application does not start.
 */
export class ConfigSetupError extends RecipeSetupError {}
