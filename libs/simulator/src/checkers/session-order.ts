import type { Violation } from './violation.js';

/** What one session saw, in the order in which it saw it. */
export type SessionEntry = SessionReply | SessionEvent;

/** A reply that came. Replies that carry no zxid of the tree (pings) are left out. */
export interface SessionReply {
  readonly kind: 'reply';
  /** Place of its request among the requests of the session, over all its connections. */
  readonly request: number;
  /** From the header of the reply. */
  readonly zxid: number;
  /** The request was a write that made a transaction of its own. */
  readonly isWrite?: boolean;
  /** The state that the reply shows: which one, and the zxid that made it (mzxid, pzxid, ...). */
  readonly observed?: { readonly key: string; readonly zxid: number };
  /** The request left a one-shot watch on the state of that key. */
  readonly watch?: string;
}

/** A watch fired. */
export interface SessionEvent {
  readonly kind: 'event';
  readonly key: string;
}

interface ArmedWatch {
  /** The session has seen everything up to this zxid when it set the watch. */
  readonly zxid: number;
  /** What it must fire for; null: nothing, or the changes are not known. */
  readonly change: number | null;
}

/**
 * Checks what a session was promised: replies in the order of its requests, time that never goes
 * back, and the event of a watch before anything newer than what the watch saw.
 *
 * @param changes If given, the zxids at which each key changed, ascending and complete. Then the
 * event must also come before any reply of a later zxid, and no event may come without a change.
 */
export function checkSessionOrder(
  session: string,
  entries: readonly SessionEntry[],
  changes?: (key: string) => readonly number[],
): Violation[] {
  const check = new SessionCheck(session, changes ?? null);
  for (const entry of entries) {
    if (entry.kind === 'reply') check.reply(entry);
    else check.event(entry);
  }
  return check.violations;
}

class SessionCheck {
  readonly violations: Violation[] = [];
  private readonly session: string;
  private readonly changes: ((key: string) => readonly number[]) | null;
  private readonly observed = new Map<string, number>();
  private readonly watches = new Map<string, ArmedWatch>();
  private lastRequest = -Infinity;
  private lastZxid = -Infinity;

  constructor(session: string, changes: ((key: string) => readonly number[]) | null) {
    this.session = session;
    this.changes = changes;
  }

  reply(reply: SessionReply): void {
    this.checkOrder(reply);
    this.checkWatches(reply);
    this.checkObserved(reply);
    this.lastRequest = Math.max(this.lastRequest, reply.request);
    this.lastZxid = Math.max(this.lastZxid, reply.zxid);
    const { watch, zxid } = reply;
    // A second watch on the same state is the same watch.
    if (watch === undefined || this.watches.has(watch)) return;
    this.watches.set(watch, { zxid, change: this.firstChange(watch, zxid) });
  }

  event({ key }: SessionEvent): void {
    const watch = this.watches.get(key);
    this.watches.delete(key);
    if (watch === undefined) {
      this.report('an event needs a watch', `event of ${key} without a watch`);
    } else if (this.changes !== null && watch.change === null) {
      this.report('an event needs a change', `event of ${key}, which did not change`);
    }
  }

  private checkOrder({ request, zxid, isWrite }: SessionReply): void {
    if (request <= this.lastRequest) {
      this.report(
        'replies come in the order of requests',
        `reply to request ${request} after that to ${this.lastRequest}`,
      );
    }
    if (zxid < this.lastZxid) {
      this.report('a session never goes back', `zxid ${zxid} after ${this.lastZxid} (${request})`);
    } else if (isWrite === true && zxid === this.lastZxid) {
      this.report(
        'a write is newer than all seen before it',
        `write ${request} has zxid ${zxid}, which was seen before`,
      );
    }
  }

  private checkObserved({ request, zxid, observed }: SessionReply): void {
    if (observed === undefined) return;
    const { key, zxid: state } = observed;
    const before = this.observed.get(key) ?? -Infinity;
    if (state < before) {
      this.report(
        'a session never goes back',
        `request ${request} saw ${key} of ${state} after that of ${before}`,
      );
    }
    if (state > zxid) {
      this.report(
        'a reply shows no later state than its zxid',
        `request ${request} saw ${key} of ${state} at ${zxid}`,
      );
    }
    this.observed.set(key, Math.max(before, state));
  }

  private checkWatches(reply: SessionReply): void {
    const { observed } = reply;
    const watch = observed === undefined ? undefined : this.watches.get(observed.key);
    if (observed !== undefined && watch !== undefined && observed.zxid > watch.zxid) {
      this.late(observed.key, reply, observed.zxid);
    }
    for (const [key, { change }] of [...this.watches]) {
      if (change !== null && change <= reply.zxid) this.late(key, reply, change);
    }
  }

  private late(key: string, reply: SessionReply, change: number): void {
    this.watches.delete(key);
    this.report(
      'an event comes before newer data',
      `${key} changed at ${change}; reply ${reply.request} of zxid ${reply.zxid} came first`,
    );
  }

  private firstChange(key: string, after: number): number | null {
    return this.changes?.(key).find((zxid) => zxid > after) ?? null;
  }

  private report(rule: string, message: string): void {
    this.violations.push({ rule, message: `session ${this.session}: ${message}` });
  }
}
