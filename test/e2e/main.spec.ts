import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ZooKeeper } from '@aviary/client';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { freePorts } from '../free-port.js';
import type { RunningProgram } from './member-process.js';
import { runMain, temporaryDirectory } from './member-process.js';

const ENSEMBLE = 'initLimit=5\nsyncLimit=2\nserver.1=127.0.0.1:1:2\nserver.3=127.0.0.1:5:6\n';

describe('main.js zoo.cfg', () => {
  const directory = temporaryDirectory();
  const running: RunningProgram[] = [];
  const started = (program: RunningProgram) => {
    running.push(program);
    return program;
  };
  const config = (text: string) => {
    const path = join(directory.path, 'zoo.cfg');
    writeFileSync(path, text);
    return path;
  };
  const dataDir = join(directory.path, 'data');

  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGKILL');
      await exited;
    }
  });
  afterAll(() => directory.remove());

  it('serves as configured, and SIGTERM closes it cleanly with status 0', async () => {
    const logDir = join(directory.path, 'logs');
    const text = `# as for ZooKeeper\ndataDir=${dataDir}\ndataLogDir=${logDir}\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\n`;
    const program = started(runMain([config(text)]));
    const [, address = ''] = await program.printed(/serves ZooKeeper clients at (\S+)\n/);
    const zk = new ZooKeeper({ servers: address, sessionTimeoutMs: 60_000 });
    await zk.create('/before', 'stop');
    expect(zk.state).toMatchObject({ timeoutMs: 10_000 });
    program.child.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(join(dataDir, 'version-2', 'snapshot.0'))).toBe(true);
    expect(existsSync(join(logDir, 'version-2', 'log.1'))).toBe(true);
    await zk.close();

    const again = started(runMain([config(text)]));
    const [, secondAddress = ''] = await again.printed(/serves ZooKeeper clients at (\S+)\n/);
    await using second = new ZooKeeper({ servers: secondAddress });
    expect(String((await second.get('/before')).data)).toBe('stop');
  });

  it('prints its figures at SIGQUIT, as a JVM prints its threads, and serves on', async () => {
    const text = `dataDir=${dataDir}\nclientPort=0\nclientPortAddress=127.0.0.1\n`;
    const program = started(runMain([config(text)]));
    const [, address = ''] = await program.printed(/serves ZooKeeper clients at (\S+)\n/);
    program.child.kill('SIGQUIT');
    await program.printed(/zk_server_state\tstandalone\n/);
    await using zk = new ZooKeeper({ servers: address });
    expect(await zk.exists('/')).not.toBeNull();
  });

  it('names an unknown key in a warning and goes on', async () => {
    const text = `dataDir=${dataDir}\nclientPort=0\nclientPortAddress=127.0.0.1\nsnapCuont=5\n`;
    const program = started(runMain([config(text)]));
    await program.printed(/line 4: snapCuont is not a setting of this server/);
    await program.printed(/serves ZooKeeper clients/);
  });

  it.each([
    ['tickTime=soon', /tickTime must be a whole number/],
    ['clientPort=70000', /clientPort must be a whole number from 0 to 65535/],
    ['forceSync=maybe', /forceSync must be yes or no/],
    ['autopurge.snapRetainCount=1', /autopurge.snapRetainCount must be a whole number from 3/],
    ['4lw.commands.whitelist=ruok,nope', /words that do not exist: nope/],
    [
      'minSessionTimeout=9000\nmaxSessionTimeout=8000',
      /minSessionTimeout \(9000\) must not be above/,
    ],
    ['server.1=a:2888:3888\nserver.2=b:2888:3888', /initLimit is not set/],
    [`${ENSEMBLE}server.2=127.0.0.1:1:3`, /server\.2 has 127\.0\.0\.1:1 as server\.1 has/],
    [`${ENSEMBLE}server.2=127.0.0.1:3:4`, /data.myid: the file is missing; write the number of/],
  ])('ends with status 2 and one line for %j', async (line, sentence) => {
    const program = started(runMain([config(`dataDir=${dataDir}\n${line}\n`)]));
    expect(await program.exited).toEqual({ code: 2, signal: null });
    expect(program.output).toMatch(sentence);
    expect(program.output.trim().split('\n')).toHaveLength(1);
  });

  it('ends with status 2 when myid is none of the servers, or a host of the own line is none', async () => {
    const member = join(directory.path, 'member');
    mkdirSync(member);
    writeFileSync(join(member, 'myid'), '7\n');
    const text = `dataDir=${member}\n${ENSEMBLE}server.2=127.0.0.1:3:4\n`;
    const stranger = started(runMain([config(text)]));
    expect(await stranger.exited).toEqual({ code: 2, signal: null });
    expect(stranger.output).toMatch(
      /^configuration: this is server 7, .* are 1, 2, 3: correct myid/,
    );

    const nowhere = started(runMain([config(`${text}server.7=192.0.2.1:3:4;0\n`)]));
    expect(await nowhere.exited).toEqual({ code: 2, signal: null });
    expect(nowhere.output).toMatch(
      /^configuration: .*EADDRNOTAVAIL.*: this machine has no such address; correct it in the line server\.7/m,
    );
  });

  it('ends with status 2 when the data is that of another server', async () => {
    const member = join(directory.path, 'renumbered');
    mkdirSync(member);
    writeFileSync(join(member, 'myid'), '2\n');
    const [quorumPort, electionPort] = await freePorts(2);
    const own = `127.0.0.1:${quorumPort}:${electionPort};127.0.0.1:0`;
    const client = 'clientPort=0\nclientPortAddress=127.0.0.1\n';
    const path = config(`dataDir=${member}\n${client}${ENSEMBLE}server.2=${own}\n`);
    const first = started(runMain([path]));
    await first.printed(/Aviary is server 2 of 3/);
    first.child.kill('SIGKILL');
    await first.exited;

    writeFileSync(join(member, 'myid'), '1\n');
    const renumbered = started(runMain([path]));
    expect(await renumbered.exited).toEqual({ code: 2, signal: null });
    expect(renumbered.output).toMatch(
      /^configuration: the data in .*renumbered.version-2 is that of server 2, and this is server 1: correct myid/m,
    );
  });

  it('ends with status 2 when the file cannot be read, and says how it is started', async () => {
    const program = started(runMain([join(directory.path, 'nowhere.cfg')]));
    expect(await program.exited).toEqual({ code: 2, signal: null });
    expect(program.output).toMatch(/cannot read .*nowhere\.cfg: ENOENT\. usage: /);
  });

  it.each([
    [
      'dataDir=/proc/nope\nclientPort=0',
      1,
      /mkdir .*: E(NOENT|ROFS|ACCES|PERM): .*choose (another dataDir|others)\n$/,
    ],
    ['dataDir=/dev/null/x\nclientPort=0', 1, /ENOTDIR: .*choose another dataDir\n$/],
    [
      'dataDir=unused\nclientPort=0\nclientPortAddress=192.0.2.1',
      2,
      /^configuration: .*EADDRNOTAVAIL.*: this machine has no such address; correct clientPortAddress$/m,
    ],
  ])('says what to do about %j, and ends with status %i', async (text, status, sentence) => {
    const unused = join(directory.path, 'unused');
    const program = started(runMain([config(`${text.replace('unused', unused)}\n`)]));
    expect(await program.exited).toMatchObject({ code: status });
    expect(program.output).toMatch(sentence);
  });

  it('takes every setting from the environment too, over the file', async () => {
    const text = `dataDir=${dataDir}\nclientPort=1\nclientPortAddress=127.0.0.1\n`;
    const program = started(
      runMain([config(text)], { AVIARY_CLIENT_PORT: '0', AVIARY_4LW_COMMANDS_WHITELIST: 'conf' }),
    );
    const [, port = ''] = await program.printed(/serves ZooKeeper clients at \S+:(\d+)\n/);
    expect(Number(port)).toBeGreaterThan(1);
  });

  it('ends with one sentence when the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    const { port } = other.address() as AddressInfo;
    const text = `dataDir=${dataDir}\nclientPort=${port}\nclientPortAddress=127.0.0.1\n`;
    const program = started(runMain([config(text)]));
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output).toContain('choose another clientPort');
    await new Promise((done) => other.close(done));
  });
});
