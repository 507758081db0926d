import { describe, expect, it } from '@jest/globals';
import { Chroot } from '../src/chroot.js';
import { InvalidConnectionStringError, parseConnectionString } from '../src/index.js';

describe('a connection string', () => {
  it('names servers, ports and a chroot', () => {
    expect(parseConnectionString('h1:2182,h2,10.0.0.3:1/app/one')).toEqual({
      servers: [
        { host: 'h1', port: 2182 },
        { host: 'h2', port: 2181 },
        { host: '10.0.0.3', port: 1 },
      ],
      chroot: '/app/one',
    });
  });

  it('takes IPv6 addresses in brackets', () => {
    expect(parseConnectionString('[::1]:2182,[fe80::1%eth0]').servers).toEqual([
      { host: '::1', port: 2182 },
      { host: 'fe80::1%eth0', port: 2181 },
    ]);
  });

  it('takes a lone slash as no chroot, and spaces between servers', () => {
    expect(parseConnectionString(' h1 , h2/')).toEqual({
      servers: [
        { host: 'h1', port: 2181 },
        { host: 'h2', port: 2181 },
      ],
      chroot: '/',
    });
  });

  it.each([
    ['', 'names no server'],
    ['/app', 'names no server'],
    [',,', 'names no server'],
    ['h1:', '"" is not a port'],
    ['h1:0', '"0" is not a port'],
    ['h1:65536', '"65536" is not a port'],
    ['h1:21x', '"21x" is not a port'],
    [':2181', 'the host is missing'],
    ['::1', 'too many colons'],
    ['fe80::1:2181', 'too many colons'],
    ['[h1]:2181', 'brackets are for IPv6'],
    ['zk://h1', 'should have no scheme'],
    ['user@h1', 'not the name of a host'],
    ['h1/app/', 'must not end with "/"'],
    ['h1//app', 'empty component'],
    ['h1/a/../b', 'must not have a component'],
  ])('refuses "%s" and says why', (text, why) => {
    expect(() => parseConnectionString(text)).toThrow(InvalidConnectionStringError);
    expect(() => parseConnectionString(text)).toThrow(why);
  });
});

describe('a chroot', () => {
  it('stands in front of every path on the server', () => {
    const chroot = new Chroot('/app/one');
    expect(chroot.toServer('/')).toBe('/app/one');
    expect(chroot.toServer('/a')).toBe('/app/one/a');
    expect(chroot.toClient('/app/one')).toBe('/');
    expect(chroot.toClient('/app/one/a/b')).toBe('/a/b');
  });

  it('does not take a neighbour for a child', () => {
    expect(new Chroot('/app').toClient('/apple/x')).toBeNull();
    expect(new Chroot('/app').toClient('/other')).toBeNull();
  });

  it('of the root changes nothing', () => {
    expect(new Chroot('/').toServer('/')).toBe('/');
    expect(new Chroot('/').toClient('/a')).toBe('/a');
  });
});
