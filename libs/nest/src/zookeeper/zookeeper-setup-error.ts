/** A connection of `ZooKeeperModule` cannot be set up; the application does not start. */
export class ZooKeeperSetupError extends Error {
  /** The name of the connection. */
  readonly connection: string;

  constructor(connection: string, problem: string, options?: ErrorOptions) {
    super(`ZooKeeperModule, connection "${connection}": ${problem}`, options);
    this.name = new.target.name;
    this.connection = connection;
  }
}
