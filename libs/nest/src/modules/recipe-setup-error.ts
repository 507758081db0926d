/**
 * A mark or an option of a recipe that cannot be honoured: the application does not start, or, where
 * that shows only at a call, nothing is run. Each recipe has a class of its own below this one.
 */
export abstract class RecipeSetupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The class of a recipe's setup errors. */
export type RecipeSetupErrorClass = new (
  message: string,
  options?: ErrorOptions,
) => RecipeSetupError;
