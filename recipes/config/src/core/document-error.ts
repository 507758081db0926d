/** Data that the parser or the limits refuse. The message says where. */
export class DocumentError extends Error {
  /** The field, with dots between its names; empty: the whole, or not known. */
  readonly field: string;

  constructor(message: string, field = '') {
    super(message);
    this.name = new.target.name;
    this.field = field;
  }
}
