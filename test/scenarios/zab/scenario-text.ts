import { zxidCounter, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';
import { ZXID_UNKNOWN } from '@aviary/zab';

/** One input of a scenario, and what is done then. */
export interface Step {
  readonly command: string;
  readonly line: number;
  readonly expected: readonly string[];
}

/** What lines of text drive. */
export interface Scripted {
  run(command: string): string[];
}

/** Lines with `>` are inputs, the lines under each are what is then done, `#` explains. */
export function stepsOf(text: string): Step[] {
  const steps: { command: string; line: number; expected: string[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('#') || line.trim() === '') continue;
    if (line.startsWith('>')) {
      steps.push({ command: line.slice(1).trim(), line: index + 1, expected: [] });
    } else {
      steps.at(-1)?.expected.push(line.trim());
    }
  }
  return steps;
}

/** The text with what `scripted` does now. */
export function rewritten(text: string, scripted: Scripted): string {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('>') && !line.startsWith('#') && line.trim() !== '') continue;
    lines.push(line);
    if (line.startsWith('>')) {
      lines.push(...scripted.run(line.slice(1).trim()).map((done) => `  ${done}`));
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** `1.5`: the fifth transaction of epoch 1. `unknown`: a server does not know what it has. */
export function zxidFrom(text: string | undefined): Zxid {
  if (text === 'unknown') return ZXID_UNKNOWN;
  const [epoch, counter] = (text ?? '').split('.').map(Number);
  if (epoch === undefined || counter === undefined || Number.isNaN(epoch + counter)) {
    throw new Error(`${text ?? 'nothing'} is no zxid`);
  }
  return zxidOf(epoch, counter);
}

export function shown(zxid: Zxid): string {
  if (zxid === ZXID_UNKNOWN) return 'unknown';
  return `${zxidEpoch(zxid)}.${zxidCounter(zxid)}`;
}

/** `1.1-1.3,2.1`: four zxids. */
export function zxidsFrom(text: string): Zxid[] {
  return text
    .split(',')
    .filter(Boolean)
    .flatMap((range) => {
      const [from, to] = range.split('-').map(zxidFrom);
      const zxids: Zxid[] = [];
      for (let zxid = from!; zxid <= (to ?? from!); zxid++) zxids.push(zxid);
      return zxids;
    });
}

/** A command in parts: words, and options as `name=value`. */
export class Words {
  readonly words: readonly string[];
  private readonly options: ReadonlyMap<string, string>;

  constructor(readonly text: string) {
    const all = text.split(/\s+/);
    this.words = all.filter((word) => !word.includes('='));
    this.options = new Map(
      all.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
  }

  option(name: string, otherwise: string): string {
    return this.options.get(name) ?? otherwise;
  }

  number(name: string, otherwise: number): number {
    return Number(this.option(name, String(otherwise)));
  }

  zxid(name: string): Zxid {
    return zxidFrom(this.option(name, '0.0'));
  }
}
