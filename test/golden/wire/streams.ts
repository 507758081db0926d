import { readFileSync, readdirSync } from 'node:fs';

/** A message as the recorder cut it out of its stream. */
export interface RecordedMessage {
  readonly atSeconds: number;
  /** Where it starts in the bytes of its stream. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** What the recorder, which shares no code with ours, makes of it. */
  readonly note: string;
}

/** All that one side said on one connection of `../quorum`. */
export interface RecordedStream {
  readonly connection: string;
  readonly port: 'election' | 'quorum';
  /** A server id, or what else the recorder could know: see the README there. */
  readonly from: string;
  readonly to: string;
  /** Whether it is the side that opened the connection, and from its first byte. */
  readonly isFromConnector: boolean;
  readonly messages: readonly RecordedMessage[];
  readonly bytes: Uint8Array;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type StreamDraft = Writable<RecordedStream> & { messages: Writable<RecordedMessage>[] };

const FOLDER = new URL('../quorum/', import.meta.url);
const ENDING = '.hex.txt';

const EVENT =
  /^@ \+(?<seconds>[\d.]+) (?<connection>conn#\d+) (?<port>election|quorum) (?<from>\S+)->(?<to>\S+) (?<rest>.*)$/;
const MESSAGE = /^off=(?<offset>\d+) len=(?<length>\d+) (?<note>.*)$/;
const HEX = /^ {2}(?:[0-9a-f]{2} ?)+$/;

class StreamParser {
  private readonly streams = new Map<string, StreamDraft>();
  private hex = '';
  /** The message whose bytes stand in the lines below it. */
  private unfilled: Writable<RecordedMessage> | null = null;
  private lineNumber = 0;

  constructor(private readonly file: string) {}

  parse(text: string): RecordedStream[] {
    for (const line of text.split('\n')) this.take(line);
    this.fillLast();
    return [...this.streams.values()].filter(({ messages }) => messages.length > 0).map(joined);
  }

  private take(line: string): void {
    this.lineNumber++;
    if (line === '' || line.startsWith('#')) return;
    if (HEX.test(line)) {
      this.hex += line.replaceAll(' ', '');
      return;
    }
    this.fillLast();
    const event = EVENT.exec(line)?.groups ?? this.fail('not a line of a recording');
    const { connection, port, from, to, rest, seconds } = event as Record<string, string>;
    const stream = this.streamOf(connection!, port as RecordedStream['port'], from!, to!);
    const message = MESSAGE.exec(rest!)?.groups;
    if (message !== undefined) this.takeMessage(stream, Number(seconds), message);
    else if (rest!.startsWith('SYN')) stream.isFromConnector = true;
    else if (rest !== 'FIN' && rest !== 'RST') this.fail('neither a message nor an event');
  }

  private streamOf(
    connection: string,
    port: RecordedStream['port'],
    from: string,
    to: string,
  ): StreamDraft {
    const key = `${connection} ${from}->${to}`;
    const known = this.streams.get(key);
    if (known !== undefined) return known;
    const bytes = new Uint8Array();
    const made = { connection, port, from, to, isFromConnector: false, messages: [], bytes };
    this.streams.set(key, made);
    return made;
  }

  private takeMessage(
    stream: StreamDraft,
    atSeconds: number,
    { offset, length, note }: Record<string, string>,
  ): void {
    const last = stream.messages.at(-1);
    const expected = last === undefined ? 0 : last.offset + last.bytes.length;
    if (Number(offset) !== expected) this.fail(`byte ${expected} of the stream is missing`);
    const message = { atSeconds, offset: expected, bytes: new Uint8Array(Number(length)), note: note! };
    stream.messages.push(message);
    this.unfilled = message;
  }

  private fillLast(): void {
    const bytes = new Uint8Array(Buffer.from(this.hex, 'hex'));
    this.hex = '';
    if (bytes.length !== (this.unfilled?.bytes.length ?? 0)) {
      this.fail(`the message before has ${bytes.length} bytes in hex`);
    }
    if (this.unfilled !== null) this.unfilled.bytes = bytes;
    this.unfilled = null;
  }

  private fail(why: string): never {
    throw new Error(`${this.file}:${this.lineNumber}: ${why}`);
  }
}

function joined(stream: StreamDraft): RecordedStream {
  return { ...stream, bytes: new Uint8Array(Buffer.concat(stream.messages.map((m) => m.bytes))) };
}

/** Names of the recordings between servers, to be given to {@link recordedStreams}. */
export function streamRecordings(): string[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING));
  return files.map((file) => file.slice(0, -ENDING.length)).sort();
}

/** The streams of one recording, each side of a connection by itself, in the order they began. */
export function recordedStreams(recording: string): readonly RecordedStream[] {
  const file = `${recording}${ENDING}`;
  return new StreamParser(file).parse(readFileSync(new URL(file, FOLDER), 'utf8'));
}
