import { describe, expect, it } from '@jest/globals';
import { JuteWriter, vector } from '@aviary/jute';
import { OPEN_ACL, OpCode, acl } from '@aviary/protocol';
import { standardAuthSchemes } from '@aviary/znodes';
import { TreeRecovery } from '../src/tree-recovery.js';

const LIST = 5n;

/** A snapshot whose node `/a` names a list that came too late to be written. */
function snapshotBody(): Uint8Array {
  const out = new JuteWriter();
  out.int(0); // sessions
  out.int(0); // lists
  for (const path of ['', '/a']) {
    out.ustring(path);
    out.buffer(null);
    for (const value of [path === '' ? -1n : LIST, 1n, 1n, 0n, 0n]) out.long(value);
    for (const value of [0, 0, 0]) out.int(value);
    out.long(0n);
    out.long(1n);
  }
  out.ustring('/');
  return out.take();
}

function setAcl(zxid: bigint): Uint8Array {
  const out = new JuteWriter();
  out.long(1n); // session
  out.int(1);
  out.long(zxid);
  out.long(0n); // time
  out.int(OpCode.setACL);
  out.ustring('/a');
  vector(acl).write(out, OPEN_ACL);
  out.int(1);
  return out.take();
}

function loaded(): TreeRecovery {
  const recovery = new TreeRecovery({ seed: 1, schemes: standardAuthSchemes(null) }, true, '/data');
  const body = snapshotBody();
  const sink = recovery.beginSnapshot();
  expect([sink.consume(body, 0, body.length), sink.isDone]).toEqual([body.length, true]);
  recovery.endSnapshot(1, { digest: null, lastZxid: null });
  return recovery;
}

describe('an access control list that a fuzzy snapshot has not', () => {
  it('is repaired by the transaction that set it', () => {
    const recovery = loaded();
    const bytes = setAcl(2n);
    recovery.apply(bytes, 0, bytes.length);
    const { tree } = recovery.finish();
    expect(tree.aclOf(tree.findText('/a')).acls).toEqual(OPEN_ACL);
  });

  it('stops the start with a sentence if no transaction does', () => {
    expect(() => loaded().finish()).toThrow(
      '/data: 1 nodes name access control lists that neither the snapshot nor the log behind it has; ' +
        'put back the snapshot and all logs of one backup',
    );
  });
});
