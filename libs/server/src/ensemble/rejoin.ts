import { zxidCounter, type Timer, type Zxid } from '@aviary/foundation';
import { StorageError, isRepairable, type DataDirectory, type EpochFiles } from '@aviary/storage';
import type { QuorumVerifier, ServerId } from '@aviary/zab';
import type { ServerPorts } from '../server-ports.js';
import type { MissingHistory } from './committed-history.js';
import type { MemberState } from './member-state.js';
import type { MemberStorage } from './member-storage.js';

/** How long a member waits for what it has lost until it says what to do; then it says so again. */
const REMINDER_MS = 60_000;

/**
 * What a member does that has lost what it may have acknowledged: because its log or a snapshot is
 * damaged, because one of them is gone, or because the disk cannot read it.
 *
 * What such a member had may be missing everywhere else but at fewer than a quorum. A leader that were
 * elected with its help might lack it, and it would be lost. So the member puts its data aside and
 * makes a mark that outlives restarts; as long as the mark stands it
 * - votes for nobody and never leads (it looks for a leader with `ZXID_UNKNOWN`);
 * - learns as an observer, so that nothing that it acknowledges counts for anything;
 * - answers a new leader that it does not know what it has, which counts neither for the epoch, nor
 *   against a leader that lacks something;
 * - takes a snapshot and nothing else, and serves no client.
 *
 * Which leaders may bring it back? Every one that has begun an epoch. A quorum has agreed to that epoch
 * and said what it has, and shares a server with every quorum that committed something before. This
 * member was counted there only before its loss, when it knew what it had; hence the leader has what
 * was committed in all epochs before its own. What this member promised to earlier
 * leaders still holds: the epoch that it agreed to is not put aside, and where nobody can tell which one
 * that was, nothing is repaired.
 *
 * In the epoch of the leader itself the member may have acknowledged proposals before its loss, to the
 * same leader. They may count to this day, and the leader's own log need not have them yet. But all of
 * them were proposed before the member came back, so that they are in its log once that has come to
 * where the leader's proposals were then: {@link RegainedHistory}. Then the mark goes, and the member
 * looks for a leader as one that was away for a while.
 */
export class Rejoin {
  private isMarked = false;
  private reminder: Timer | null = null;

  constructor(
    private readonly self: ServerId,
    private readonly verifiers: readonly QuorumVerifier[],
    private readonly directory: DataDirectory,
    private readonly storage: MemberStorage,
    private readonly ports: ServerPorts,
  ) {}

  /** Whether this member must take no part in elections. */
  get isDue(): boolean {
    return this.isMarked;
  }

  /**
   * Recovers what is on the disk. Data that the other members can replace are put aside if they are
   * damaged; then this member begins with nothing, and {@link isDue}.
   *
   * @throws {StorageError} The data cannot be trusted, and this is not for the others to repair; nothing
   * was changed.
   */
  async recover(): Promise<{ state: MemberState; epochs: EpochFiles }> {
    try {
      return await this.read();
    } catch (error) {
      await this.refuseUnlessRepairable(error);
      await this.putAside(error as Error);
    }
    return this.read();
  }

  /**
   * Puts aside a history that most of the others do not have any more, and begins with nothing. Not
   * where this member is needed for a quorum: see {@link mayGiveWay}.
   */
  async giveWay(missing: MissingHistory): Promise<{ state: MemberState; epochs: EpochFiles }> {
    await this.storage.close();
    const directories = await this.directory.setAside();
    const { log } = this.ports;
    const line =
      `${missing.sentence(this.self)} They go on without what only this server has, which is kept in ` +
      `${directories.join(' and ')}: to bring it back, stop all members, put that in the place of ` +
      'the directory version-2 of each, but for the file "member" in it, and start them; what was ' +
      'written since is lost then.';
    log.error(line);
    return this.read();
  }

  /** Whether the others can do without this member, until it has what they have. */
  get mayGiveWay(): boolean {
    return this.verifiers.every((verifier) => this.isQuorumOfOthers(verifier));
  }

  /** The history of a leader is on the disk again, and all that may have been acknowledged with it. */
  async end(): Promise<void> {
    this.close();
    await this.directory.endRejoin();
    this.isMarked = false;
    this.ports.log.info(
      `Server ${this.self} has again what the others have, and takes part in elections from now on.`,
    );
  }

  /** Says nothing more. */
  close(): void {
    this.reminder?.cancel();
    this.reminder = null;
  }

  private async read(): Promise<{ state: MemberState; epochs: EpochFiles }> {
    const state = await this.storage.load();
    const epochs = await this.directory.openEpochs(state.lastLogged, this.ports.log);
    this.isMarked = await this.directory.isRejoining();
    if (this.isMarked) {
      this.ports.log.warn(
        `Server ${this.self} may know less than it has acknowledged: it takes no part in elections, ` +
          'and serves nobody, until it has the history of a leader that the others have elected.',
      );
      this.remindLater();
    }
    return { state, epochs };
  }

  private async refuseUnlessRepairable(error: unknown): Promise<void> {
    if (!isRepairable(error)) throw error;
    // Who cannot do without this member cannot elect the leader that would repair it.
    if (!this.mayGiveWay) throw error;
    if ((await this.directory.acceptedEpoch()) !== null) return;
    const { snapshotDirectory } = this.directory;
    throw new StorageError(
      snapshotDirectory,
      null,
      'this server would learn everything from the others, but there is no acceptedEpoch that says ' +
        'which of their leaders it may follow; write the greatest epoch of all members of the ensemble ' +
        `into that file (its own data are damaged: ${(error as Error).message})`,
      { cause: error, problem: 'promise' },
    );
  }

  private isQuorumOfOthers(verifier: QuorumVerifier): boolean {
    return verifier.isQuorum(new Set(verifier.voters.filter((id) => id !== this.self)));
  }

  private async putAside({ message }: Error): Promise<void> {
    const { log } = this.ports;
    log.warn(
      `Server ${this.self} repairs itself from the others, for its data are damaged: ${message}.`,
    );
    const directories = await this.directory.setAside();
    log.warn(`What server ${this.self} had is kept in ${directories.join(' and ')}.`);
  }

  private remindLater(): void {
    this.reminder?.cancel();
    this.reminder = this.ports.clock.setTimer(REMINDER_MS, () => {
      this.ports.log.warn(
        `Server ${this.self} still waits for a leader that the others elect without it: a quorum of ` +
          'members with sound data has to run. Should there be none any more, stop all members, put ' +
          'the directory version-2 of the sound one that has most (each says so when it starts), but ' +
          'for the file "member" in it, in the place of those of the others, and start them: what ' +
          'only the others had is lost then.',
      );
      this.remindLater();
    });
  }
}

/** Says when a member has everything again that it may once have acknowledged: see {@link Rejoin}. */
export class RegainedHistory {
  private through: Zxid | null = null;

  /** The leader has pinged, and names its last proposal. The first ping counts, later ones do not. */
  notePing(lastProposed: Zxid): void {
    this.through ??= lastProposed;
  }

  /** Whether a log that holds everything that is committed up to `logged` is enough. */
  isWhole(logged: Zxid): boolean {
    const { through } = this;
    // The beginning of an epoch is no transaction: what was before is there since NEWLEADER.
    return through !== null && (zxidCounter(through) === 0 || logged >= through);
  }
}
