import { parentPath } from '@aviary/foundation';
import {
  AbortedError,
  BadVersionError,
  ConnectionLossError,
  CoordinationError,
  NoNodeError,
  NodeExistsError,
  RequestTooLargeError,
  SessionExpiredError,
  TransactionFailedError,
  type CallOptions,
  type SessionState,
  type Stat,
  type Watch,
} from '@aviary/client';
import { noteSession } from './kin.js';
import { removeOwnNode } from './own-node.js';
import { StandingNode, type SessionCallOptions, type StandingNodeTerms } from './standing-node.js';

/** What a presence is made of. */
export type PresenceTerms = StandingNodeTerms;

/**
 * An ephemeral node that stands for as long as the application wants, over broken connections, ended
 * sessions and deletions by others: whenever it is gone it is made again.
 *
 * That it is ours is never assumed. Only a node whose `ephemeralOwner` is the current session counts; one of
 * an earlier session of this client, which the servers are about to remove, is replaced in one transaction;
 * any other is a conflict, which is reported and waited out.
 */
export class Presence extends StandingNode {
  /** The session in which the node was asked for last; null: not yet in any. */
  private sessionId: bigint | null = null;
  /** A create of that session was not answered, so a server that lags behind may not show its node. */
  private isCreateInDoubt = false;

  protected checkTerms(): void {
    const { path, data, acl } = this.terms;
    this.zk.transaction().create(path, data, { mode: 'ephemeral', acl });
  }

  protected async remove(): Promise<void> {
    const { zk, path, sessionId, log, isCreateInDoubt } = this;
    if (sessionId === null) return;
    await removeOwnNode(zk, path, { sessionId, isDoubtful: isCreateInDoubt }, log);
  }

  protected onSuspended({ sessionId, lostAtMs }: SessionState & { kind: 'suspended' }): void {
    const { kind } = this.state;
    if (kind !== 'joined' && kind !== 'suspended') return;
    this.show({ kind: 'suspended', sessionId, lostAtMs });
  }

  protected onSessionLost(): void {
    const { kind } = this.state;
    if (kind !== 'joined' && kind !== 'suspended') return;
    this.show({ kind: 'lost', reason: 'sessionLost' });
  }

  protected async stand(sessionId: bigint, options: SessionCallOptions): Promise<void> {
    // Before the create is sent: whatever becomes of it, its node is one of ours.
    this.sessionId = sessionId;
    noteSession(this.kin, sessionId);
    for (;;) {
      const stat = await this.enter(options);
      if (stat === null) continue;
      this.isCreateInDoubt = false;
      this.joined(sessionId, sessionId, stat);
      await this.lookAfter(stat, options);
      if (this.isLeaving) return;
      await this.gone('nodeDeleted');
    }
  }

  /** One attempt to make the node. null: look again. */
  private async enter(options: SessionCallOptions): Promise<Stat | null> {
    const { zk, path, terms, data } = this;
    const { acl } = terms;
    const wanted = data.newest;
    try {
      const settings = { mode: 'ephemeral', acl, ...options } as const;
      this.isCreateInDoubt = true;
      const { stat } = await zk.create(path, wanted.data, settings);
      data.written(wanted);
      return stat;
    } catch (error) {
      if (error instanceof NoNodeError) {
        const { signal, deadlineMs } = options;
        const parents = { mode: 'container', acl, signal, deadlineMs } as const;
        await zk.ensurePath(parentPath(path) ?? '/', parents);
        return null;
      }
      if (error instanceof NodeExistsError) return this.examine(options);
      if (error instanceof ConnectionLossError) return null;
      if (error instanceof RequestTooLargeError) {
        data.refused(wanted, error);
        if (data.newest !== wanted) return null;
      }
      throw error;
    }
  }

  /** Somebody's node is there; says whose, and waits until it is not. null: look again. */
  private async examine(options: SessionCallOptions): Promise<Stat | null> {
    const { zk, path } = this;
    try {
      for (;;) {
        const { stat, watch } = await zk.existsAndWatch(path, options);
        if (stat !== null && !this.kin.sessions.includes(stat.ephemeralOwner)) {
          this.conflict(stat);
          await watch.fired;
          continue;
        }
        watch.cancel();
        this.joining();
        if (stat === null) return null;
        if (stat.ephemeralOwner !== options.inSession) return await this.replace(stat, options);
        // Its create was answered with a broken connection, so who knows which data it has.
        this.data.doubt();
        return stat;
      }
    } catch (error) {
      if (error instanceof ConnectionLossError) return null;
      throw error;
    }
  }

  /** The node of an earlier session of ours gives way to a new one, and nobody sees neither. */
  private async replace(old: Stat, options: CallOptions): Promise<null> {
    const { zk, path, terms } = this;
    const { acl } = terms;
    try {
      await zk
        .transaction()
        .delete(path, { version: old.version })
        .create(path, this.data.newest.data, { mode: 'ephemeral', acl })
        .commit(options);
    } catch (error) {
      // The servers were faster, or the answer is lost: the next look tells.
      if (!(error instanceof TransactionFailedError || error instanceof ConnectionLossError)) {
        throw error;
      }
      const { cause } = error;
      const isGone = cause instanceof NoNodeError || cause instanceof BadVersionError;
      if (error instanceof TransactionFailedError && !isGone) throw cause;
    }
    return null;
  }

  /** Writes what is to be written, and returns when the node is not ours any more. */
  private async lookAfter(made: Stat, options: SessionCallOptions): Promise<void> {
    const { zk, path, data } = this;
    /** As it was seen last, with nothing missed since; null: another may stand there. */
    let seen: Stat | null = made;
    let watch: Watch | null = null;
    try {
      for (;;) {
        const woken = this.whenWoken();
        try {
          if (seen !== null) await this.write(seen, options);
          watch?.cancel();
          const look = await zk.existsAndWatch(path, options);
          ({ watch, stat: seen } = look);
          if (seen?.ephemeralOwner !== options.inSession) return;
          this.joined(options.inSession, options.inSession, seen);
          if (!data.isWritten) continue;
          const news = await Promise.race([watch.fired, woken]);
          // Its signal cancels the watch, too.
          if (this.isLeaving) return;
          if (news !== 'data') seen = null;
        } catch (error) {
          if (error instanceof NoNodeError) return;
          const isPassing =
            error instanceof ConnectionLossError || error instanceof BadVersionError;
          if (!isPassing) throw error;
          seen = null;
        }
      }
    } finally {
      watch?.cancel();
    }
  }

  /** Writes to the node in the state in which it was seen, since another's has the same path. */
  private async write(seen: Stat, options: SessionCallOptions): Promise<void> {
    const { zk, path, data } = this;
    let { version } = seen;
    while (!data.isWritten) {
      const wanted = data.newest;
      try {
        const stat = await zk.set(path, wanted.data, { version, ...options });
        // One that was made anew begins with the same versions.
        if (stat.ephemeralOwner !== options.inSession) return;
        data.written(wanted);
        ({ version } = stat);
      } catch (error) {
        const isTransient =
          error instanceof ConnectionLossError ||
          error instanceof SessionExpiredError ||
          error instanceof NoNodeError ||
          error instanceof BadVersionError ||
          error instanceof AbortedError;
        if (isTransient || !(error instanceof CoordinationError)) throw error;
        data.refused(wanted, error);
      }
    }
  }
}
