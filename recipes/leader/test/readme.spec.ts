import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import * as leader from '../src/index.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...nest, ...leader };

const apps: INestApplicationContext[] = [];
const member = readmeMember();

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** What the examples use and do not import. */
interface Surroundings {
  readonly console: { log(...words: unknown[]): void };
  readonly fetch: (url: string, options: { readonly signal: AbortSignal }) => Promise<void>;
  readonly save: (what: string, options: { readonly fence: bigint }) => Promise<void>;
}

/** Runs an example against the member of this test; resolves with its application. */
async function run(example: string, around: Surroundings): Promise<INestApplicationContext> {
  const app = await member.run<INestApplicationContext>(example, 'return app;', {
    ...packages,
    ...around,
  });
  apps.push(app);
  return app;
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# leader: .*\.$/);
  });

  it('runs methods and jobs on the leader', async () => {
    const printed: unknown[][] = [];
    const saved: unknown[] = [];
    const app = await run(examples[0]!, {
      console: { log: (...words) => printed.push(words) },
      fetch: async (_url, { signal }) => {
        expect(signal.aborted).toBe(false);
        await Promise.resolve();
      },
      save: async (what, { fence }) => {
        saved.push(what, await Promise.resolve(fence));
      },
    });
    const role = app.get(leader.Leaders).role('reports');
    expect(saved).toEqual(['report', role.term!.token]);
    expect(printed).toEqual([['leads as', 'reports-1']]);
    const jobs = app.get(leader.LeaderCronJobs);
    expect(jobs.all.map(({ name }) => name)).toEqual(['nightly']);
    expect(await jobs.get('nightly')!.fireNow()).toMatchObject({
      outcome: 'done',
      by: 'reports-1',
    });
    expect(saved).toHaveLength(4);
    await app.close();
    apps.length = 0;
    expect(printed[1]).toEqual(['leads no more:', 'shutdown']);
    await using zk = new ZooKeeper({ servers: member.servers });
    expect(await zk.exists('/leader-cron/nightly')).not.toBeNull();
    expect(String((await zk.get('/sent')).data)).toBe('by the leader');
    const after = new leader.Leaders(zk).role('reports');
    const status = await firstValueFrom(after.status$);
    expect(status.leader).toBeNull();
  });

  it('leads by hand', async () => {
    const printed: unknown[][] = [];
    const nothing = () => Promise.resolve();
    const console = { log: (...words: unknown[]) => printed.push(words) };
    await run(examples[1]!, { console, fetch: nothing, save: nothing });
    expect(printed[0]).toEqual(['nobody', 0]);
    expect(printed).toContainEqual(['feed-1', 0]);
    await using zk = new ZooKeeper({ servers: member.servers });
    expect(String((await zk.get('/position')).data)).toBe('by the leader');
  });

  it('names every export, every way and every reason', () => {
    const reasons = ['sessionLost', 'uncertain', 'nodeDeleted', 'revoked', 'suspended', 'resigned'];
    const ways = ['run-once', 'run-all', 'run-again', 'hold-until-deadline', 'exit-process'];
    const names = [...Object.keys(leader), ...reasons, ...ways];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
