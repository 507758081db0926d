/** Bytes that are not what the record's grammar says. What the peer sent is data: catch and answer. */
export class JuteError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}
