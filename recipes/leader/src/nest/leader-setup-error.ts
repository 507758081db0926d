import { RecipeSetupError } from '@aviary/nest';

/**
 * A mark or an option that cannot be honoured: the application does not start, or, where that shows
 * only at a call, the method is not run. Work of the leader that everybody does would be worse.
 */
export class LeaderSetupError extends RecipeSetupError {}
