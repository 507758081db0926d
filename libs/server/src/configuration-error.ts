/** A setting has a value that cannot be used. The message is one line that says what to write. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}
