import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cLoadGenerator } from './installed.js';
import { Program } from './programs.js';
import { TestServer, removeAll } from './servers.js';
import { Shell, statField } from './shells.js';

// What the shell of ZooKeeper's C client sees of our server.

const NO_NODE = -101;
const NODE_EXISTS = -110;
const NOT_EMPTY = -111;

let server: TestServer;
let shell: Shell;

beforeAll(async () => {
  server = await TestServer.start('aviary');
  shell = await Shell.c(server.hosts);
});

afterAll(removeAll);

/** The result code that an answer shows. */
function codeIn(answer: string): number {
  return Number(/rc = (-?\d+)/.exec(answer)?.[1] ?? Number.NaN);
}

describe('the C client', () => {
  it('makes, reads, changes and deletes nodes', async () => {
    expect(await shell.ask('create /c-node')).toContain('[/c-node]: rc = 0');
    expect(codeIn(await shell.ask('create /c-node'))).toBe(NODE_EXISTS);
    expect(await shell.ask('create +s /c-node/s-')).toContain('name = /c-node/s-0000000000');
    expect(await shell.ask('create +es /c-node/es-')).toContain('name = /c-node/es-0000000001');
    expect(await shell.ask('create +c /c-node/container')).toContain('rc = 0');
    expect(await shell.ask('create +t=60000 /c-node/ttl')).toContain('rc = 0');
    const created = await shell.ask('create2 +e /c-node/e');
    expect(created).toContain('name = /c-node/e');
    await shell.ask('set /c-node value');
    const read = await shell.ask('get /c-node');
    expect(read).toContain('value_len = 5\nvalue');
    expect(statField(read, 'version')).toBe('1');
    const listed = await shell.ask('ls /c-node');
    const names = listed.split('\n').flatMap((line) => /^\t([\w-]+)$/.exec(line)?.[1] ?? []);
    expect(names.sort()).toEqual(['container', 'e', 'es-0000000001', 's-0000000000', 'ttl']);
    expect(codeIn(await shell.ask('delete /c-node'))).toBe(NOT_EMPTY);
    expect(codeIn(await shell.ask('delete /c-node/ttl'))).toBe(0);
    expect(codeIn(await shell.ask('get /c-node/ttl'))).toBe(NO_NODE);
    expect(codeIn(await shell.ask('sync /c-node'))).toBe(0);
  });

  it('reads the configuration node', async () => {
    expect(await shell.ask('config')).toContain('/zookeeper/config: rc = 0');
  });

  it('watches', async () => {
    const other = await Shell.c(server.hosts);
    await shell.ask('wexists /c-watched');
    await other.ask('create /c-watched');
    await shell.untilTold(/CREATED_EVENT state = CONNECTED_STATE for path \/c-watched\n/);
    await shell.ask('wexists /c-watched');
    await other.ask('set /c-watched x');
    await shell.untilTold(/CHANGED_EVENT state = CONNECTED_STATE for path \/c-watched\n/);
    await shell.ask('ls /c-watched');
    await other.ask('create /c-watched/child');
    await shell.untilTold(/CHILD_EVENT state = CONNECTED_STATE for path \/c-watched\n/);
    await shell.ask('wexists /c-watched/child');
    await other.ask('delete /c-watched/child');
    await shell.untilTold(/DELETED_EVENT state = CONNECTED_STATE for path \/c-watched\/child\n/);
    await other.quit();
  });

  it('has digest authentication, and is told when a scheme is unknown', async () => {
    const other = await Shell.c(server.hosts);
    await other.ask('addauth digest alice:secret');
    expect(codeIn(await other.ask('create /c-auth'))).toBe(0);
    other.program.send('addauth horse alice:secret\n');
    await other.untilTold(/AUTH_FAILED_STATE/);
    await other.kill();
  });

  it('keeps its session and its watches while the server is killed and comes back', async () => {
    await shell.ask('create +e /c-mine');
    await shell.ask('create /c-data');
    await shell.ask('wexists /c-data');
    const owner = statField(await shell.ask('get /c-mine'), 'ephemeralOwner');
    expect(owner).not.toBe('0');
    await server.kill();
    await shell.untilTold(/SESSION_EVENT state = CONNECTING_STATE/);
    await server.start();
    await shell.untilTold(/SESSION_EVENT state = CONNECTED_STATE/);
    expect(statField(await shell.ask('get /c-mine'), 'ephemeralOwner')).toBe(owner);
    await shell.ask('set /c-data x');
    await shell.untilTold(/CHANGED_EVENT state = CONNECTED_STATE for path \/c-data\n/);
  });

  it('closes its session, and its ephemeral nodes go', async () => {
    const other = await Shell.c(server.hosts);
    await other.ask('create +e /c-closing');
    await shell.ask('wexists /c-closing');
    await other.quit();
    await shell.untilTold(/DELETED_EVENT state = CONNECTED_STATE for path \/c-closing\n/);
    expect(codeIn(await shell.ask('get /c-closing'))).toBe(NO_NODE);
  });
});

describe('the load generator of the C client', () => {
  it('makes, writes, reads and deletes thousands of nodes without waiting, for ever', async () => {
    await shell.ask('create /load');
    const load = Program.start(cLoadGenerator(), [server.hosts, '/load', '3000']);
    await load.waitFor(/(delete cycle[^]*){2}/);
    await load.kill();
    expect(load.output).not.toMatch(/Failed|Invalid|ZOO_ERROR/);
    const outstanding = () => server.metric('zk_outstanding_requests');
    await server.until('the end of its requests', outstanding, (count) => count === 0);
  });
});
