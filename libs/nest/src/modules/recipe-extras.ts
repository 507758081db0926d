/** What is said beside the options, since the module's shape depends on it. */
export interface RecipeExtras {
  /** This module, where an application has several of the recipe. Default: `default`. */
  readonly name: string;
  /** The name of the connection of `ZooKeeperModule`; unset: the default one. */
  readonly connection: string | undefined;
  /** Whether other modules have what it provides without importing it. Default: true. */
  readonly isGlobal: boolean;
}
