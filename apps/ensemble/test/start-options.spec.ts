import { join } from 'node:path';
import { ConfigurationError } from '@aviary/server';
import { describe, expect, it } from '@jest/globals';
import { readmeIn } from '../../../test/readme-examples.js';
import { startOptions } from '../src/local/start-options.js';

describe('what npm start is told', () => {
  it('is three members unless it says something else', () => {
    expect(startOptions([])).toEqual({ members: 3, isFresh: false, restarts: false });
    expect(startOptions(['--members', '5', '--fresh', '--restart'])).toEqual({
      members: 5,
      isFresh: true,
      restarts: true,
    });
    expect(startOptions(['--members=1'])).toMatchObject({ members: 1 });
  });

  it('is what the READMEs say', () => {
    const app = join(import.meta.dirname, '..');
    const text = readmeIn(app).text + readmeIn(join(app, '../..')).text;
    const commands = Array.from(text.matchAll(/npm start -- ([^`\n]*?)(?: {2}|`)/g));
    expect(commands.map(([, args]) => args)).toEqual(
      expect.arrayContaining(['--members 5', '--fresh', '--restart', '--members 1']),
    );
    for (const [, args = ''] of commands) startOptions(args.split(' '));
  });

  it.each([
    [['--members', '0'], /^--members must be a whole number from 1 to 9, and is "0"$/],
    [['--members', '10'], /and is "10"$/],
    [['--members', 'three'], /and is "three"$/],
    [['--members'], /--members.* usage: npm start -- \[--members N\]/],
    [['--fresh=yes'], /--fresh.* usage: /],
    [['--verbose'], /^Unknown option '--verbose'\. usage: npm start -- /],
    [['zoo.cfg'], /main\.js zoo\.cfg runs one member as a file says$/],
    [['--restart', '--members', '1'], /^--restart needs two members or more/],
  ])('is refused with one line: %j', (args, line) => {
    expect(() => startOptions(args)).toThrow(ConfigurationError);
    expect(() => startOptions(args)).toThrow(line);
    expect(() => startOptions(args)).not.toThrow(/\n/);
  });
});
