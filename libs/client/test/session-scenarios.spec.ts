import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ScriptedSession, type Cut } from './scripted-session.js';

const directory = join(import.meta.dirname, 'scenarios');

interface Step {
  readonly command: string;
  readonly line: number;
  readonly expected: readonly string[];
}

/** A scenario: lines with `>` are inputs, the lines under each are what the core then does. */
function stepsOf(text: string): Step[] {
  const steps: { command: string; line: number; expected: string[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('#') || line.trim() === '') continue;
    if (line.startsWith('>')) steps.push({ command: line.slice(1), line: index + 1, expected: [] });
    else steps.at(-1)?.expected.push(line.trim());
  }
  return steps;
}

function check(file: string, cut: Cut): void {
  const session = new ScriptedSession(cut);
  for (const { command, line, expected } of stepsOf(readFileSync(join(directory, file), 'utf8'))) {
    const actual = session.run(command);
    expect({ at: `${file}:${line}`, does: actual }).toEqual({
      at: `${file}:${line}`,
      does: expected,
    });
  }
}

/** `UPDATE_SCENARIOS=1` writes down what happens now; the difference is then reviewed. */
function rewrite(file: string): void {
  const session = new ScriptedSession();
  const lines: string[] = [];
  for (const line of readFileSync(join(directory, file), 'utf8').split('\n')) {
    if (!line.startsWith('>') && !line.startsWith('#') && line.trim() !== '') continue;
    lines.push(line);
    if (line.startsWith('>')) lines.push(...session.run(line.slice(1)).map((l) => `  ${l}`));
  }
  writeFileSync(join(directory, file), `${lines.join('\n').trimEnd()}\n`);
}

const files = readdirSync(directory).filter((file) => file.endsWith('.txt'));

describe.each(files)('%s', (file) => {
  if (process.env.UPDATE_SCENARIOS === '1') rewrite(file);

  it('goes as written', () => check(file, 'whole'));

  it('goes the same with every frame in single bytes', () => check(file, 'bytes'));

  it('goes the same with every frame cut in two, wherever it is cut', () => {
    for (let cut = 1; cut < 48; cut++) check(file, cut);
  });
});

it('meets every server both with and without its zxid, when the ensemble may have begun anew', () => {
  const session = new ScriptedSession('whole', { servers: 3 });
  const setUp = [
    'start',
    'opened',
    'server handshake session=0x7',
    'getData /a',
    'flush',
    'server reply 1 zxid=500',
    'broken',
    '+9000 tick',
    'opened',
    'server handshake session=0 timeout=0',
    'opened',
    'broken',
    '+9000 opened',
    'broken',
  ];
  for (const line of setUp) session.run(line);
  const named = Array.from({ length: 9 }, () => {
    const [sent = ''] = session.run('opened');
    session.run('broken');
    return / zxid (\d+) /.exec(sent)?.[1];
  });
  expect(named.join()).toBe('0,0,0,500,500,500,0,0,0');
});
