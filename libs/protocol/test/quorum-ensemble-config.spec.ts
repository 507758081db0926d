import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  EnsembleConfigError,
  ensembleConfigOf,
  formatEnsembleConfig,
  formatEnsembleMember,
  isEnsembleKey,
  isSameEnsembleConfig,
  observersOf,
  parseEnsembleConfig,
  parseEnsembleMember,
  parseProperties,
  participantsOf,
  type EnsembleConfig,
  type EnsembleMember,
} from '@aviary/protocol';

const PROPERTY = { seed: 20_240_229, numRuns: 200 };
const SEVERAL = { isMultiAddressEnabled: true };

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(EnsembleConfigError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

const octet = fc.nat(255);
const host = fc.oneof(
  fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.')),
  fc.domain(),
  fc.ipV6(),
);
const hostPort = fc.record({ host, port: fc.nat(0xffff) });
const address = fc
  .tuple(host, fc.uniqueArray(fc.integer({ min: 1, max: 0xffff }), { minLength: 2, maxLength: 2 }))
  .map(([name, [quorumPort, electionPort]]) => ({
    host: name,
    quorumPort: quorumPort!,
    electionPort: electionPort!,
  }));

function memberOf(id: number): fc.Arbitrary<EnsembleMember> {
  const byHost = { selector: (one: { host: string }) => one.host, minLength: 1, maxLength: 3 };
  return fc.record({
    id: fc.constant(id),
    role: fc.constantFrom('participant' as const, 'observer' as const),
    addresses: fc
      .uniqueArray(address, byHost)
      .map((list) => list.sort((a, b) => (a.host < b.host ? -1 : 1))),
    client: fc.option(hostPort),
    secureClient: fc.option(hostPort),
  });
}

const majority: fc.Arbitrary<EnsembleConfig> = fc
  .tuple(
    fc
      .uniqueArray(fc.maxSafeNat(), { minLength: 1, maxLength: 6 })
      .chain((ids) => fc.tuple(...ids.sort((a, b) => a - b).map(memberOf))),
    fc.maxSafeNat(),
  )
  .map(([members, version]) => ({
    members: new Map(members.map((member) => [member.id, member])),
    version,
    hierarchy: null,
  }))
  .filter((config) => participantsOf(config).length > 0);

/** Puts the participants in turn into two groups. */
const hierarchical: fc.Arbitrary<EnsembleConfig> = fc
  .tuple(
    majority.filter((config) => participantsOf(config).length > 1),
    fc.array(fc.integer({ min: 1, max: 0x7fff_ffff }), { minLength: 6, maxLength: 6 }),
  )
  .map(([config, weights]) => {
    const ids = participantsOf(config);
    const group = (rest: number): number[] => ids.filter((_, index) => index % 2 === rest);
    return {
      ...config,
      hierarchy: {
        groups: new Map([1, 2].map((id) => [id, group(id - 1)])),
        weights: new Map(ids.map((id, index) => [id, weights[index]!])),
      },
    };
  });

describe('a configuration', () => {
  it('is read as it was printed', () => {
    fc.assert(
      fc.property(fc.oneof(majority, hierarchical), (config) => {
        const text = formatEnsembleConfig(config);
        const again = parseEnsembleConfig(text, SEVERAL);
        expect(again).toEqual(config);
        expect([...again.members.keys()]).toEqual([...config.members.keys()]);
        expect(formatEnsembleConfig(again)).toBe(text);
        expect(isSameEnsembleConfig(again, { ...config, version: config.version + 1 })).toBe(true);
      }),
      PROPERTY,
    );
  });

  it('is read by the rules of properties, in any order', () => {
    const config = parseEnsembleConfig(
      [
        '# by hand',
        'version: 1000000aF',
        'server.10 = c:2888:3888:OBSERVER ',
        'server.2 b\\:2888\\:3888',
        '! the last one holds',
        'server.1=wrong',
        'server.1=a:\\',
        '   2888:3888;2181',
      ].join('\n'),
    );
    expect(config.version).toBe(0x1_0000_00af);
    expect(participantsOf(config)).toEqual([1, 2]);
    expect(observersOf(config)).toEqual([10]);
    expect(formatEnsembleConfig(config)).toBe(
      'server.1=a:2888:3888:participant;0.0.0.0:2181\n' +
        'server.2=b:2888:3888:participant\n' +
        'server.10=c:2888:3888:observer\n' +
        'version=1000000af',
    );
  });

  it('of groups has the default weight for those that have none', () => {
    const config = parseEnsembleConfig(
      [
        'server.3=c:1:2',
        'server.2=b:1:2',
        'server.1=a:1:2',
        'server.4=d:1:2:observer',
        'group.2=3',
        'group.1=2:1',
        'weight.2=0',
        'weight.4=5',
      ].join('\n'),
    );
    expect(config.hierarchy).toEqual({
      groups: new Map([
        [1, [2, 1]],
        [2, [3]],
      ]),
      weights: new Map([
        [1, 1],
        [2, 0],
        [3, 1],
        [4, 5],
      ]),
    });
    expect(formatEnsembleConfig(config).split('\n').slice(4)).toEqual([
      'group.1=1:2',
      'group.2=3',
      'weight.1=1',
      'weight.2=0',
      'weight.3=1',
      'weight.4=5',
      'version=0',
    ]);
  });

  it('can be picked out of a file with other keys', () => {
    const file = 'tickTime=2000\nserver.1=a:1:2\ninitLimit=10\nclientPort=2181\nversionless=1';
    const own = parseProperties(file).filter(({ key }) => isEnsembleKey(key));
    expect(formatEnsembleConfig(ensembleConfigOf(own))).toBe(
      'server.1=a:1:2:participant\nversion=0',
    );
  });

  it.each([
    ['', /^no server takes part in the ensemble: name one with server\.N=/],
    ['version=1', /^no server takes part/],
    ['server.1=a:1:2:observer', /^no server takes part/],
    ['server.1=a:1:2\ntickTime=5', /^tickTime does not belong to the configuration of an ensemble/],
    ['server.1=a:1:2\ngroups=1', /^groups does not belong/],
    ['server.1=a:1:2\nversion=', /^version must be a zxid in hex, .*, and is ""$/],
    ['server.1=a:1:2\nversion=-1', /^version must be/],
    ['server.1=a:1:2\nversion=20000000000000', /below 20000000000000, and is/],
    ['server.1=a:1:2\nversion=0x1', /^version must be/],
    [
      'server.x=a:1:2',
      /^server\.x has "x" where a whole number from 0 to 9007199254740991 stands$/,
    ],
    ['server.-1=a:1:2', /^"server\.-1" has "-1" where/],
    ['server.9007199254740992=a:1:2', /^server\.9007199254740992 has "9007199254740992" where/],
    ['server.1=a:1:2\ngroup.1=', /^group\.1 has "" where/],
    ['server.1=a:1:2\ngroup.1=1:x', /^group\.1 has "x" where/],
    ['server.1=a:1:2\ngroup.x=1', /^group\.x has "x" where/],
    ['server.1=a:1:2\ngroup.1=1\ngroup.2=1', /^group\.2 names server 1, which is in group 1 too/],
    ['server.1=a:1:2\ngroup.1=1:2', /^group\.1 names server 2, which is no participant: remove/],
    ['server.1=a:1:2\nweight.1=2', /^server\.1 is in no group: add it to a group\.N line, or/],
    ['server.1=a:1:2\ngroup.1=1\nweight.1=0', /^all weights are 0: give a weight\.N of 1 or more$/],
    ['server.1=a:1:2\ngroup.1=1\nweight.1=-1', /^weight\.1 must be a whole number from 0 to 21/],
    ['server.1=a:1:2\ngroup.1=1\nweight.1=2147483648', /^weight\.1 must be/],
  ])('%j is refused', (text, message) => {
    expect(messageOf(() => parseEnsembleConfig(text))).toMatch(message);
  });

  it('is the same as another one by its version, or by all that it says', () => {
    const config = (text: string): EnsembleConfig => parseEnsembleConfig(text, SEVERAL);
    const base = config('server.1=a:1:2|b:1:2;2181\nserver.2=c:1:2\nversion=1');
    const same = [
      'server.1=x:1:2\nversion=1',
      'server.2=C:1:2:participant\nserver.1=B:1:2|a:1:2;0.0.0.0:2181\nversion=2',
    ];
    const others = [
      'server.1=a:1:2|b:1:2;2181\nversion=2',
      'server.1=a:1:2|b:1:2;2181\nserver.2=c:1:3\nversion=2',
      'server.1=a:1:2|b:1:2;2182\nserver.2=c:1:2\nversion=2',
      'server.1=a:1:2|b:1:2\nserver.2=c:1:2\nversion=2',
      'server.1=a:1:2|b:1:2;2181\nserver.2=c:1:2:observer\nversion=2',
      'server.1=a:1:2|b:1:2;2181;2182\nserver.2=c:1:2\nversion=2',
      'server.1=a:1:2|b:1:2;2181\nserver.2=c:1:2\ngroup.1=1:2\nversion=2',
    ];
    for (const text of same) expect(isSameEnsembleConfig(base, config(text))).toBe(true);
    for (const text of others) expect(isSameEnsembleConfig(base, config(text))).toBe(false);
  });

  it('is either read from garbage, or refused in one short line', () => {
    const piece = fc.oneof(
      fc.constantFrom('server.', 'group.', 'weight.', 'version', '=', ':', '|', ';', '[', ']'),
      fc.constantFrom('\n', '\\', '1', 'a:1:2', ':observer', '#', '[::1]:1:2', '99999999999999999'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          const config = parseEnsembleConfig(pieces.join(''), SEVERAL);
          const text = formatEnsembleConfig(config);
          expect(parseEnsembleConfig(text, SEVERAL)).toEqual(config);
        } catch (error) {
          if (!(error instanceof EnsembleConfigError)) throw error;
          expect(error.message).not.toContain('\n');
          expect(error.message.length).toBeLessThan(1000);
        }
      }),
      { ...PROPERTY, numRuns: 3000 },
    );
  });

  it.each([
    ['a key', 'server.'.padEnd(524_288, '1')],
    ['a value', `server.1=${'a'.repeat(524_000)}`],
    ['backslashes', `${'\\'.repeat(524_000)}x`],
    ['lines that go on', '\\\n'.repeat(262_144)],
    ['addresses', `server.1=${'a:1:2|'.repeat(87_000)}`],
    ['servers of a group', `group.1=${'1:'.repeat(262_000)}`],
  ])('is refused soon if it is as long as a message allows, of %s', (_name, text) => {
    expect(messageOf(() => parseEnsembleConfig(text, SEVERAL)).length).toBeLessThan(500);
  });

  it('is refused unread if it is longer than a message', () => {
    expect(messageOf(() => parseEnsembleConfig('#'.repeat(524_289)))).toBe(
      'the configuration of an ensemble has 524289 characters, 524288 are allowed: ' +
        'name fewer servers',
    );
  });
});

describe('a server line', () => {
  it.each([
    ['a:2888:3888', 'a:2888:3888:participant'],
    ['a:2888:3888:Observer ', 'a:2888:3888:observer'],
    ['a:2888:3888;2181', 'a:2888:3888:participant;0.0.0.0:2181'],
    ['a:2888:3888;2181;', 'a:2888:3888:participant;0.0.0.0:2181'],
    ['a:2888:3888;b:2181;2281', 'a:2888:3888:participant;b:2181;0.0.0.0:2281'],
    ['a:2888:3888;;c:2281', 'a:2888:3888:participant;;c:2281'],
    ['[::1]:2888:3888;[fe80::1%eth0]:1', '[::1]:2888:3888:participant;[fe80::1%eth0]:1'],
    ['b:1:2|[::1]:3:4|a:5:6:observer', '[::1]:3:4|a:5:6|b:1:2:observer'],
    ['zoo_1.zoo-2:1:2', 'zoo_1.zoo-2:1:2:participant'],
  ])('%s is printed as %s', (value, printed) => {
    const member = parseEnsembleMember(1, value, SEVERAL);
    expect(formatEnsembleMember(member)).toBe(printed);
    expect(formatEnsembleMember(parseEnsembleMember(1, printed, SEVERAL))).toBe(printed);
  });

  it.each([
    ['', 'must be host:quorumPort:electionPort, with :observer behind it for an observer'],
    ['a:1', 'must be host:quorumPort:electionPort, with :observer behind it for an observer'],
    ['a:1:2:observer:x', 'must be host:quorumPort:electionPort'],
    ['[::1:1:2', 'must be host:quorumPort:electionPort'],
    ['::1:1:2', 'must be host:quorumPort:electionPort'],
    [':1:2', 'has the host "": it must be a name, an IPv4 address, or an IPv6 address in brackets'],
    ['a b:1:2', 'has the host "a b"'],
    ['a\nserver.2=b:1:2', 'has the host "a\\nserver.2=b"'],
    ['a:0:2', 'has the port "0": it must be a number from 1 to 65535'],
    ['a:1:65536', 'has the port "65536"'],
    ['a:x:2', 'has the port "x"'],
    ['a:1:1', 'has one port for two things: give the election another port than the quorum'],
    ['a:1:2:leader', 'has the role "leader": it must be participant or observer'],
    ['a:1:2:observer|b:1:2:participant', 'is participant and observer: give all addresses one'],
    ['a:1:2;x', 'has "x" for its clients: it must be port or host:port'],
    ['a:1:2;b:1:2', 'has "b:1:2" for its clients'],
    ['a:1:2;[::1]', 'has "[::1]" for its clients'],
    ['a:1:2;;b:x', 'has "b:x" for its clients'],
    ['a:1:2;1;2;3', 'has more than three parts between semicolons'],
  ])('%j is refused', (value, problem) => {
    const message = messageOf(() => parseEnsembleMember(7, value, SEVERAL));
    expect(message).toContain(`server.7 ${problem}`);
    expect(message).toContain(`, and is ${JSON.stringify(value)}`);
  });

  it('has one address, unless several are allowed', () => {
    expect(messageOf(() => parseEnsembleMember(1, 'a:1:2|b:1:2'))).toBe(
      'server.1 has several addresses: set multiAddress.enabled=true on all servers, or keep one, ' +
        'and is "a:1:2|b:1:2"',
    );
  });
});
