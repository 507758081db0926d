/**
 * The text of an ensemble configuration cannot be used. The message is one line that names the key
 * and says what to write. From a peer it is data: log it and keep the configuration that one has.
 */
export class EnsembleConfigError extends Error {
  constructor(
    /** The key whose value is refused; null if it is not about one. */
    readonly key: string | null,
    problem: string,
  ) {
    super(key === null ? problem : `${/^[\w.]{1,60}$/.test(key) ? key : quoted(key)} ${problem}`);
    this.name = new.target.name;
  }
}

const QUOTED_LENGTH_MAX = 120;

/** The text as a message can show it, wherever it comes from: on one line, and not too long. */
export function quoted(text: string): string {
  const isLong = text.length > QUOTED_LENGTH_MAX;
  return JSON.stringify(isLong ? `${text.slice(0, QUOTED_LENGTH_MAX)}...` : text);
}
