import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeInstance, encodeInstance, uriOf } from '../src/index.js';
import { URI_SPEC, springPayload } from '../src/core/service-instance.js';

/** Recorded from Curator 5.4's JsonInstanceSerializer. */
const golden = (name: string) =>
  readFileSync(join(import.meta.dirname, 'golden', `${name}.instance`));

const TIME = 1_763_856_000_000;
const SPRING = {
  name: 'inventory',
  id: '6d4e5121-6c17-4023-8f7b-8922f8b70cae',
  address: '10.0.0.7',
  port: 8080,
  sslPort: null,
  registrationTimeUTC: TIME,
};
const METADATA = { instance_status: 'UP', zone: 'eu-1 "é"' };

describe('what is written', () => {
  it("is Curator's bytes for Spring Cloud's payload", () => {
    const payload = springPayload('inventory', 'inventory-1', METADATA);
    const bytes = encodeInstance({ ...SPRING, payload, uriSpec: URI_SPEC });
    expect(bytes.toString()).toBe(golden('spring').toString());
  });

  it("is Curator's bytes for other payloads", () => {
    const rest = { address: 'host', registrationTimeUTC: TIME, uriSpec: null };
    const plain = { ...rest, name: 'plain', id: 'i-1', port: 1, sslPort: 443, payload: null };
    expect(encodeInstance(plain).equals(golden('plain'))).toBe(true);
    const payload = { '@class': 'java.util.LinkedHashMap', a: 1 };
    const map = { ...rest, name: 'map', id: 'i-3', port: 2, sslPort: null, payload };
    expect(encodeInstance(map).equals(golden('map'))).toBe(true);
  });
});

describe('what is read', () => {
  it('is whatever Curator and Spring Cloud write', () => {
    const spring = decodeInstance(golden('spring'));
    expect(spring).toMatchObject({ ...SPRING, metadata: METADATA, isUp: true });
    expect(spring?.payload).toEqual({ id: 'inventory-1', name: 'inventory', metadata: METADATA });
    expect(spring?.uriSpec).toEqual(URI_SPEC);
    // With `enabled`, which Curator writes where it need not be compatible.
    expect(decodeInstance(golden('spring-enabled'))).toEqual(spring);
    expect(decodeInstance(golden('plain'))).toMatchObject({ port: 1, sslPort: 443, payload: null });
    expect(decodeInstance(golden('map'))).toMatchObject({ payload: { a: 1 } });
    const text = { payload: 'words', port: null, serviceType: 'PERMANENT', uriSpec: null };
    expect(decodeInstance(golden('text'))).toMatchObject(text);
  });

  it('is not up if it says so', () => {
    const off = golden('spring').toString().replace('"UP"', '"OUT_OF_SERVICE"');
    expect(decodeInstance(Buffer.from(off))?.isUp).toBe(false);
    const disabled = golden('spring-enabled')
      .toString()
      .replace('"enabled":true', '"enabled":false');
    expect(decodeInstance(Buffer.from(disabled))?.isUp).toBe(false);
  });

  it('is nothing where there is none, whatever stands there', () => {
    for (const text of ['', '10.0.0.7', '[]', 'null', '{}', '{"name":1,"id":"a"}']) {
      expect(decodeInstance(Buffer.from(text))).toBeNull();
    }
    expect(decodeInstance(null)).toBeNull();
    const odd =
      '{"name":"a","id":"b","port":"80","payload":{"metadata":[1]},"uriSpec":{"parts":[1]}}';
    const read = { port: null, metadata: {}, uriSpec: [], isUp: true };
    expect(decodeInstance(Buffer.from(odd))).toMatchObject(read);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        decodeInstance(Buffer.from(text));
        const value = `{"name":"a","id":"b","payload":${text},"uriSpec":${text},"port":${text}}`;
        const instance = decodeInstance(Buffer.from(value));
        if (instance !== null) uriOf(instance);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});

it('an address is made of the pattern of the instance', () => {
  const spring = decodeInstance(golden('spring'))!;
  expect(uriOf(spring)).toBe('http://10.0.0.7:8080');
  expect(uriOf(spring, 'tcp')).toBe('tcp://10.0.0.7:8080');
  expect(uriOf({ ...spring, address: 'fe80::1' })).toBe('http://[fe80::1]:8080');
  expect(uriOf({ ...spring, port: null, sslPort: 443 })).toBe('https://10.0.0.7:443');
  expect(uriOf({ ...spring, port: null })).toBeNull();
  const odd = ['[', 'service-type', ']', 'constructor', 'registration-time-utc'];
  const variables = odd.map((value) => ({ value, variable: true }));
  expect(uriOf({ ...spring, uriSpec: variables })).toBe(`{dynamic}${TIME}`);
  const uriSpec = [...URI_SPEC, { value: '/', variable: false }, { value: 'id', variable: true }];
  expect(uriOf({ ...spring, uriSpec })).toBe(`http://10.0.0.7:8080/${spring.id}`);
});
