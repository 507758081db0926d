import type { MemberEnd } from './member-process.js';
import type { LocalEnsemble, MemberPlace } from './local-ensemble.js';

/** What the opening tells of a member. */
export interface MemberLine {
  readonly place: MemberPlace;
  readonly pid: number;
  readonly mode: string;
}

/** Tells the person at the terminal what happens. */
export class Report {
  private readonly startedMs = performance.now();

  opening({ servers }: LocalEnsemble, members: readonly MemberLine[], leader: MemberLine): void {
    this.print([
      `Aviary: ${members.length} members serve ZooKeeper clients at ${servers}`,
      ...members.map(
        ({ place, pid, mode }) =>
          `  member ${place.id}  process ${pid}  ${place.address}  ${mode.padEnd(8)}  ${place.dataDir}`,
      ),
      '',
      'Try next, in another terminal:',
      `  kill -9 ${leader.pid}   the leader: the others elect another, and no session ends`,
      `  npm run demo -- --connect ${servers}   several services that share one lock`,
      `  zkCli.sh -server ${servers}   any ZooKeeper client works`,
      'Stop with Ctrl-C.',
    ]);
  }

  leads({ id }: MemberPlace, pid: number): void {
    this.event(`member ${id} (process ${pid}) leads`);
  }

  leadsNoMore({ id }: MemberPlace, pid: number): void {
    this.event(`member ${id} (process ${pid}) leads no more`);
  }

  isBack({ id }: MemberPlace, pid: number, mode: string): void {
    this.event(`member ${id} (process ${pid}) is back, as a ${mode}`);
  }

  ended(place: MemberPlace, pid: number, { how, failure }: MemberEnd, next: string): void {
    const why = failure?.sentence ?? `${how}; its log is ${place.logPath}`;
    this.event(`member ${place.id} (process ${pid}) has ended: ${why}`);
    this.event(next);
  }

  tooFew(running: number, members: number): void {
    const needed = Math.floor(members / 2) + 1;
    this.event(
      `clients are not served: ${running} of ${members} members run, and ${needed} are needed`,
    );
  }

  note(sentence: string): void {
    this.print([sentence]);
  }

  private event(text: string): void {
    const seconds = ((performance.now() - this.startedMs) / 1000).toFixed(1);
    this.print([`${seconds.padStart(7)} s  ${text}`]);
  }

  private print(lines: readonly string[]): void {
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
