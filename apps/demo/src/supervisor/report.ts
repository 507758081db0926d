import type { LockView } from '@aviary/lock';
import { Injectable } from '@nestjs/common';
import type { Closing } from '../till/books.js';
import type { Till, TillEvent } from '../till/till.js';
import type { InstanceProcess } from './instance-process.js';
import type { MemberEvent, MemberView } from './own-ensemble.js';

/** What the opening tells. */
export interface Opening {
  /** The ensemble's connection string. */
  readonly servers: string;
  /** Those that were started for this demo; null: the ensemble is somebody's. */
  readonly members: readonly MemberView[] | null;
  readonly tillUrl: string;
  readonly instances: readonly InstanceProcess[];
}

/** Prints the demo for people: one line for everything that happens. */
@Injectable()
export class Report {
  private startedMs = performance.now();
  private shown = '';

  line(text: string): void {
    const seconds = ((performance.now() - this.startedMs) / 1_000).toFixed(1);
    process.stdout.write(`${seconds.padStart(7)} s  ${text}\n`);
  }

  /** Where everything is, and what to try. */
  opening({ servers, members, tillUrl, instances }: Opening): void {
    this.startedMs = performance.now();
    const [first] = instances;
    const whose = members === null ? '' : ' (started for this demo)';
    const words = [
      `Aviary's demo: ${instances.length} instances of a service, one lock, one till.`,
      `  ensemble  ${servers}${whose}`,
      ...(members ?? []).map(
        ({ id, pid, mode }) => `  member ${id}  process ${pid}  ${mode ?? 'looking'}`,
      ),
      ...instances.map(({ name, pid, url }) => `  ${name.padEnd(9)} process ${pid}  ${url}/status`),
      `  ledger    ${tillUrl}/ledger`,
      `  status    ${tillUrl}/status`,
      `Try: kill -STOP ${first?.pid ?? ''} while it holds, and kill -CONT when another does.`,
      'Or, in another terminal, what apps/demo/README.md walks through, with',
      `  DEMO=${tillUrl}`,
      'Stop with Ctrl-C.',
      '',
    ];
    process.stdout.write(words.join('\n'));
  }

  /** Who holds and who waits, if that is another picture than before. */
  queue({ holder, queue }: LockView): void {
    const waiting = queue.map(({ identity }) => identity);
    const picture =
      holder === null
        ? 'nobody holds'
        : `${holder.identity} holds (token ${holder.token})  ${
            waiting.length === 0 ? 'nobody waits' : `waiting: ${waiting.join(' ')}`
          }`;
    if (picture === this.shown) return;
    this.shown = picture;
    this.line(picture);
  }

  till(event: TillEvent): void {
    const { instance, token } = event.visitor;
    switch (event.kind) {
      case 'tookOver':
        return this.line(
          `  ${instance} took over from ${event.from.instance}, whose lease is over: ` +
            `token ${event.from.token} is void`,
        );
      case 'refused':
        return this.line(
          `  the till refused ${instance}: token ${token}, but ${event.newestToken} was here`,
        );
      case 'met':
        return this.line(`  TWO HOLDERS MET: ${instance} and ${event.other.instance}`);
    }
  }

  /** Somebody begins to close the books. */
  closes({ instance, token }: Closing): void {
    this.line(`  ${instance} leads: it closes the books from now on (term ${token})`);
  }

  /** All instances have said what they make of the newest configuration. */
  config(words: string): void {
    this.line(`  configuration: ${words}`);
  }

  member(event: MemberEvent): void {
    const who = `member ${event.id} (process ${event.pid})`;
    const what = event.kind === 'leads' ? 'leads the ensemble' : `has ended: ${event.how}`;
    this.line(`  ${who} ${what}`);
  }

  closing(till: Till, instances: readonly InstanceProcess[]): void {
    const visits = instances.map(({ name, visits: count }) => `${name} ${count}`).join(', ');
    const words = [
      '',
      `visits                    ${visits}`,
      `accepted writes           ${till.ledger.length}`,
      `books closed              ${till.books.closings.length} times`,
      `lost updates              ${till.isBalanced ? 'none' : 'YES'}`,
      `refused for an old token  ${till.refusals}`,
      `two holders met           ${till.meetings === 0 ? 'never' : `${till.meetings} TIMES`}`,
      '',
    ];
    process.stdout.write(words.join('\n'));
  }
}
