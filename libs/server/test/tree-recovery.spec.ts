import { describe, expect, it } from '@jest/globals';
import { JuteReader, JuteWriter, vector, type Codec } from '@aviary/jute';
import {
  DIGEST_VERSION,
  OPEN_ACL,
  OpCode,
  READ_ACL,
  acl,
  createTxn,
  deleteTxn,
  setAclTxn,
  txnDigest,
  txnHeader,
} from '@aviary/protocol';
import { NO_NODE, standardAuthSchemes, type DataTree } from '@aviary/znodes';
import { TreeRecovery, type RecoveredState } from '../src/tree-recovery.js';

const LIST = 5n;
const OTHER_LIST = 6n;
/** What the root has. */
const OPEN = -1n;

/** A path, the number of its list, and its data. */
type Node = readonly [path: string, list: bigint, data?: string];

/** A snapshot with nodes under the root and with the lists that were there when it was begun. */
function snapshotOf(nodes: readonly Node[], lists: readonly bigint[] = []): Uint8Array {
  const out = new JuteWriter();
  out.int(0); // sessions
  out.int(lists.length);
  for (const list of lists) {
    out.long(list);
    vector(acl).write(out, READ_ACL);
  }
  for (const [path, list, data] of [['', OPEN] as Node, ...nodes]) {
    out.ustring(path);
    out.buffer(data === undefined ? null : new Uint8Array(Buffer.from(data)));
    for (const value of [list, 1n, 1n, 0n, 0n]) out.long(value);
    for (const value of [0, 0, 0]) out.int(value);
    out.long(0n);
    out.long(1n);
  }
  out.ustring('/');
  return out.take();
}

/** A snapshot whose node `/a` names a list that came too late to be written. */
const FUZZY = snapshotOf([['/a', LIST]]);
const WHOLE = snapshotOf([['/a', LIST]], [LIST, OTHER_LIST]);

/** A transaction as it stands in the log, perhaps with the digest of the tree after it. */
function transaction<T>(
  zxid: bigint,
  type: number,
  codec: Codec<T>,
  record: T,
  treeDigest: bigint | null = null,
): Uint8Array {
  const out = new JuteWriter();
  txnHeader.write(out, { clientId: 1n, cxid: 1, zxid, time: 0n, type });
  codec.write(out, record);
  if (treeDigest !== null) txnDigest.write(out, { version: DIGEST_VERSION, treeDigest });
  return out.take();
}

function setAcl(zxid: bigint, treeDigest: bigint | null = null): Uint8Array {
  const record = { path: '/a', acl: OPEN_ACL, version: 1 };
  return transaction(zxid, OpCode.setACL, setAclTxn, record, treeDigest);
}

function create(zxid: bigint, path: string): Uint8Array {
  const record = { path, data: null, acl: OPEN_ACL, ephemeral: false, parentCVersion: -1 };
  return transaction(zxid, OpCode.create, createTxn, record);
}

function newRecovery(): TreeRecovery {
  return new TreeRecovery({ seed: 1, schemes: standardAuthSchemes(null) }, true, '/data');
}

/** Loads a snapshot as far as its last node. */
function begin(recovery: TreeRecovery, body: Uint8Array): void {
  const sink = recovery.beginSnapshot();
  expect([sink.consume(body, 0, body.length), sink.isDone]).toEqual([body.length, true]);
}

function loaded(body: Uint8Array): TreeRecovery {
  const recovery = newRecovery();
  begin(recovery, body);
  recovery.endSnapshot(1, { digest: null, lastZxid: null });
  return recovery;
}

/** What is recovered with these transactions of the log. */
function finished(recovery: TreeRecovery, ...transactions: readonly Uint8Array[]): RecoveredState {
  for (const bytes of transactions) recovery.apply(bytes, 0, bytes.length);
  return recovery.finish();
}

const has = (tree: DataTree, path: string) => tree.findText(path) !== NO_NODE;

describe('an access control list that a fuzzy snapshot has not', () => {
  it('is repaired by the transaction that set it', () => {
    const { tree } = finished(loaded(FUZZY), setAcl(2n));
    expect(tree.aclOf(tree.findText('/a')).acls).toEqual(OPEN_ACL);
  });

  it('is repaired by the transaction that made the node', () => {
    const { tree } = finished(loaded(FUZZY), create(2n, '/a'));
    expect(tree.aclOf(tree.findText('/a')).acls).toEqual(OPEN_ACL);
  });

  it('is not missed once the node is deleted', () => {
    const remove = transaction(2n, OpCode.delete, deleteTxn, { path: '/a' });
    expect(has(finished(loaded(FUZZY), remove).tree, '/a')).toBe(false);
  });

  it('stops the start with a sentence if no transaction does', () => {
    expect(() => finished(loaded(FUZZY))).toThrow(
      '/data: 1 nodes name access control lists that neither the snapshot nor the log behind it has; ' +
        'put back the snapshot and all logs of one backup',
    );
  });

  it('stops the start if one of its nodes is left', () => {
    const two = snapshotOf([
      ['/a', LIST],
      ['/b', LIST],
    ]);
    expect(() => finished(loaded(two), setAcl(2n))).toThrow('/data: 1 nodes name');
  });

  it('is none that was written, though the node before that named it stands there again', () => {
    const again = snapshotOf(
      [
        ['/a', LIST],
        ['/a', OTHER_LIST],
        ['/b', LIST],
      ],
      [LIST, OTHER_LIST],
    );
    const { tree } = finished(loaded(again));
    expect(tree.aclOf(tree.findText('/b')).acls).toEqual(READ_ACL);
  });

  it('is forgotten with a snapshot that proves to be damaged', () => {
    const recovery = newRecovery();
    begin(recovery, FUZZY);
    begin(recovery, snapshotOf([]));
    recovery.endSnapshot(1, { digest: null, lastZxid: null });
    expect(has(finished(recovery).tree, '/a')).toBe(false);
  });

  it('is forgotten with all snapshots when the log alone is replayed', () => {
    const recovery = newRecovery();
    begin(recovery, FUZZY);
    recovery.beginFresh();
    const { tree } = finished(recovery, create(1n, '/b'));
    expect(['/a', '/b', '/zookeeper/quota'].map((path) => has(tree, path))).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('a snapshot', () => {
  it('is the state after its transaction, without the lists that no node uses', () => {
    const { tree } = finished(loaded(WHOLE));
    expect([tree.lastZxid, tree.acls.size]).toEqual([1, 1]);
  });

  it('brings the quotas, which the log goes on counting', () => {
    const system = ['/zookeeper', '/zookeeper/quota', '/zookeeper/quota/a'];
    const stats = '/zookeeper/quota/a/zookeeper_stats';
    const nodes = [...system, '/a'].map((path): Node => [path, LIST]);
    const limits = ['/zookeeper/quota/a/zookeeper_limits', LIST, 'count=9,bytes=-1'] as const;
    const body = snapshotOf([...nodes, limits, [stats, LIST, 'count=0,bytes=0']], [LIST]);
    const { tree } = finished(loaded(body), create(2n, '/a/b'));
    tree.nodes.select(tree.findText(stats));
    const data = new JuteReader(tree.nodes.bytes, tree.nodes.valueAt).buffer();
    expect(String(Buffer.from(data ?? []))).toMatch(/^count=2,bytes=0/);
  });
});

describe('the digest that a snapshot promises', () => {
  /** It is the digest of no tree: who shows it has taken the snapshot at its word. */
  const promise = { version: DIGEST_VERSION, high: 7, low: 9 };
  const PROMISED = (7n << 32n) | 9n;

  function loadedAt(zxid: number, promisedAt: number): TreeRecovery {
    const recovery = newRecovery();
    begin(recovery, WHOLE);
    recovery.endSnapshot(zxid, { digest: { ...promise, zxid: promisedAt }, lastZxid: null });
    return recovery;
  }

  const digestOf = ({ tree }: RecoveredState) => tree.digest.toBigInt();

  it('is that of the tree as soon as the log has come so far', () => {
    expect(digestOf(finished(loadedAt(1, 1)))).toBe(PROMISED);
    expect(digestOf(finished(loadedAt(1, 2), setAcl(2n)))).toBe(PROMISED);
    expect(digestOf(finished(loadedAt(1, 3), setAcl(2n), setAcl(3n)))).toBe(PROMISED);
  });

  it('is computed anew where the log ends before, where it is past, and where there is none', () => {
    const computed = digestOf(finished(loaded(WHOLE)));
    expect(computed).not.toBe(PROMISED);
    expect(digestOf(finished(loadedAt(1, 2)))).toBe(computed);
    expect(digestOf(finished(loadedAt(2, 1)))).toBe(computed);
    expect(digestOf(finished(loadedAt(0, 0)))).toBe(computed);
  });

  it('shows whether the log behind it fits', () => {
    const wrong = setAcl(2n, 1n);
    expect(finished(loadedAt(1, 1), wrong).applier.digestMismatches).toBe(1);
    expect(finished(loaded(WHOLE), wrong).applier.digestMismatches).toBe(0);
  });
});
