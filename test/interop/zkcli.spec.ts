import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestServer, removeAll } from './servers.js';
import { Shell, statField } from './shells.js';

// What a person at ZooKeeper's own shell sees of our server.

let server: TestServer;
let shell: Shell;

beforeAll(async () => {
  server = await TestServer.start('aviary');
  shell = await Shell.zkCli(server.hosts);
});

afterAll(removeAll);

describe('zkCli.sh makes nodes', () => {
  it('of every mode', async () => {
    expect(await shell.ask('create /modes top')).toBe('Created /modes');
    expect(await shell.ask('create -e /modes/e x')).toBe('Created /modes/e');
    expect(await shell.ask('create -s /modes/s- x')).toBe('Created /modes/s-0000000001');
    expect(await shell.ask('create -e -s /modes/es- x')).toBe('Created /modes/es-0000000002');
    expect(await shell.ask('create -c /modes/c')).toBe('Created /modes/c');
    expect(await shell.ask('create -t 60000 /modes/t')).toBe('Created /modes/t');
    expect(await shell.ask('create -t 60000 -s /modes/ts-')).toBe('Created /modes/ts-0000000005');
    expect(await shell.ask('ls /modes')).toBe(
      '[c, e, es-0000000002, s-0000000001, t, ts-0000000005]',
    );
    expect(await shell.ask('getEphemerals /modes')).toBe('[/modes/e, /modes/es-0000000002]');
    expect(await shell.ask('getAllChildrenNumber /modes')).toBe('6');
    expect((await shell.ask('ls -R /modes')).split('\n')).toHaveLength(7);
  });

  it('and is told why not', async () => {
    await shell.ask('create /there');
    await shell.ask('create -e /there/ephemeral');
    expect(await shell.ask('create /there')).toBe('Node already exists: /there');
    expect(await shell.ask('create /not/there')).toBe('Node does not exist: /not/there');
    expect(await shell.ask('create /there/ephemeral/child')).toBe(
      'Ephemerals cannot have children: /there/ephemeral/child',
    );
    expect(await shell.ask('delete /there')).toBe('Node not empty: /there');
    expect(await shell.ask('delete /nobody')).toBe('Node does not exist: /nobody');
  });

  it('with data and a Stat that tells its history', async () => {
    await shell.ask('create /history first');
    expect(await shell.ask('get /history')).toBe('first');
    const before = await shell.ask('get -s /history');
    expect(statField(before, 'dataVersion')).toBe('0');
    expect(statField(before, 'dataLength')).toBe('5');
    expect(statField(before, 'mZxid')).toBe(statField(before, 'cZxid'));
    expect(await shell.ask('set /history second')).toBe('');
    expect(await shell.ask('set -v 7 /history third')).toBe('version No is not valid : /history');
    const after = await shell.ask('set -s -v 1 /history third');
    expect(statField(after, 'dataVersion')).toBe('2');
    expect(statField(after, 'cZxid')).toBe(statField(before, 'cZxid'));
    await shell.ask('create /history/child');
    expect(statField(await shell.ask('stat /history'), 'numChildren')).toBe('1');
    expect(await shell.ask('delete -v 1 /history/child')).toContain('version No is not valid');
    expect(await shell.ask('deleteall /history')).toBe('');
    expect(await shell.ask('get /history')).toBe('Node does not exist: /history');
  });
});

describe('zkCli.sh and permissions', () => {
  it('keep out who does not know the password', async () => {
    const stranger = await Shell.zkCli(server.hosts);
    await shell.ask('addauth digest alice:secret');
    await shell.ask('create /hers hidden auth::cdrwa');
    const acl = await shell.ask('getAcl /hers');
    expect(acl).toBe("'digest,'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=\n: cdrwa");
    const refusal = 'Insufficient permission : /hers';
    expect(await stranger.ask('get /hers')).toBe(refusal);
    expect(await stranger.ask('set /hers x')).toBe(refusal);
    expect(await stranger.ask('create /hers/x')).toBe('Insufficient permission : /hers/x');
    expect(await stranger.ask('setAcl /hers world:anyone:cdrwa')).toBe(refusal);
    expect(await shell.ask('get /hers')).toBe('hidden');
    expect(await shell.ask('setAcl -v 0 /hers world:anyone:r,digest:bob:x=:w')).toBe('');
    expect(statField(await shell.ask('stat /hers'), 'aclVersion')).toBe('1');
    expect(await stranger.ask('get /hers')).toBe('hidden');
    expect(await shell.ask('set /hers x')).toBe(refusal);
    expect(await shell.ask('setAcl /hers horse:alice:r')).toBe('Acl is not valid : /hers');
    expect((await shell.ask('whoami')).split('\n')).toEqual(
      expect.arrayContaining(['ip: 127.0.0.1', 'digest: alice']),
    );
    await stranger.quit();
  });

  it('and quotas count what is there', async () => {
    await shell.ask('create /counted 12345');
    await shell.ask('setquota -n 3 /counted');
    await shell.ask('create /counted/child 123');
    const quota = await shell.ask('listquota /counted');
    expect(quota).toContain('Output quota for /counted count=3,bytes=-1');
    expect(quota).toContain('Output stat for /counted count=2,bytes=8');
    await shell.ask('delquota /counted');
  });
});

describe('zkCli.sh watches', () => {
  it('and is told once what happens to a node', async () => {
    const watcher = await Shell.zkCli(server.hosts);
    await watcher.ask('stat -w /watched');
    await shell.ask('create /watched a');
    await watcher.untilTold(/type:NodeCreated path:\/watched\n/);
    expect(await watcher.ask('get -w /watched')).toBe('a');
    expect(await watcher.ask('ls -w /watched')).toBe('[]');
    await shell.ask('set /watched b');
    await watcher.untilTold(/type:NodeDataChanged path:\/watched\n/);
    await shell.ask('set /watched c');
    await shell.ask('create /watched/child');
    await watcher.untilTold(/type:NodeChildrenChanged path:\/watched\n/);
    await watcher.ask('get -w /watched');
    await shell.ask('deleteall /watched');
    await watcher.untilTold(/type:NodeDeleted path:\/watched\n/);
    await watcher.ask('sync /');
    expect(watcher.program.output.match(/type:NodeDataChanged/g)).toHaveLength(1);
    expect(watcher.program.output.match(/type:NodeDeleted/g)).toHaveLength(1);
    await watcher.quit();
  });

  it('a whole tree, until it removes the watch', async () => {
    const watcher = await Shell.zkCli(server.hosts);
    await shell.ask('create /tree');
    await watcher.ask('addWatch -m PERSISTENT_RECURSIVE /tree');
    await shell.ask('create /tree/a');
    await shell.ask('create /tree/a/b');
    await shell.ask('set /tree/a/b x');
    await shell.ask('delete /tree/a/b');
    await watcher.untilTold(/type:NodeDeleted path:\/tree\/a\/b\n/);
    const told = watcher.program.output.match(/type:Node\w+ path:\S+/g);
    expect(told).toEqual([
      'type:NodeCreated path:/tree/a',
      'type:NodeCreated path:/tree/a/b',
      'type:NodeDataChanged path:/tree/a/b',
      'type:NodeDeleted path:/tree/a/b',
    ]);
    await watcher.ask('removewatches /tree');
    await watcher.untilTold(/type:PersistentWatchRemoved path:\/tree\n/);
    await shell.ask('delete /tree/a');
    expect(await watcher.ask('sync /')).toBe('Sync is OK');
    expect(watcher.program.output).not.toContain('type:NodeDeleted path:/tree/a\n');
    await watcher.quit();
  });
});

describe('a session of zkCli.sh', () => {
  it('takes its ephemeral nodes along when it is closed', async () => {
    const other = await Shell.zkCli(server.hosts);
    await other.ask('create -e /closing');
    await shell.ask('stat -w /closing');
    await other.quit();
    await shell.untilTold(/type:NodeDeleted path:\/closing\n/);
  });

  it('takes them along when nobody hears of it any more, and not before', async () => {
    const other = await Shell.zkCli(server.hosts, 3_000);
    await other.ask('create -e /expiring');
    expect(statField(await shell.ask('stat -w /expiring'), 'ephemeralOwner')).not.toBe('0x0');
    const killedAt = performance.now();
    await other.kill();
    await shell.untilTold(/type:NodeDeleted path:\/expiring\n/);
    // It was last heard of at most a third of its timeout before.
    expect(performance.now() - killedAt).toBeGreaterThan(1_500);
  });

  it('goes on, with its nodes and watches, when the server is killed and comes back', async () => {
    await shell.ask('create -e /surviving mine');
    await shell.ask('create /persisting data');
    const owner = statField(await shell.ask('stat /surviving'), 'ephemeralOwner');
    await shell.ask('get -w /persisting');
    await server.kill();
    await shell.untilTold(/state:Disconnected/);
    await server.start();
    await shell.untilTold(/state:SyncConnected/);
    expect(statField(await shell.ask('stat /surviving'), 'ephemeralOwner')).toBe(owner);
    expect(await shell.ask('get /persisting')).toBe('data');
    await shell.ask('set /persisting more');
    await shell.untilTold(/type:NodeDataChanged path:\/persisting\n/);
  });
});
