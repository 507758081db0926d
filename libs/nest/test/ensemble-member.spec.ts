import 'reflect-metadata';
import { firstValueFrom, filter, toArray } from 'rxjs';
import { ZooKeeper } from '@aviary/client';
import { ConfigurationError, EnsembleServer } from '@aviary/server';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePorts } from '../../../test/free-port.js';
import { EnsembleTransport, type EnsembleOptions } from '../src/index.js';
import { KeptLog, memberIn, Takedown } from './hosted-member.js';

const SERVERS = 3;

let takedown: Takedown;

beforeEach(() => {
  takedown = new Takedown();
});

afterEach(() => takedown.run());

/** Lines of an ensemble on ports that nobody has. */
async function serverLines(): Promise<string> {
  const ports = await freePorts(3 * SERVERS);
  const lines = Array.from({ length: SERVERS }, (_, index) => {
    const [quorumPort, electionPort, clientPort] = ports.slice(3 * index);
    return `server.${index + 1}=127.0.0.1:${quorumPort}:${electionPort};127.0.0.1:${clientPort}`;
  });
  return lines.join('\n');
}

/** An application with a member that listens. */
async function hosted(options: EnsembleOptions, dataDir = takedown.directory()) {
  const imports = [memberIn(dataDir, options)];
  const module = await Test.createTestingModule({ imports }).setLogger(new KeptLog()).compile();
  return takedown.app(await module.init());
}

/** Resolves when the member serves its clients, or no longer does. */
function untilUp(member: EnsembleTransport, isUp = true): Promise<unknown> {
  return firstValueFrom(member.mode$.pipe(filter(() => member.isUp === isUp)));
}

describe('a hosted member of an ensemble', () => {
  it('is up only while it serves clients, though its port is open from the start', async () => {
    const ensemble = await serverLines();
    const first = await hosted({ ensemble, serverId: 1 });
    const member = first.get(EnsembleTransport);
    expect([member.mode, member.isUp]).toEqual(['looking', false]);
    expect(member.unwrap()).toBeInstanceOf(EnsembleServer);
    expect(ensemble).toContain(`;${member.address}`);
    const modes = firstValueFrom(member.mode$.pipe(toArray()));

    const second = await hosted({ ensemble, serverId: 2 });
    await Promise.all([untilUp(member), untilUp(second.get(EnsembleTransport))]);
    await using zk = new ZooKeeper({ servers: member.address });
    await zk.create('/kept', 'yes');
    await zk.close();

    await second.close();
    await untilUp(member, false);
    expect(member.mode).toBe('looking');

    const third = await hosted({ ensemble, serverId: 3 });
    await untilUp(third.get(EnsembleTransport));
    await using other = new ZooKeeper({ servers: third.get(EnsembleTransport).address });
    expect(String((await other.get('/kept')).data)).toBe('yes');
    await other.close();

    await untilUp(member);
    await first.close();
    expect([member.mode, member.isUp]).toEqual([null, false]);
    // It has logged all that there is, and is preferred to who comes with nothing.
    expect(await modes).toEqual(['looking', 'follower', 'looking', 'leader', null]);
  });

  it('says which of the servers it is, and must be one of them', async () => {
    const ensemble = await serverLines();
    await expect(hosted({ ensemble })).rejects.toThrow(
      new ConfigurationError(
        'EnsembleModule: serverId is not set: say which of the servers in the ensemble this one is',
      ),
    );
    await expect(hosted({ ensemble, serverId: 9 })).rejects.toThrow(ConfigurationError);
    await expect(hosted({ ensemble: 'server.1=a', serverId: 1 })).rejects.toThrow(
      /^server\.1 must be host:quorumPort:electionPort/,
    );
  });

  it('keeps out a second one that is given the same data', async () => {
    const [here, there] = [await serverLines(), await serverLines()];
    const dataDir = takedown.directory();
    await hosted({ ensemble: here, serverId: 1 }, dataDir);
    await expect(hosted({ ensemble: there, serverId: 1 }, dataDir)).rejects.toThrow(
      `${dataDir} is in use by another process`,
    );
  });
});

describe('a hosted member that stands alone', () => {
  it('is up from the start to the end', async () => {
    const app = await hosted({ clientPort: 0 });
    const member = app.get(EnsembleTransport);
    const modes = firstValueFrom(member.mode$.pipe(toArray()));
    expect([member.mode, member.isUp]).toEqual(['standalone', true]);
    await app.close();
    expect([member.mode, member.isUp]).toEqual([null, false]);
    expect(await modes).toEqual(['standalone', null]);
  });
});
