import { formatZxid, zxidCounter, zxidEpoch, type Zxid } from '@aviary/foundation';
import type { EnsembleServer } from '@aviary/server';
import { Agreement, Leadership, type Violation, type World } from '@aviary/simulator';
import type { SimulatedMember } from './ensemble-member.js';

/** What was seen last of the state of a member. */
interface Seen {
  state: object | null;
  shown: Zxid;
  logged: Zxid;
}

/**
 * Looks into every member after every event: what its tree shows, what it has logged, whom it leads.
 * Nothing of that is ever told to clients, and all of it can be wrong before a client can notice.
 */
export class EnsembleWatch {
  readonly leadership = new Leadership();
  private readonly digests = new Agreement('equal trees at equal zxids', nameOfZxid);
  private readonly history = new Agreement('one history', nameOfZxid);
  private readonly seen = new Map<SimulatedMember, Seen>();

  constructor(
    world: World,
    private readonly members: readonly SimulatedMember[],
    /** Stops the run at the first breach: what follows from it says nothing new. */
    private readonly onBreach: (violation: Violation) => void,
  ) {
    world.check(() => this.look());
  }

  get violations(): readonly Violation[] {
    return [...this.leadership.violations, ...this.digests.violations, ...this.history.violations];
  }

  /** Transactions that were logged somewhere. */
  get transactions(): number {
    return this.logged;
  }

  private logged = 0;

  /** A member has begun to serve. */
  serving(member: SimulatedMember, epoch: number): void {
    const { server } = member;
    if (server === null || !member.isLeading) return;
    this.leadership.noteLeading(epoch, member.incarnation, server.state.lastLogged);
  }

  private look(): void {
    for (const member of this.members) if (member.isAlive) this.lookAt(member);
    const [violation] = this.violations;
    if (violation !== undefined) this.onBreach(violation);
  }

  private lookAt(member: SimulatedMember): void {
    const { server } = member;
    const state = server === null ? null : stateOf(server);
    if (state === null) return;
    const seen = this.seenOf(member);
    if (seen.state !== state) {
      seen.state = state;
      seen.shown = -1;
      seen.logged = -1;
    }
    const { history, lastApplied, tree } = state;
    if (tree.lastZxid !== seen.shown && tree.isDigestKnown) {
      seen.shown = tree.lastZxid;
      const { high, low } = tree.digest;
      this.digests.note(tree.lastZxid, `${high}.${low}`, member.incarnation);
    }
    const { lastZxid } = history;
    if (lastZxid !== null && lastZxid !== seen.logged) {
      this.noteHistory(member, seen.logged);
      seen.logged = lastZxid;
    }
    if ((server?.monitor?.digestMismatches ?? 0) > 0) {
      this.onBreach({
        rule: 'equal trees at equal zxids',
        message: `${member.incarnation} has applied what gave its leader another digest`,
      });
    }
    if (member.isServing) this.leadership.noteCommitted(lastApplied, member.incarnation);
  }

  private noteHistory(member: SimulatedMember, after: Zxid): void {
    const { history } = member.server!.state;
    for (let index = history.indexAfter(after); index < history.size; index++) {
      history.select(index);
      const { bytes, end, start } = history;
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString(
        'latin1',
      );
      this.history.note(history.zxidAt(index), text, member.incarnation);
      this.logged++;
    }
  }

  private seenOf(member: SimulatedMember): Seen {
    let seen = this.seen.get(member);
    if (seen === undefined) {
      seen = { state: null, shown: -1, logged: -1 };
      this.seen.set(member, seen);
    }
    return seen;
  }
}

/** What a member has in memory; null: it is not recovered. */
function stateOf(server: EnsembleServer): EnsembleServer['state'] | null {
  return server.lifecycle === 'new' || server.lifecycle === 'recovering' ? null : server.state;
}

/** A zxid for people: epoch and place. */
export function nameOfZxid(zxid: Zxid): string {
  return `${zxidEpoch(zxid)}:${zxidCounter(zxid)} (0x${formatZxid(zxid)})`;
}
