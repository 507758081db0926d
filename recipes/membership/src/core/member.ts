import type { TreeNode } from '@aviary/coordination';

export const PAYLOAD_FORMATS = ['json', 'text', 'bytes'] as const;

/** How payloads are written and read. `bytes`: as they are. */
export type PayloadFormat = (typeof PAYLOAD_FORMATS)[number];

/** One member of a group, as the servers have it. */
export interface Member<P = unknown> {
  readonly id: string;
  /** What it says of itself; null: nothing, or (JSON) nothing that can be read. */
  readonly payload: P | null;
  /** The same, as it stands in the node. */
  readonly data: Buffer | null;
  /** The session that it stands and falls with; 0: none, it has a time to live or stands for ever. */
  readonly sessionId: bigint;
  /** Of its node: a member that left and came back has a greater one. */
  readonly czxid: bigint;
  /** Since when it is there, by the servers' clock. */
  readonly since: Date;
}

/** What happened to a member between two lists. One that left and came back does both. */
export type MemberChange<M> =
  | { readonly kind: 'joined'; readonly member: M }
  | { readonly kind: 'updated'; readonly member: M; readonly before: M }
  | { readonly kind: 'left'; readonly before: M };

/** What lists of members are compared by. */
interface Comparable {
  readonly id: string;
  readonly czxid: bigint;
}

/** The payload of a node; null: none, or none in this format. */
export function payloadOf(format: PayloadFormat, data: Buffer | null): unknown {
  if (data === null || data.length === 0) return null;
  if (format === 'bytes') return data;
  if (format === 'text') return data.toString();
  try {
    return JSON.parse(data.toString()) as unknown;
  } catch {
    // Others write what they like; Curator, its address.
    return null;
  }
}

/** What is written for a payload. @throws {TypeError} It cannot be written in this format. */
export function bytesOf(format: PayloadFormat, payload: unknown): Uint8Array {
  if (format === 'bytes') {
    if (payload instanceof Uint8Array) return payload;
    throw new TypeError('the payload of a group of bytes must be a Uint8Array');
  }
  if (format === 'text') {
    if (typeof payload === 'string') return Buffer.from(payload);
    throw new TypeError('the payload of a group of text must be a string');
  }
  // Its type says that it is a string, and for a function it is not.
  const text = JSON.stringify(payload) as string | undefined;
  if (text === undefined) throw new TypeError(`a ${typeof payload} is no payload: JSON has none`);
  return Buffer.from(text);
}

export function memberOf<P>(format: PayloadFormat, { name, data, stat }: TreeNode): Member<P> {
  return {
    id: name,
    payload: payloadOf(format, data) as P | null,
    data,
    sessionId: stat.ephemeralOwner,
    czxid: stat.czxid,
    since: new Date(Number(stat.ctime)),
  };
}

/** What became of `before`. Members that are the same object are the same. */
export function memberChanges<M extends Comparable>(
  before: readonly M[],
  after: readonly M[],
): readonly MemberChange<M>[] {
  const old = new Map(before.map((member) => [member.id, member]));
  const changes: MemberChange<M>[] = [];
  for (const member of after) {
    const was = old.get(member.id);
    old.delete(member.id);
    if (was === member) continue;
    if (was?.czxid === member.czxid) changes.push({ kind: 'updated', member, before: was });
    else {
      if (was !== undefined) changes.push({ kind: 'left', before: was });
      changes.push({ kind: 'joined', member });
    }
  }
  return [
    ...Array.from(old.values(), (gone) => ({ kind: 'left' as const, before: gone })),
    ...changes,
  ];
}
