/** How an instance is kept, in Curator's words. `DYNAMIC`: it goes with its session. */
export type ServiceType = 'DYNAMIC' | 'STATIC' | 'PERMANENT' | 'DYNAMIC_SEQUENTIAL';

/** One piece of the address of an instance: text, or the name of what stands there. */
export interface UriPart {
  readonly value: string;
  readonly variable: boolean;
}

/** One process that offers a service, as its node says. */
export interface ServiceInstance<P = unknown> {
  /** Of the service. */
  readonly name: string;
  /** Of the instance. */
  readonly id: string;
  readonly address: string | null;
  readonly port: number | null;
  readonly sslPort: number | null;
  /** What the instance says of itself, without the name of a Java class. */
  readonly payload: P | null;
  /** Of Spring Cloud's payload; empty if the payload is another. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether it takes requests: not disabled, and not `OUT_OF_SERVICE` or the like in Spring's words. */
  readonly isUp: boolean;
  /** When it was registered, in milliseconds since 1970, by its own clock. */
  readonly registrationTimeUTC: number;
  readonly serviceType: ServiceType;
  readonly uriSpec: readonly UriPart[] | null;
}

/** What is written for an instance, in the order in which Curator writes it. */
export interface InstanceFacts {
  readonly name: string;
  readonly id: string;
  readonly address: string | null;
  readonly port: number | null;
  readonly sslPort: number | null;
  readonly payload: unknown;
  readonly registrationTimeUTC: number;
  readonly uriSpec: readonly UriPart[] | null;
}

/** The class that Spring Cloud keeps its payload in. */
export const SPRING_PAYLOAD_CLASS =
  'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance';

/** `{scheme}://{address}:{port}`, as Spring Cloud writes it. */
export const URI_SPEC: readonly UriPart[] = [
  { value: 'scheme', variable: true },
  { value: '://', variable: false },
  { value: 'address', variable: true },
  { value: ':', variable: false },
  { value: 'port', variable: true },
];

/** The key under which Spring Cloud keeps whether an instance takes requests. */
export const INSTANCE_STATUS = 'instance_status';

/** What Spring Cloud keeps in the payload. */
export function springPayload(
  service: string,
  instanceId: string,
  metadata: Readonly<Record<string, string>>,
): object {
  return { '@class': SPRING_PAYLOAD_CLASS, id: instanceId, name: service, metadata };
}

/** The bytes of a node, as Curator's serializer writes them in its compatible mode. */
export function encodeInstance(facts: InstanceFacts): Buffer {
  const { name, id, address, port, sslPort, payload, registrationTimeUTC, uriSpec } = facts;
  const text = JSON.stringify({
    name,
    id,
    address,
    port,
    sslPort,
    payload,
    registrationTimeUTC,
    serviceType: 'DYNAMIC',
    uriSpec: uriSpec === null ? null : { parts: uriSpec },
  });
  return Buffer.from(text);
}

/**
 * An instance as Curator, Spring Cloud or we wrote it; null: the node is none. What is not known here is
 * passed over, and nothing is taken on trust: other processes write these nodes.
 */
export function decodeInstance<P>(data: Buffer | null): ServiceInstance<P> | null {
  const json = parsed(data);
  if (!isObject(json)) return null;
  const { name, id, address, port, sslPort, payload, enabled } = json;
  if (typeof name !== 'string' || typeof id !== 'string') return null;
  const metadata = metadataOf(payload);
  const status = metadata[INSTANCE_STATUS];
  const { registrationTimeUTC, serviceType, uriSpec } = json;
  return {
    name,
    id,
    address: typeof address === 'string' ? address : null,
    port: portOf(port),
    sslPort: portOf(sslPort),
    payload: withoutClass(payload) as P | null,
    metadata,
    isUp: enabled !== false && (status === undefined || status === 'UP'),
    registrationTimeUTC: typeof registrationTimeUTC === 'number' ? registrationTimeUTC : 0,
    serviceType: (typeof serviceType === 'string' ? serviceType : 'DYNAMIC') as ServiceType,
    uriSpec: partsOf(uriSpec),
  };
}

/**
 * Where an instance is reached: its own pattern, or `{scheme}://{address}:{port}`, filled in; null: it has
 * no address or no port.
 *
 * @param scheme Unset: `https` if it has only a port for that, else `http`.
 */
export function uriOf(instance: ServiceInstance, scheme?: string): string | null {
  const { address, port, sslPort, uriSpec, name, id } = instance;
  const isSecure = scheme === 'https' || (scheme === undefined && port === null);
  const at = isSecure ? (sslPort ?? port) : (port ?? sslPort);
  if (address === null || at === null) return null;
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  const values = new Map<string, string>([
    ['scheme', scheme ?? (isSecure ? 'https' : 'http')],
    ['address', host],
    ['port', `${at}`],
    ['ssl-port', `${sslPort ?? at}`],
    ['name', name],
    ['id', id],
    ['registration-time-utc', `${instance.registrationTimeUTC}`],
    ['service-type', instance.serviceType.toLowerCase()],
    ['[', '{'],
    [']', '}'],
  ]);
  const parts = uriSpec === null || uriSpec.length === 0 ? URI_SPEC : uriSpec;
  return parts
    .map(({ value, variable }) => (variable ? (values.get(value) ?? '') : value))
    .join('');
}

function parsed(data: Buffer | null): unknown {
  if (data === null) return null;
  try {
    return JSON.parse(data.toString()) as unknown;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function portOf(value: unknown): number | null {
  const isPort = Number.isInteger(value) && (value as number) >= 0 && (value as number) < 65_536;
  return isPort ? (value as number) : null;
}

function withoutClass(payload: unknown): unknown {
  if (!isObject(payload)) return payload ?? null;
  const rest = { ...payload };
  delete rest['@class'];
  return rest;
}

function metadataOf(payload: unknown): Readonly<Record<string, string>> {
  if (!isObject(payload) || !isObject(payload.metadata)) return {};
  const texts = Object.entries(payload.metadata).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(texts) as Record<string, string>;
}

function partsOf(uriSpec: unknown): readonly UriPart[] | null {
  if (!isObject(uriSpec) || !Array.isArray(uriSpec.parts)) return null;
  return (uriSpec.parts as unknown[]).flatMap((part) => {
    if (!isObject(part) || typeof part.value !== 'string') return [];
    return [{ value: part.value, variable: part.variable === true }];
  });
}
