import type { LockView } from '@aviary/lock';
import type { Till, TillEvent } from '../till/till.js';
import type { InstanceProcess } from './instance-process.js';

/** Prints the demo for people: one line for everything that happens. */
export class Report {
  private startedMs = performance.now();
  private shown = '';

  line(text: string): void {
    const seconds = ((performance.now() - this.startedMs) / 1_000).toFixed(1);
    process.stdout.write(`${seconds.padStart(7)} s  ${text}\n`);
  }

  /** Where everything is, and what to try. */
  opening(ensemble: string, tillUrl: string, instances: readonly InstanceProcess[]): void {
    this.startedMs = performance.now();
    const [first] = instances;
    const rows = instances.map(({ name, pid }) => `  ${name.padEnd(9)} process ${pid}`);
    const words = [
      `Aviary's demo: ${instances.length} instances of a service, one lock, one till.`,
      `  ensemble  ${ensemble}`,
      `  ledger    ${tillUrl}/ledger`,
      ...rows,
      `Try: kill -STOP ${first?.pid ?? ''} while it holds, and kill -CONT when another does.`,
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

  closing(till: Till, instances: readonly InstanceProcess[]): void {
    const visits = instances.map(({ name, visits: count }) => `${name} ${count}`).join(', ');
    const words = [
      '',
      `visits                    ${visits}`,
      `accepted writes           ${till.ledger.length}`,
      `lost updates              ${till.isBalanced ? 'none' : 'YES'}`,
      `refused for an old token  ${till.refusals}`,
      `two holders met           ${till.meetings === 0 ? 'never' : `${till.meetings} TIMES`}`,
      '',
    ];
    process.stdout.write(words.join('\n'));
  }
}
