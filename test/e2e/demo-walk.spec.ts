import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { endGroup, RunningProgram } from './member-process.js';

const root = resolve(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'apps/demo/README.md'), 'utf8');

/** The commands of the walk, in order. */
const commands = Array.from(readme.matchAll(/```sh\n([^]*?)```/g)).flatMap(([, block = '']) =>
  block.trim().split('\n'),
);

const LOOK_AGAIN_MS = 100;
const TOO_MANY = 'ordersPerVisit: must be a whole number from 1 to 5';
const TOO_FEW = `ordersPerVisit: must be a whole number from 1 to 20 / ${TOO_MANY}`;

/** `GET /status` of the supervisor. */
interface Status {
  readonly lock: { readonly holder: string | null; readonly waiting: readonly string[] };
  readonly leader: {
    readonly leader: string | null;
    readonly since: string | null;
    readonly token: string;
    readonly next: readonly string[];
  };
  readonly members: Readonly<Record<string, number>>;
  readonly service: readonly string[];
  readonly config: {
    readonly rollout: string;
    readonly instances: Readonly<Record<string, string>>;
  };
  readonly ensemble: Readonly<Record<string, string>>;
}

/** What the walk needs of curl, where there is none. */
const CURL = `command -v curl > /dev/null || curl() { "$NODE" -e "$CURL_CODE" -- "$@"; };`;
const CURL_CODE = `
  const { values, positionals } = require('node:util').parseArgs({
    allowPositionals: true,
    args: process.argv.slice(1),
    options: {
      silent: { type: 'boolean', short: 's' },
      request: { type: 'string', short: 'X', default: 'GET' },
      data: { type: 'string', short: 'd' },
    },
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const request = { method: values.request, body: values.data, headers };
  fetch(positionals[0], request).then(async (answer) => process.stdout.write(await answer.text()));
`;

/** The demo in one terminal, and somebody in another who enters the commands of the README. */
class Walk {
  private readonly left = [...commands];
  private readonly program: RunningProgram;
  private url = '';

  constructor() {
    const first = this.next(/^npm run demo -- --own$/);
    const environment = { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' };
    const options = { cwd: root, env: environment, detached: true };
    this.program = new RunningProgram(spawn('sh', ['-c', first], options));
  }

  /** Takes the next command, which must be this one. */
  next(expected: RegExp): string {
    const command = this.left.shift() ?? '';
    expect(command).toMatch(expected);
    return command;
  }

  get isDone(): boolean {
    return this.left.length === 0;
  }

  /** Resolves when the demo runs, and has said where. */
  async opened(): Promise<void> {
    await this.program.printed(/Stop with Ctrl-C/);
    [, this.url = ''] = await this.program.printed(/^ +DEMO=(\S+)$/m);
  }

  /** Enters the next command; resolves with what it prints. */
  enter(expected: RegExp): Promise<string> {
    return this.run(this.next(expected));
  }

  async run(command: string): Promise<string> {
    const environment = { ...process.env, DEMO: this.url, NODE: process.execPath, CURL_CODE };
    const shell = promisify(execFile)('sh', ['-c', `${CURL} ${command}`], { env: environment });
    return (await shell).stdout;
  }

  /** The status, once it is as wanted. */
  status(isWanted: (status: Status) => boolean): Promise<Status> {
    return this.answer(`${this.url}/status`, isWanted);
  }

  /** The status that an instance shows. */
  async statusOf(name: string): Promise<string> {
    const [, url = ''] = await this.program.printed(new RegExp(`${name} +process \\d+ +(\\S+)`));
    return url;
  }

  /** What an address answers, once it is as wanted. */
  async answer<T>(url: string, isWanted: (answer: T) => boolean): Promise<T> {
    for (;;) {
      const answer = (await (await fetch(new URL(url, this.url))).json()) as T;
      if (isWanted(answer)) return answer;
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** How much the demo has printed. */
  get printedLength(): number {
    return this.program.output.length;
  }

  /** Resolves with the first match in what the demo prints after so much. */
  async printedAfter(length: number, pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.program.output.slice(length));
      if (match !== null) return match;
      const { child, exited, isOver } = this.program;
      if (isOver) throw new Error(`the demo ended:\n${this.program.output}`);
      await Promise.race([once(child.stdout!, 'data'), exited]);
    }
  }

  /** Resolves when the lock has changed hands after so much, twice. */
  async handedOver(length: number): Promise<void> {
    const [, token = ''] = await this.printedAfter(length, /holds \(token (\d+)\)/);
    const other = new RegExp(`holds \\(token (?!${token}\\))(\\d+)\\)`);
    const [, second = ''] = await this.printedAfter(length, other);
    await this.printedAfter(length, new RegExp(`holds \\(token (?!${token}\\)|${second}\\))`));
  }

  /** Presses Ctrl-C; resolves with all that was printed when every process has ended. */
  async interrupt(): Promise<string> {
    process.kill(-this.program.child.pid!, 'SIGINT');
    await this.program.exited;
    return this.program.output;
  }

  /** Ends what is left of it. */
  end(): Promise<void> {
    return endGroup(this.program);
  }
}

const NAMES = ['#1', '#2', '#3'];

/** Whether all three are there, and have said what they make of this version. */
function isComplete({ members, service, leader, config }: Status, rollout: string): boolean {
  const isThere = Object.keys(members).length === 3 && service.length === 3;
  return isThere && leader.next.length === 2 && leader.since !== null && config.rollout === rollout;
}

describe('the walk through the demo', () => {
  let walk: Walk | null = null;

  afterEach(() => walk?.end());

  it('goes as the README says', async () => {
    walk = new Walk();
    await walk.opened();
    await seesEverything(walk);
    await killsTheHolder(walk);
    await killsTheLeader(walk);
    await killsAMember(walk);
    await publishes(walk);
    expect(walk.isDone).toBe(true);
    const output = await walk.interrupt();
    expect(output).toMatch(/two holders met +never\n/);
    expect(output).toMatch(/lost updates +none\n/);
  }, 120_000);
});

async function seesEverything(walk: Walk): Promise<void> {
  const { leader, members } = await walk.status(
    (status) => isComplete(status, '3 of 3 on version 1') && status.lock.holder !== null,
  );
  const shown = JSON.parse(await walk.enter(/^curl -s \$DEMO\/status$/)) as Status;
  expect(Object.keys(shown.members).sort()).toEqual(NAMES);
  expect(shown.leader).toEqual(leader);
  expect([leader.leader, ...leader.next].sort()).toEqual(NAMES);
  expect(Date.parse(leader.since ?? '')).toBeLessThanOrEqual(Date.now());
  const version = 'version 1';
  expect(shown.config.instances).toEqual({ '#1': version, '#2': version, '#3': version });
  const modes = Object.values(shown.ensemble).map((text) => text.split(',')[0]);
  expect(modes.sort()).toEqual(['follower', 'follower', 'leader']);

  // Each instance shows the same, and itself.
  const own = await walk.answer<Status & { lastClosing: { by: string } | null }>(
    await walk.statusOf('#2'),
    ({ lastClosing }) => lastClosing !== null,
  );
  expect(own).toMatchObject({ instance: '#2', process: members['#2'], connection: 'connected' });
  expect(own).toMatchObject({ orders: { ordersPerVisit: 3 }, leader, members });
  expect(own.lastClosing?.by).toBe(leader.leader);
}

async function killsTheHolder(walk: Walk): Promise<void> {
  const { members: before } = await walk.status(() => true);
  const length = walk.printedLength;
  await walk.enter(/^kill -9 .*\/holder\)$/);
  const [, dead = ''] = await walk.printedAfter(length, /(#\d) has ended: SIGKILL/);
  await walk.status(({ members, lock: { holder, waiting } }) => {
    const isGone = !(dead in members) && holder !== dead && !waiting.includes(dead);
    return isGone && holder !== null;
  });
  expect(await walk.enter(/\/restart$/)).toBe(`started again: ${dead}\n`);
  const { members } = await walk.status((status) => isComplete(status, '3 of 3 on version 1'));
  expect(members[dead]).not.toBe(before[dead]);
}

async function killsTheLeader(walk: Walk): Promise<void> {
  const { leader: before } = await walk.status(() => true);
  const length = walk.printedLength;
  await walk.enter(/^kill -9 .*\/leader\)$/);
  const [, dead = ''] = await walk.printedAfter(length, /(#\d) has ended: SIGKILL/);
  expect(dead).toBe(before.leader);
  const { leader } = await walk.status(
    (status) => status.leader.leader !== dead && status.leader.since !== null,
  );
  expect(before.next).toContain(leader.leader);
  expect(BigInt(leader.token)).toBeGreaterThan(BigInt(before.token));
  const closes = `${leader.leader} leads: it closes the books from now on \\(term ${leader.token}\\)`;
  await walk.printedAfter(length, new RegExp(closes));
  expect(await walk.enter(/\/restart$/)).toBe(`started again: ${dead}\n`);
  await walk.status((status) => isComplete(status, '3 of 3 on version 1'));
}

async function killsAMember(walk: Walk): Promise<void> {
  const before = await walk.status(() => true);
  const length = walk.printedLength;
  await walk.enter(/^kill -9 .*\/member\)$/);
  const [, dead = ''] = await walk.printedAfter(length, /(member \d) .* has ended: SIGKILL/);
  await walk.printedAfter(length, /member \d .* leads the ensemble/);
  await walk.handedOver(walk.printedLength);
  const { members, leader, ensemble } = await walk.status((status) =>
    isComplete(status, before.config.rollout),
  );
  expect(members).toEqual(before.members);
  expect([leader.leader, leader.token]).toEqual([before.leader.leader, before.leader.token]);
  expect(ensemble[dead]).toBe('has ended');
  expect(await walk.enter(/\/restart$/)).toBe(`started again: ${dead}\n`);
  await walk.status((status) => status.ensemble[dead]?.startsWith('follower') === true);
}

async function publishes(walk: Walk): Promise<void> {
  const rejectedByOne = `2 of 3 on version 2, 1 rejected: ${TOO_MANY}\n`;
  expect(await walk.enter(/PUT .*:8/)).toBe(rejectedByOne);
  expect(readme).toContain(`\n${rejectedByOne}`);
  const { config } = await walk.status(() => true);
  expect(config.instances).toEqual({
    '#1': 'version 2',
    '#2': 'version 2',
    '#3': `version 1, rejected: ${TOO_MANY}`,
  });
  // It holds for visits that begin from now on.
  await walk.answer<readonly { readonly token: string }[]>('/ledger', (ledger) => {
    const last = ledger.at(-1)?.token;
    return ledger.filter(({ token }) => token === last).length === 8;
  });

  expect(await walk.enter(/PUT .*:0/)).toBe(`0 of 3 on version 3, 3 rejected: ${TOO_FEW}\n`);
  await walk.handedOver(walk.printedLength);
  expect(await walk.enter(/\/rollback$/)).toBe(rejectedByOne.replace('version 2', 'version 4'));
  expect(await walk.enter(/PUT .*:4/)).toBe('3 of 3 on version 5\n');
}
