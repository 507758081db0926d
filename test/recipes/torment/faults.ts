import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '@aviary/simulator';
import type { Member } from '../../e2e/configured-ensemble.js';
import type { Cluster } from '../cluster.js';
import type { Crew } from './crew.js';

/** Between two faults, so that some are met by what goes well again. */
const CALM_MS = 1_000;

/** What the faults are done with. */
export interface FaultTerms {
  readonly cluster: Cluster;
  readonly crew: Crew;
  readonly random: SeededRandom;
  readonly sessionTimeoutMs: number;
  /** Told what was done, for people. */
  readonly note: (text: string) => void;
}

type Fault = () => Promise<void>;

/** What is done to workers: one after the other, in an order that the seed draws. */
export async function tormentWorkers(terms: FaultTerms): Promise<void> {
  const { crew, random, sessionTimeoutMs } = terms;
  const pauseFor = async (ms: number): Promise<void> => {
    const name = oneOf(random, crew.names);
    await crew.stopHolding(name);
    terms.note(`${name}, who holds the mutex, stops for ${ms} ms`);
    await sleep(ms);
    crew.resume(name);
  };
  const kill = async (): Promise<void> => {
    const name = oneOf(random, crew.names);
    terms.note(`${name} is killed`);
    await crew.kill(name);
    await sleep(random.between(0, sessionTimeoutMs / 2));
    crew.start(name);
  };
  await inTurn(terms, [
    () => pauseFor(sessionTimeoutMs + random.between(1_000, 2_000)),
    () => pauseFor(random.between(500, sessionTimeoutMs - 500)),
    kill,
    kill,
  ]);
}

/** What is done to members, while a quorum of them is left. */
export async function tormentMembers(terms: FaultTerms): Promise<void> {
  const { cluster, note, random, sessionTimeoutMs } = terms;
  const { members } = cluster;
  const leader = (): Promise<Member> => members.settled();
  const follower = async (): Promise<Member> => {
    const first = await leader();
    return oneOf(
      random,
      members.members.filter((member) => member !== first),
    );
  };
  const kill = async (victim: Member, what: string): Promise<void> => {
    note(`${what} ${victim.id} is killed`);
    const { restore } = await cluster.kill(victim);
    await sleep(random.between(0, 1_500));
    await restore();
  };
  const cut = async (...[victim, from, ways]: Parameters<Cluster['cutOff']>): Promise<void> => {
    const ms = random.between((sessionTimeoutMs * 2) / 3, sessionTimeoutMs + 1_000);
    note(`member ${victim.id} is cut off from ${from}, ${ways}, for ${ms} ms`);
    cluster.cutOff(victim, from, ways);
    const others = members.members.filter((member) => member !== victim);
    // Also without a leader that was cut off they find one.
    const found = from === 'clients' ? null : members.settled(others);
    await Promise.all([found, sleep(ms)]);
    cluster.heal();
    await leader();
  };
  const stop = async (): Promise<void> => {
    const victim = await leader();
    note(`leader ${victim.id} stops`);
    members.signal(victim, 'SIGSTOP');
    await sleep(sessionTimeoutMs + random.between(500, 1_000));
    members.signal(victim, 'SIGCONT');
    await leader();
  };
  await inTurn(terms, [
    async () => kill(await leader(), 'leader'),
    async () => kill(await follower(), 'follower'),
    stop,
    async () => cut(await leader(), 'peers', 'both'),
    async () => cut(oneOf(random, members.members), 'clients', 'both'),
    async () => cut(await follower(), 'peers', oneOf(random, ['in', 'out'])),
  ]);
}

/** All of them, in an order that the seed draws. */
async function inTurn({ random }: FaultTerms, faults: readonly Fault[]): Promise<void> {
  const left = [...faults];
  while (left.length > 0) {
    const [fault] = left.splice(random.below(left.length), 1);
    await fault!();
    await sleep(random.between(CALM_MS / 2, CALM_MS));
  }
}

function oneOf<T>(random: SeededRandom, all: readonly T[]): T {
  return all[random.below(all.length)]!;
}
