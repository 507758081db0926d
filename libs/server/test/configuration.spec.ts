import { describe, expect, it } from '@jest/globals';
import {
  ConfigurationError,
  LIMITS_DEFAULT,
  environmentName,
  readConfiguration,
  serverOptions,
  type ServerOptions,
} from '@aviary/server';

const DATA = 'dataDir=/d\n';

const fromFile = (text: string) => readConfiguration({ name: 'zoo.cfg', text: DATA + text }, {});
const fromEnvironment = (environment: Record<string, string>) =>
  readConfiguration(null, { AVIARY_DATA_DIR: '/d', ...environment });

/** A setting, a value of it, and the options that it makes. */
type Case = readonly [string, string, (options: ServerOptions) => unknown, unknown];

const SETTINGS: readonly Case[] = [
  ['dataLogDir', '/log', (o) => [o.dataDir, o.dataLogDir], ['/d', '/log']],
  ['clientPort', '2182', (o) => o.clientPort, 2182],
  ['clientPortAddress', '::1', (o) => o.clientAddress, '::1'],
  ['clientPortListenBacklog', '100', (o) => o.backlog, 100],
  ['clientPortListenBacklog', '-1', (o) => o.backlog, 511],
  [
    'tickTime',
    '500',
    (o) => [o.tickTimeMs, o.minSessionTimeoutMs, o.maxSessionTimeoutMs],
    [500, 1000, 10_000],
  ],
  ['minSessionTimeout', '100', (o) => o.minSessionTimeoutMs, 100],
  ['minSessionTimeout', '-1', (o) => o.minSessionTimeoutMs, 6000],
  ['maxSessionTimeout', '100000', (o) => o.maxSessionTimeoutMs, 100_000],
  ['maxClientCnxns', '0', (o) => o.limits.connectionsPerAddressMax, 0],
  ['maxCnxns', '12', (o) => o.limits.connectionsMax, 12],
  ['globalOutstandingLimit', '7', (o) => o.limits.outstandingMax, 7],
  ['snapCount', '10', (o) => o.snapCount, 10],
  ['snapSizeLimitInKb', '3', (o) => o.snapBytes, 3072],
  ['preAllocSize', '64', (o) => o.preAllocBytes, 65_536],
  ['autopurge.snapRetainCount', '5', (o) => o.snapRetainCount, 5],
  ['autopurge.purgeInterval', '0', (o) => o.purgeIntervalMs, 0],
  ['autopurge.purgeInterval', '2', (o) => o.purgeIntervalMs, 7_200_000],
  ['autopurge.purgeInterval', '10m', (o) => o.purgeIntervalMs, 600_000],
  ['autopurge.purgeInterval', '1d', (o) => o.purgeIntervalMs, 86_400_000],
  ['jute.maxbuffer', '4194304', (o) => o.limits.frameBytesMax, 4_194_304],
  ['forceSync', 'no', (o) => o.forceSync, false],
  ['4lw.commands.whitelist', 'stat, ruok', (o) => [...o.fourLetterWords], ['srvr', 'stat', 'ruok']],
  ['4lw.commands.whitelist', '*', (o) => o.fourLetterWords.has('wchp'), true],
  ['skipACL', 'yes', (o) => o.skipAcl, true],
  ['enforceQuota', 'true', (o) => o.enforceQuota, true],
  ['digest.enabled', 'false', (o) => o.digestEnabled, false],
  ['extendedTypesEnabled', 'no', (o) => o.extendedTypesEnabled, false],
  ['DigestAuthenticationProvider.superDigest', 'super:x=', (o) => o.superDigest, 'super:x='],
  ['nio.sessionlessCnxnTimeout', '5000', (o) => o.limits.handshakeMs, 5000],
  ['znode.container.checkIntervalMs', '1000', (o) => o.reaperIntervalMs, 1000],
  ['znode.container.maxPerMinute', '9', (o) => o.reapedPerMinuteMax, 9],
  ['znode.container.maxNeverUsedIntervalMs', '0', (o) => o.containerNeverUsedMs, 0],
];

describe.each(SETTINGS)('%s=%s', (key, value, of, expected) => {
  it('is read from the file', () => {
    const { options, warnings } = fromFile(`${key}=${value}\n`);
    expect([of(options), warnings]).toEqual([expected, []]);
  });

  it('is read from the file as the system property that it is in ZooKeeper', () => {
    const { options, warnings } = fromFile(`zookeeper.${key}=${value}\n`);
    expect([of(options), warnings]).toEqual([expected, []]);
  });

  it('is read from the environment', () => {
    const environment = { [environmentName(key)]: value };
    const { options, warnings } = fromEnvironment(environment);
    expect([of(options), warnings]).toEqual([expected, []]);
  });
});

describe('dataDir', () => {
  it('is read from the file, and from the environment over it', () => {
    const source = { name: 'zoo.cfg', text: 'dataDir=/srv/zk' };
    expect(readConfiguration(source, {}).options.dataDir).toBe('/srv/zk');
    const environment = { AVIARY_DATA_DIR: '/other' };
    expect(readConfiguration(source, environment).options.dataDir).toBe('/other');
  });
});

describe('an environment variable', () => {
  it.each([
    ['tickTime', 'AVIARY_TICK_TIME'],
    ['dataLogDir', 'AVIARY_DATA_LOG_DIR'],
    ['maxClientCnxns', 'AVIARY_MAX_CLIENT_CNXNS'],
    ['autopurge.snapRetainCount', 'AVIARY_AUTOPURGE_SNAP_RETAIN_COUNT'],
    ['jute.maxbuffer', 'AVIARY_JUTE_MAXBUFFER'],
    ['4lw.commands.whitelist', 'AVIARY_4LW_COMMANDS_WHITELIST'],
    ['skipACL', 'AVIARY_SKIP_ACL'],
  ])('for %s is called %s', (key, name) => expect(environmentName(key)).toBe(name));

  it('wins over the file', () => {
    const source = { name: 'zoo.cfg', text: `${DATA}tickTime=1000` };
    expect(readConfiguration(source, { AVIARY_TICK_TIME: '700' }).options.tickTimeMs).toBe(700);
  });

  it('that stands for nothing is a warning that names it', () => {
    expect(fromEnvironment({ AVIARY_TICKTIME: '1' }).warnings).toEqual([
      'environment: AVIARY_TICKTIME is not a setting.',
    ]);
  });

  it('of others is left alone', () => {
    expect(fromEnvironment({ PATH: '/bin', TICK_TIME: 'x' }).warnings).toEqual([]);
  });
});

describe('a setting that this server does not have', () => {
  it('is a warning that names it and its line', () => {
    expect(fromFile('\ntikTime=1\nclientPort=1').warnings).toEqual([
      'zoo.cfg line 3: tikTime is not a setting of this server and is passed over.',
    ]);
  });

  it.each([
    'initLimit',
    'syncLimit',
    'admin.serverPort',
    'metricsProvider.httpPort',
    'nio.numWorkerThreads',
  ])('is said to make no difference where that is so: %s', (key) => {
    expect(fromFile(`${key}=5`).warnings).toEqual([
      `zoo.cfg line 2: ${key} makes no difference to a server that stands alone.`,
    ]);
  });

  it('but names a file with the servers of an ensemble is refused, not passed over', () => {
    expect(() => fromFile('dynamicConfigFile=zoo.cfg.dynamic.100')).toThrow(
      'zoo.cfg line 2: dynamicConfigFile is not offered: write the lines of that file, server.N=..., in its place',
    );
  });

  it('but asks for more safety than it has is refused, not passed over', () => {
    expect(() => fromFile('sessionRequireClientSASLAuth=true')).toThrow(/must be no/);
    expect(fromFile('sessionRequireClientSASLAuth=false').warnings).toEqual([]);
  });
});

describe('a bad value is one clear line that says where it stands', () => {
  it.each([
    [
      'clientPort=65536',
      'zoo.cfg line 2: clientPort must be a whole number from 0 to 65535, and is "65536"',
    ],
    ['clientPort=', 'zoo.cfg line 2: clientPort must be a whole number from 0 to 65535, and is ""'],
    [
      'tickTime=2s',
      'zoo.cfg line 2: tickTime must be a whole number from 1 to 2147483647, and is "2s"',
    ],
    [
      'tickTime=0',
      'zoo.cfg line 2: tickTime must be a whole number from 1 to 2147483647, and is "0"',
    ],
    [
      'tickTime=1e3',
      'zoo.cfg line 2: tickTime must be a whole number from 1 to 2147483647, and is "1e3"',
    ],
    ['forceSync=maybe', 'zoo.cfg line 2: forceSync must be yes or no, and is "maybe"'],
    ['dataLogDir=', 'zoo.cfg line 2: dataLogDir must not be empty, and is ""'],
    [
      'autopurge.snapRetainCount=2',
      'zoo.cfg line 2: autopurge.snapRetainCount must be a whole number from 3 to 2147483647, and is "2"',
    ],
    [
      'autopurge.purgeInterval=1w',
      'zoo.cfg line 2: autopurge.purgeInterval must be a number of hours, or a number with d, h, m or s behind it, and is "1w"',
    ],
    [
      '4lw.commands.whitelist=stat,nope',
      'zoo.cfg line 2: 4lw.commands.whitelist has words that do not exist: nope, and is "stat,nope"',
    ],
    [
      'jute.maxbuffer=0',
      'zoo.cfg line 2: jute.maxbuffer must be a whole number from 1024 to 1073741824, and is "0"',
    ],
    [
      'minSessionTimeout=70000',
      'minSessionTimeout (70000) must not be above maxSessionTimeout (60000)',
    ],
    [
      'enforce.auth.enabled=true',
      'enforce.auth.enabled is yes, but enforce.auth.schemes is not set: name the schemes, such as digest',
    ],
    [
      'enforce.auth.schemes=sasl',
      'zoo.cfg line 2: enforce.auth.schemes must name schemes out of digest, ip, super, and is "sasl"',
    ],
  ])('%s', (text, message) => {
    expect(() => fromFile(text)).toThrow(new ConfigurationError(message));
    expect(message).not.toContain('\n');
  });

  it('also from the environment', () => {
    expect(() => fromEnvironment({ AVIARY_CLIENT_PORT: 'x' })).toThrow(
      new ConfigurationError(
        'environment AVIARY_CLIENT_PORT: clientPort must be a whole number from 0 to 65535, and is "x"',
      ),
    );
  });

  it('and so is a data directory that is not named', () => {
    expect(() => readConfiguration({ name: 'zoo.cfg', text: 'clientPort=1' }, {})).toThrow(
      'dataDir is not set: name the directory for snapshots and logs, in the file or as AVIARY_DATA_DIR',
    );
  });
});

describe('a setting that stands twice', () => {
  it('has the value that stands last, as in ZooKeeper, and a warning names it', () => {
    const { options, warnings } = fromFile('tickTime=1000\ntickTime=2000');
    expect(options.tickTimeMs).toBe(2000);
    expect(warnings).toEqual([
      'zoo.cfg line 3: tickTime stands twice; this value is the one that holds.',
    ]);
  });
});

describe('enforced authentication', () => {
  it('is the schemes that are named, once it is switched on', () => {
    const on = fromFile('enforce.auth.enabled=true\nenforce.auth.schemes=digest,ip').options;
    expect([...(on.enforcedAuthSchemes ?? [])]).toEqual(['digest', 'ip']);
    expect(fromFile('enforce.auth.schemes=digest').options.enforcedAuthSchemes).toBeNull();
  });
});

describe('without a word', () => {
  it('a file means every address, and no file the own machine', () => {
    expect(fromFile('').options.clientAddress).toBeNull();
    expect(fromEnvironment({}).options.clientAddress).toBe('127.0.0.1');
  });

  it('the limits are the defaults, and longer frames make room wherever something is held', () => {
    expect(fromFile('').options.limits).toEqual(LIMITS_DEFAULT);
    const { limits } = fromFile('jute.maxbuffer=104857600').options;
    expect(limits.outputBytesMax).toBeGreaterThan(8 * limits.frameBytesMax);
    expect(limits.heldBytesMax).toBeGreaterThan(limits.outputBytesMax);
  });

  it('dataLogDir is dataDir', () => {
    expect(fromFile('').options.dataLogDir).toBe('/d');
    expect(serverOptions({ dataDir: '/x' }).dataLogDir).toBe('/x');
  });
});

describe('the syntax is that of Java properties', () => {
  it.each([
    ['tickTime = 500', 500],
    ['tickTime: 500  ', 500],
    ['  tickTime 500', 500],
    ['# tickTime=1\n! tickTime=2\ntickTime=500', 500],
    ['tick\\\n  Time=500', 500],
    ['tickTime=5\\\n   00', 500],
    ['tick\\u0054ime=500', 500],
    ['tickTime=500\r\n', 500],
  ])('%j', (text, ms) => {
    const { options, warnings } = fromFile(text);
    expect([options.tickTimeMs, warnings]).toEqual([ms, []]);
  });

  it('in which a backslash of a path stands twice', () => {
    expect(fromFile('dataLogDir=C:\\\\zk\\\\log').options.dataLogDir).toBe('C:\\zk\\log');
  });
});
