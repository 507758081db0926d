import type { Acl, ZooKeeper } from '@aviary/client';
import { Presence, PresenceLeftError } from '@aviary/coordination';
import { childPath, randomUuid, type Log } from '@aviary/foundation';
import { issuesText, type ConfigVersion } from './config-errors.js';
import type { FeedReport } from './config-feed.js';

/** What one instance has to say about a configuration. */
export interface Acknowledged {
  /** Who it is, as it says itself. */
  readonly identity: string;
  /** The version whose value it has; null: none, or its default. */
  readonly taken: ConfigVersion | null;
  /** The newest version, if it rejected that. */
  readonly rejected: { readonly version: ConfigVersion; readonly reason: string } | null;
}

const REASON_LENGTH_MAX = 1_000;

/** What an {@link Acknowledgement} is made of. */
export interface AcknowledgementTerms {
  readonly zk: ZooKeeper;
  /** The directory of the acknowledgements of this configuration. */
  readonly directory: string;
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  readonly log: Log;
}

/** The node in which this instance says what it took and what it rejected. */
export class Acknowledgement {
  private readonly terms: AcknowledgementTerms;
  private presence: Presence | null = null;
  private said = '';

  constructor(terms: AcknowledgementTerms) {
    this.terms = terms;
  }

  /** Writes in the background, as soon as that is possible; the newest report counts. */
  report({ taken, rejected }: FeedReport): void {
    const { zk, directory, identity, acl, log } = this.terms;
    const data = encode({
      identity,
      taken,
      rejected: rejected && { version: rejected.version, reason: issuesText(rejected.issues) },
    });
    if (data === this.said) return;
    this.said = data;
    if (this.presence === null) {
      this.presence = new Presence({
        zk,
        path: childPath(directory, randomUuid(zk.random)),
        data,
        acl,
        log,
      });
      return;
    }
    this.presence.update(data).catch((error: unknown) => {
      // Whoever takes it back does not care any more.
      if (error instanceof PresenceLeftError) return;
      log.warn(`the acknowledgement in ${directory} cannot be written`, { error });
    });
  }

  /** Takes it back. Never rejects. */
  async close(): Promise<void> {
    await this.presence?.leave();
  }
}

function encode({ identity, taken, rejected }: Acknowledged): string {
  const text = (version: ConfigVersion) => ({ ...version, zxid: String(version.zxid) });
  return JSON.stringify({
    identity,
    taken: taken && text(taken),
    rejected: rejected && {
      version: text(rejected.version),
      reason: rejected.reason.slice(0, REASON_LENGTH_MAX),
    },
  });
}

/** Reads the node of an instance; null: it is none. */
export function parseAcknowledged(data: Buffer | null): Acknowledged | null {
  try {
    const { identity, taken, rejected } = JSON.parse(String(data)) as {
      readonly identity: unknown;
      readonly taken: unknown;
      readonly rejected: { readonly version: unknown; readonly reason: unknown } | null;
    };
    return {
      identity: String(identity),
      taken: taken === null ? null : versionOf(taken),
      rejected:
        rejected === null
          ? null
          : { version: versionOf(rejected.version), reason: String(rejected.reason) },
    };
  } catch {
    return null;
  }
}

/** @throws It is none. */
function versionOf(given: unknown): ConfigVersion {
  const { zxid, number } = given as { readonly zxid: string; readonly number: unknown };
  return { zxid: BigInt(zxid), number: typeof number === 'number' ? number : null };
}
