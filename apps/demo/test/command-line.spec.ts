import { describe, expect, it } from '@jest/globals';
import { demoOptions, UsageError } from '../src/command-line.js';

describe('the command line', () => {
  it('has a default for everything', () => {
    expect(demoOptions([], {})).toEqual({
      instances: 3,
      seconds: null,
      connect: null,
      isOwn: false,
      holdMs: 600,
      sessionTimeoutMs: 4_000,
      isCareless: false,
    });
  });

  it('takes what it is told, over the environment', () => {
    const args = ['--instances', '5', '--seconds=9', '--connect', 'a:1', '--careless'];
    expect(demoOptions(args, { ZK_HOSTS: 'b:2' })).toMatchObject({
      instances: 5,
      seconds: 9,
      connect: 'a:1',
      isCareless: true,
    });
    expect(demoOptions([], { ZK_HOSTS: 'b:2' }).connect).toBe('b:2');
    expect(demoOptions([], { ZK_HOSTS: '' }).connect).toBeNull();
    expect(demoOptions(['--own'], { ZK_HOSTS: 'b:2' }).isOwn).toBe(true);
  });

  it.each([
    [['--instances', '0'], /--instances must be a whole number from 1 to 50, not "0"/],
    [['--instances', '2.5'], /not "2\.5"/],
    [['--seconds', 'ten'], /--seconds must be a whole number/],
    [['--fast'], /--fast/],
    [['more'], /more/],
    [['--own', '--connect', 'a:1'], /--own .* --connect .*: take one of them/],
  ])('refuses %j', (args, sentence) => {
    expect(() => demoOptions(args, {})).toThrow(UsageError);
    expect(() => demoOptions(args, {})).toThrow(sentence);
  });
});
