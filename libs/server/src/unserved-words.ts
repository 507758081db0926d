import { SERVER_VERSION } from './version.js';

/** What a server tells of the process around it: names and values. */
export type Environment = readonly (readonly [string, string])[];

/** Whether a server answers `word`; if it does not, that is all it says. */
export function refusalOfWord(word: string, answered: ReadonlySet<string>): string | null {
  if (answered.has(word)) return null;
  return `${word} is not executed because it is not in the whitelist.\n`;
}

/** The answer of a server that serves nobody: that it runs, where, and nothing else. */
export function unservedAnswer(word: string, environment: Environment): string {
  switch (word) {
    case 'ruok':
      return 'imok';
    case 'isro':
      return 'null';
    case 'envi':
      return environmentText(environment);
    default:
      return 'This ZooKeeper instance is not currently serving requests\n';
  }
}

export function environmentText(environment: Environment): string {
  const lines = [['zookeeper.version', SERVER_VERSION], ...environment];
  return `Environment:\n${lines.map(([key, value]) => `${key}=${value}\n`).join('')}`;
}
