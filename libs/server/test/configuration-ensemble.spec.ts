import { describe, expect, it } from '@jest/globals';
import { formatEnsembleConfig } from '@aviary/protocol';
import {
  ConfigurationError,
  memberOptions,
  readConfiguration,
  readEnsemble,
  type Configuration,
} from '@aviary/server';

const BASE = 'dataDir=/d\ninitLimit=10\nsyncLimit=5\n';
const TWO = 'server.1=a:2888:3888\nserver.2=b:2888:3888\n';
const THREE = `${TWO}server.3=c:2888:3888\n`;

const fromFile = (text: string, environment: Record<string, string> = {}) =>
  readConfiguration({ name: 'zoo.cfg', text: BASE + text }, environment);

function servers({ ensemble }: Configuration): string | null {
  return ensemble === null ? null : formatEnsembleConfig(ensemble.ensemble);
}

function member(text: string, id: number) {
  const { options, ensemble } = fromFile(text);
  return memberOptions(options, ensemble!, id);
}

describe('server lines', () => {
  it('make a member of an ensemble, with what only a member is told', () => {
    const configuration = fromFile(
      'server.1=zk1:2888:3888;2181\n' +
        'server.2=zk2:2888:3888:participant;10.0.0.2:2182\n' +
        'server.3=[::1]:2888:3888\n' +
        'server.4=zk4:2888:3888:observer\n' +
        'electionPortBindRetry=0\n',
    );
    expect(configuration.warnings).toEqual([]);
    expect(configuration.ensemble).toMatchObject({
      initLimitTicks: 10,
      syncLimitTicks: 5,
      electionPortBindRetry: 0,
    });
    expect(servers(configuration)).toBe(
      [
        'server.1=zk1:2888:3888:participant;0.0.0.0:2181',
        'server.2=zk2:2888:3888:participant;10.0.0.2:2182',
        'server.3=[::1]:2888:3888:participant',
        'server.4=zk4:2888:3888:observer',
        'version=0',
      ].join('\n'),
    );
  });

  it('come with groups and weights', () => {
    const configuration = fromFile(`${THREE}group.1=1:2\ngroup.2=3\nweight.3=2\n`);
    expect(servers(configuration)).toContain('group.1=1:2\ngroup.2=3\nweight.1=1\n');
    expect(servers(configuration)).toContain('weight.3=2');
  });

  it('come from the environment too, over the file', () => {
    const environment = {
      AVIARY_SERVER_2: 'other:2888:3888',
      AVIARY_GROUP_1: '1:2:3',
      AVIARY_WEIGHT_3: '4',
      AVIARY_INIT_LIMIT: '7',
      AVIARY_SYNC_LIMIT: '3',
      AVIARY_ELECTION_PORT_BIND_RETRY: '9',
    };
    const configuration = fromFile(THREE, environment);
    expect(configuration.warnings).toEqual([]);
    expect(configuration.ensemble).toMatchObject({
      initLimitTicks: 7,
      syncLimitTicks: 3,
      electionPortBindRetry: 9,
    });
    expect(servers(configuration)).toMatch(
      /^server\.2=other:.*[^]*^group\.1=1:2:3$[^]*weight\.3=4/m,
    );
  });

  it('need no file at all', () => {
    const environment = {
      AVIARY_DATA_DIR: '/d',
      AVIARY_INIT_LIMIT: '10',
      AVIARY_SYNC_LIMIT: '5',
      AVIARY_SERVER_1: 'a:2888:3888;2181',
      AVIARY_SERVER_2: 'b:2888:3888;2181',
      AVIARY_SERVER_3: 'c:2888:3888;2181',
    };
    const { options, ensemble } = readConfiguration(null, environment, { clientPort: '2181' });
    expect(memberOptions(options, ensemble!, 2).options).toMatchObject({
      serverId: 2,
      clientPort: 2181,
      clientAddress: null,
    });
  });

  it('may stand twice, and a warning names the one that holds', () => {
    const configuration = fromFile(`${THREE}server.3=d:2888:3888\n`);
    expect(servers(configuration)).toContain('server.3=d:');
    expect(configuration.warnings).toEqual([
      'zoo.cfg line 7: server.3 stands twice; this value is the one that holds.',
    ]);
  });
});

describe('a lone participant', () => {
  it('stands alone with a warning, as in ZooKeeper, and has its clients where its line says', () => {
    const configuration = fromFile('server.1=zk1:2888:3888;127.0.0.1:2199\n');
    expect(configuration.ensemble).toBeNull();
    expect(configuration.options).toMatchObject({ clientAddress: '127.0.0.1', clientPort: 2199 });
    expect(configuration.warnings).toEqual([
      'zoo.cfg line 2: initLimit makes no difference to a server that stands alone.',
      'zoo.cfg line 3: syncLimit makes no difference to a server that stands alone.',
      'zoo.cfg line 4: server.1 is the only server, so it stands alone; with standaloneEnabled=no it is an ensemble of one.',
    ]);
    expect(fromFile('server.1=a:1:2;3\nclientPort=4\n').options.clientPort).toBe(4);
  });

  it('is an ensemble where standaloneEnabled is no', () => {
    const configuration = fromFile('server.1=zk1:2888:3888\nstandaloneEnabled=false\n');
    expect(configuration.ensemble).not.toBeNull();
    expect(configuration.warnings).toEqual([
      'an ensemble of one participant serves nobody once one has failed: have three, which go on without one.',
    ]);
  });

  it('has no observers, unless it is an ensemble', () => {
    const text = 'server.1=a:2888:3888\nserver.2=b:2888:3888:observer\n';
    expect(() => fromFile(text)).toThrow(
      'zoo.cfg line 4: server.1 is the only participant, and a server that stands alone has no observers: ' +
        'add participants, or set standaloneEnabled=no',
    );
    expect(fromFile(`${text}standaloneEnabled=no\n`).ensemble).not.toBeNull();
  });
});

describe('the number of participants', () => {
  const four = `${THREE}server.4=d:2888:3888\n`;

  it.each([
    [
      'two',
      TWO,
      'an ensemble of two participants serves nobody once one has failed: have three, which go on without one.',
    ],
    [
      'four',
      four,
      'an ensemble of 4 participants survives no more failures than one of 3: have an odd number.',
    ],
  ])('is warned of when it is %s', (_, text, warning) => {
    expect(fromFile(text).warnings).toEqual([warning]);
  });

  it.each([
    ['three', THREE],
    ['three with an observer', `${THREE}server.4=d:2888:3888:observer\n`],
    ['four in groups', `${four}group.1=1:2\ngroup.2=3:4\n`],
  ])('is not warned of when it is %s', (_, text) => {
    expect(fromFile(text).warnings).toEqual([]);
  });
});

describe('an ensemble that cannot be is one clear line', () => {
  const without = (key: string, text: string) =>
    (BASE + text).replace(new RegExp(`${key}=.*\n`), '');

  it.each([
    ['server.1=a:2888\n', 'zoo.cfg line 4: server.1 must be host:quorumPort:electionPort, with '],
    ['server.x=a:1:2\n', 'zoo.cfg line 4: server.x has "x" where a whole number from 0 to'],
    ['server.1=a:7:7\n', 'zoo.cfg line 4: server.1 has one port for two things'],
    ['server.1=a:1:2:leader\n', 'zoo.cfg line 4: server.1 has the role "leader"'],
    ['server.1=a:1:2:observer\n', 'no server takes part in the ensemble'],
    ['group.1=1\n', 'no server takes part in the ensemble'],
    ['standaloneEnabled=no\n', 'no server takes part in the ensemble'],
    [`${THREE}group.1=1:2\n`, 'zoo.cfg line 6: server.3 is in no group'],
    [`${THREE}weight.1=x\n`, 'zoo.cfg line 7: weight.1 must be a whole number'],
    [
      `${TWO}server.255=c:2888:3888\n`,
      'server.255 has too high a number: servers are numbered from 1 to 254',
    ],
    [
      `${TWO}server.3=A:3888:2889\n`,
      'server.3 has a:3888 as server.1 has: give every port of a host to one server and one purpose',
    ],
    [
      'server.1=a:2888:3888;2181\nserver.2=a:2889:3889;2181\n',
      'server.2 has a:2181 as server.1 has',
    ],
    ['server.1=a:2888:3888;2888\nserver.2=b:2888:3888\n', 'server.1 has a:2888 twice'],
    [`${THREE}initLimit=soon\n`, 'zoo.cfg line 7: initLimit must be a whole number from 0'],
    [`${THREE}peerType=leader\n`, 'zoo.cfg line 7: peerType must be participant or observer'],
    [`${THREE}electionAlg=0\n`, 'zoo.cfg line 7: electionAlg must be 3, since'],
    [`${THREE}multiAddress.enabled=true\n`, 'zoo.cfg line 7: multiAddress.enabled must be no'],
    [`${THREE}sslQuorum=true\n`, 'zoo.cfg line 7: sslQuorum must be no, since the servers'],
    [`${THREE}quorum.auth.enableSasl=true\n`, 'zoo.cfg line 7: quorum.auth.enableSasl must be no'],
  ])('%j', (text, message) => {
    expect(() => fromFile(text)).toThrow(ConfigurationError);
    expect(() => fromFile(text)).toThrow(message);
    expect(() => fromFile(text)).not.toThrow(/\n/);
  });

  it.each(['initLimit', 'syncLimit'])('without %s', (key) => {
    for (const text of [without(key, THREE), `${BASE}${THREE}${key}=0\n`]) {
      expect(() => readConfiguration({ name: 'zoo.cfg', text }, {})).toThrow(
        `${key} is not set, and a member of an ensemble needs it: a number of ticks, such as ${key}=`,
      );
    }
  });

  it('and says which variable of the environment it is about', () => {
    expect(() => fromFile(THREE, { AVIARY_SERVER_2: 'b' })).toThrow(
      /^environment AVIARY_SERVER_2: server\.2 must be host:/,
    );
    expect(() => fromFile(THREE, { AVIARY_SSL_QUORUM: 'yes' })).toThrow(
      /^environment AVIARY_SSL_QUORUM: sslQuorum must be no/,
    );
  });
});

describe('settings of ZooKeeper that a member does not have', () => {
  it('are not mentioned where they say what it does anyway', () => {
    const text =
      'reconfigEnabled=false\nleaderServes=yes\nelectionAlg=3\nquorumListenOnAllIPs=false\n' +
      'cnxTimeout=5000\nconnectToLearnerMasterLimit=0\nsslQuorum=false\nmultiAddress.enabled=false\n' +
      'standaloneEnabled=true\nsyncEnabled=true\nlocalSessionsEnabled=false\n';
    expect(fromFile(THREE + text).warnings).toEqual([]);
  });

  it('are warned of by what it does instead', () => {
    expect(fromFile(`${THREE}leaderServes=no\nadmin.serverPort=1\nsnapCuont=2\n`).warnings).toEqual(
      [
        'zoo.cfg line 7: leaderServes cannot be chosen and is passed over: this server does as leaderServes=yes says.',
        'zoo.cfg line 8: admin.serverPort makes no difference to this server.',
        'zoo.cfg line 9: snapCuont is not a setting of this server and is passed over.',
      ],
    );
  });
});

describe('a member', () => {
  const lines =
    'server.1=a:2888:3888;2181\nserver.2=b:2888:3888;127.0.0.1:2182\nserver.3=c:2888:3888:observer\n';

  it('is what myid says, and has its clients where its own line says', () => {
    expect(member(lines, 2)).toMatchObject({
      options: {
        dataDir: '/d',
        serverId: 2,
        clientAddress: '127.0.0.1',
        clientPort: 2182,
        initLimitTicks: 10,
        syncLimitTicks: 5,
        electionPortBindRetry: 3,
      },
      warnings: [],
    });
    expect(member(lines, 1).options).toMatchObject({ clientAddress: null, clientPort: 2181 });
  });

  it('has its clients at clientPort where its line does not say', () => {
    const { options } = member(`${lines}clientPort=2199\nclientPortAddress=::1\n`, 3);
    expect(options).toMatchObject({ clientAddress: '::1', clientPort: 2199 });
  });

  it.each([
    ['clientPort=2182\n', 2],
    ['clientPort=2182\nclientPortAddress=127.0.0.1\n', 2],
    ['clientPort=2182\nclientPortAddress=0.0.0.0\n', 2],
    // Names may stand for the address.
    ['clientPort=2182\nclientPortAddress=localhost\n', 2],
  ])('may say it twice: %j', (text, id) => {
    expect(member(lines + text, id).options).toMatchObject({ clientPort: 2182 });
  });

  it.each([
    [
      'clientPort=2199\n',
      'server.2 has its clients at 127.0.0.1:2182, but clientPort is 2199: write the same twice, or one of them',
    ],
    [
      'clientPort=2182\nclientPortAddress=127.0.0.2\n',
      'server.2 has its clients at 127.0.0.1:2182, but clientPortAddress is 127.0.0.2: ',
    ],
  ])('has one place for its clients: %j', (text, message) => {
    expect(() => member(lines + text, 2)).toThrow(message);
  });

  it('must have a line', () => {
    expect(() => member(lines, 4)).toThrow(
      new ConfigurationError(
        'this is server 4, as the file myid in dataDir says, but the servers of the ensemble are ' +
          '1, 2, 3: correct myid, or add a line server.4',
      ),
    );
  });

  it('is warned of a peerType that is not that of its line', () => {
    expect(member(`${lines}peerType=observer\n`, 3).warnings).toEqual([]);
    expect(member(`${lines}peerType=observer\n`, 2).warnings).toEqual([
      'peerType is observer, but server.2 is a line of a participant: the line holds.',
    ]);
    expect(member(`${lines}peerType=participant\n`, 3).warnings).toHaveLength(1);
  });

  it('is warned of a port with TLS, which it does not have', () => {
    const text = 'server.1=a:2888:3888;2181;2281\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n';
    expect(member(text, 1).warnings).toEqual([
      'server.1 has a port for clients with TLS, which this server does not offer: it is passed over.',
    ]);
    expect(member(text, 2).warnings).toEqual([]);
  });
});

describe('the text of an ensemble by itself', () => {
  it('is read with the same care', () => {
    expect(formatEnsembleConfig(readEnsemble(THREE))).toContain('server.3=c:2888:3888:participant');
    expect(() => readEnsemble(`${TWO}server.300=c:1:2`)).toThrow(ConfigurationError);
    expect(() => readEnsemble('server.1=a')).toThrow(
      new ConfigurationError(
        'server.1 must be host:quorumPort:electionPort, with :observer behind it for an observer, and is "a"',
      ),
    );
  });
});
