import { readdirSync } from 'node:fs';
import { arch, hostname, release, type as systemType, userInfo } from 'node:os';

/** What four-letter word `envi` tells of the process. */
export function processEnvironment(): [string, string][] {
  return [
    ['host.name', hostname()],
    ['node.version', process.versions.node],
    ['os.name', systemType()],
    ['os.arch', arch()],
    ['os.version', release()],
    ['user.name', userName()],
    ['user.dir', process.cwd()],
  ];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In containers a process often runs as a user that no file names.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** Open files of the process where the system tells, for `mntr`. */
export function processGauges(): [string, number][] {
  const gauges: [string, number][] = [['resident_bytes', process.memoryUsage.rss()]];
  try {
    gauges.push(['open_file_descriptor_count', readdirSync('/proc/self/fd').length]);
  } catch {
    // Only Linux has this directory; elsewhere the figure is left out.
  }
  return gauges;
}
