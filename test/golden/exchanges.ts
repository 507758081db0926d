import { readFileSync, readdirSync } from 'node:fs';

/** What a connection did or saw, in the order in which it was recorded. */
export type GoldenStep =
  /** A frame, with its length in front, from the client or from the server. */
  | { readonly kind: 'sent' | 'received'; readonly connection: string; readonly bytes: Uint8Array }
  /** Bytes that are no frame: four letter words, their answers, broken lengths. */
  | {
      readonly kind: 'sentRaw' | 'receivedRaw';
      readonly connection: string;
      readonly bytes: Uint8Array;
    }
  /** The server closed, having sent nothing more; or the client did, without a word. */
  | { readonly kind: 'closed' | 'dropped'; readonly connection: string };

/** A named piece of a recording; its connections may be those of earlier pieces. */
export interface GoldenExchange {
  readonly name: string;
  readonly shows: string;
  /** Why a newer reference, or ours, answers otherwise; null: the bytes are to be met. */
  readonly differs: string | null;
  /** Only the zxid in the header of events differs: 3.8 sends -1, newer servers a zxid. */
  readonly differsInEventZxidOnly: boolean;
  /** Why the last thing sent is no well-formed request; null: everything sent is. */
  readonly malformed: string | null;
  readonly steps: readonly GoldenStep[];
}

const EVENT_ZXID = 'event zxid: ';

const stepKinds = {
  '>': 'sent',
  '<': 'received',
  '>>': 'sentRaw',
  '<<': 'receivedRaw',
  closed: 'closed',
  drops: 'dropped',
} as const;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

class ExchangeParser {
  readonly exchanges: Writable<GoldenExchange>[] = [];
  private readonly file: string;
  private lineNumber = 0;
  private steps: GoldenStep[] = [];
  private hex = '';
  private text: string[] = [];

  constructor(file: string) {
    this.file = file;
  }

  take(line: string): void {
    this.lineNumber++;
    if (line === '' || line.startsWith('#')) return;
    if (line.startsWith('  |')) this.text.push(line.slice(3));
    else if (line.startsWith('  ')) this.hex += line.replaceAll(' ', '');
    else this.takeWord(line);
    this.fillLastStep();
  }

  private takeWord(line: string): void {
    const cut = line.indexOf(' ');
    const first = line.slice(0, cut);
    const rest = line.slice(cut + 1);
    const exchange = this.exchanges.at(-1);
    if (first === 'exchange') this.begin(rest);
    else if (exchange === undefined) this.fail(line);
    else if (first === 'shows') exchange.shows = rest;
    else if (first === 'malformed') exchange.malformed = rest;
    else if (first === 'reference-differs') {
      exchange.differs = rest;
      exchange.differsInEventZxidOnly = rest.startsWith(EVENT_ZXID);
    } else this.takeStep(first, rest.split(' ', 1)[0] ?? '', line);
  }

  private begin(name: string): void {
    this.steps = [];
    this.exchanges.push({
      name,
      shows: '',
      differs: null,
      differsInEventZxidOnly: false,
      malformed: null,
      steps: this.steps,
    });
  }

  private takeStep(connection: string, mark: string, line: string): void {
    if (!(mark in stepKinds)) this.fail(line);
    const kind = stepKinds[mark as keyof typeof stepKinds];
    this.hex = '';
    this.text = [];
    if (kind === 'closed' || kind === 'dropped') this.steps.push({ kind, connection });
    else this.steps.push({ kind, connection, bytes: new Uint8Array() });
  }

  private fillLastStep(): void {
    const step = this.steps.at(-1);
    if (step === undefined || !('bytes' in step)) return;
    const isText = this.text.length > 0;
    const bytes = isText ? Buffer.from(this.text.join('\n')) : Buffer.from(this.hex, 'hex');
    (step as Writable<typeof step>).bytes = new Uint8Array(bytes);
  }

  private fail(line: string): never {
    throw new Error(`${this.file}:${this.lineNumber}: not a line of a recording: ${line}`);
  }
}

/** Names of the recordings of the client protocol, to be given to {@link goldenExchanges}. */
export function goldenRecordings(): string[] {
  const files = readdirSync(new URL('client/', import.meta.url));
  return files.map((file) => file.replace(/\.txt$/, '')).sort();
}

/** The exchanges of one recording, in the order in which they happened. */
export function goldenExchanges(recording: string): readonly GoldenExchange[] {
  const file = `client/${recording}.txt`;
  const parser = new ExchangeParser(file);
  for (const line of readFileSync(new URL(file, import.meta.url), 'utf8').split('\n')) {
    parser.take(line);
  }
  return parser.exchanges;
}

/** The bytes of a file below `disk`, such as `standalone/log.1`. */
export function goldenDiskFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`disk/${path}`, import.meta.url)));
}
