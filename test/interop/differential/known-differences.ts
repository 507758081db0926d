/** A difference that is meant to be: what our server does, and what ZooKeeper 3.8.0 does instead. */
export interface KnownDifference {
  readonly what: string;
  readonly why: string;
  /** Whether it accounts for two lines that say something else of the same request. */
  readonly pairs: (ours: string, theirs: string) => boolean;
}

function withoutLength(line: string): string {
  return line.replace(/ length=\d+/, '');
}

/** All differences that these tests meet and accept. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: 'exists on a node that the caller may not read is refused',
    why: 'ZooKeeper 3.8.0 tells everybody the Stat of every node; later versions ask for READ first.',
    pairs: (ours, theirs) => / exists .* noAuth/.test(ours) && / exists .* ok/.test(theirs),
  },
  {
    what: 'an error of a multiRead has nothing behind it',
    why: 'ZooKeeper adds the end of an empty list, at which no client looks.',
    pairs: (ours, theirs) => / multiRead .* marshalling/.test(ours) && theirs.startsWith(ours),
  },
  {
    what: 'the Stat of a new quota statistics node tells its length after the server has filled it',
    why: 'ZooKeeper takes the Stat of the reply before it writes the true count into the node.',
    pairs: (ours, theirs) =>
      ours.includes('zookeeper_stats"} stat') && withoutLength(ours) === withoutLength(theirs),
  },
  {
    what: 'checkWatches finds only watches of the connection that asks',
    why: 'ZooKeeper 3.8 is content with a watch of any connection on that path (ZOOKEEPER-4471).',
    pairs: (ours, theirs) =>
      / checkWatches .* noWatcher/.test(ours) && / checkWatches .* ok/.test(theirs),
  },
];

/**
 * What is normalised before anything is compared, and what is never sent, because from there on the
 * servers would be in different states.
 */
export const NEVER_COMPARED: readonly { readonly what: string; readonly why: string }[] = [
  {
    what: 'times, session ids, passwords',
    why: 'They differ from run to run; that a time belongs to its transaction is still checked.',
  },
  { what: 'the zxid in the header of events', why: 'ZooKeeper 3.8 says -1; 3.9 and we say which.' },
  {
    what: 'the order of children, of ephemerals, of identities, and of events at the end of a session',
    why: 'It is nowhere promised.',
  },
  {
    what: 'check outside a multi (13)',
    why: '3.8.0 takes it; 3.8.6, 3.9.3 and we refuse it and close.',
  },
  {
    what: 'deleteContainer (20) and createSession (-10) from clients',
    why: 'ZooKeeper lets any client delete what it may not, and make sessions; we refuse and close.',
  },
  {
    what: 'several kinds of watches of one connection on one path, and removing only one kind',
    why: 'Before 3.9 a path has one kind of watch per connection (ZOOKEEPER-4466).',
  },
  {
    what: 'catch-up events, by setWatches, of nodes that the caller may not read',
    why: 'ZooKeeper sends them; we do not.',
  },
  { what: 'hard quotas inside a multi', why: 'ZooKeeper forgets the parts before; we count them.' },
  { what: 'IPv6 addresses in ACLs', why: 'Only since 3.9.5.' },
  { what: 'the 2^31st sequence number', why: 'ZooKeeper jams; we count on.' },
  {
    what: 'a wrong password for a session whose connection is open',
    why: 'ZooKeeper cuts the owner off before it looks at the password; we look first.',
  },
  {
    what: 'createTTL with flags of a mode without time to live, and a negative one',
    why: 'ZooKeeper logs a transaction that it cannot apply, and ends.',
  },
  {
    what: 'createContainer with the flags of an ephemeral',
    why: 'ZooKeeper logs a digest that its own tree does not have.',
  },
  {
    what: 'a create in a multi whose flags belong to another of create, createContainer, createTTL',
    why: 'ZooKeeper goes by the flags there, and cannot read its own record if they mean a TTL.',
  },
  {
    what: 'addWatch without a path',
    why: 'ZooKeeper takes it, and can then never close the connection.',
  },
  {
    what: 'quota limits that are none, or that have children; quota statistics written by a client',
    why:
      'Below the first ZooKeeper answers every write with -5, the second it does not know again ' +
      'after a start, and the third it goes on from; we count anew.',
  },
  {
    what: 'sync with a path with characters beyond U+FFFF',
    why: 'ZooKeeper echoes it in a form of its own that is not UTF-8.',
  },
  {
    what: 'limits of a quota that come or go alone, without their statistics',
    why:
      'The statistics stand still meanwhile. We count anew when limits come; ZooKeeper when it ' +
      'starts, from the snapshot that it finds.',
  },
  {
    what: 'a value that shrinks while a hard limit is passed',
    why: 'ZooKeeper refuses every change that leaves it passed, we only what makes it worse.',
  },
  {
    what: 'whether ZooKeeper finds the digests wrong that it wrote itself',
    why:
      'It foretells the digest of a transaction while it applies others, and now and then is wrong ' +
      'by one of them. Ours must be right, in our eyes and in those of ZooKeeper on our log.',
  },
  {
    what: 'the empty path',
    why: 'In ZooKeeper it is a second name of the root, which no client ever sends; here it is none.',
  },
];

/** How often each known difference was met. */
export const timesMet = new Map<KnownDifference, number>();

function meet(known: KnownDifference): void {
  timesMet.set(known, (timesMet.get(known) ?? 0) + 1);
}

/** Whether known differences account for all that differs between the lines of a step. */
export function areKnownDifferences(ours: readonly string[], theirs: readonly string[]): boolean {
  if (ours.length !== theirs.length) return false;
  return ours.every((line, at) => {
    const reference = theirs[at] ?? '';
    if (line === reference) return true;
    const known = KNOWN_DIFFERENCES.find(({ pairs }) => pairs(line, reference));
    if (known !== undefined) meet(known);
    return known !== undefined;
  });
}
