import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const directory = join(import.meta.dirname, '../src/session');
const files = readdirSync(directory);

describe.each(files)('session/%s', (file) => {
  const source = readFileSync(join(directory, file), 'utf8');

  it('imports nothing that could tell the time or reach the world', () => {
    const imported = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name);
    const allowed =
      /^(\.\/[\w-]+\.js|\.\.\/(session-state|watch-event)\.js|@aviary\/(foundation|jute|protocol))$/;
    expect(imported.filter((name) => !allowed.test(name ?? ''))).toEqual([]);
  });

  it('uses no clock, timer, promise or stream', () => {
    const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const worldly =
      /\b(Date|performance|process|setTimeout|setImmediate|queueMicrotask|Promise|async|await|Observable|Math\.random)\b/;
    expect(worldly.exec(code)?.[0]).toBeUndefined();
  });
});
