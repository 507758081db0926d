import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import { ErrorCode, OpCode, Xid, authPacket, type AuthPacket, type Id } from '@aviary/protocol';
import type { AuthSchemes } from '@aviary/znodes';
import { NO_ZXID, beginReply, endReply, writeBareReply } from './reply.js';
import type { ServerContext } from './server-context.js';

/** Longer ids are refused: each may be copied into every list that a client makes. */
const ID_CHARACTERS_MAX = 1024;

/** From where an auth packet came, and how many ids one connection may gather. */
export interface AuthLimits {
  readonly address: string;
  readonly idsMax: number;
}

/**
 * The ids that a connection holds after an auth packet; null: it is refused.
 *
 * @param held What it holds already; ids gather and are never taken away.
 */
export function authenticate(
  body: JuteReader,
  schemes: AuthSchemes,
  held: readonly Id[],
  limits: AuthLimits,
): readonly Id[] | null {
  let packet: AuthPacket;
  try {
    packet = authPacket.read(body);
  } catch (error) {
    if (error instanceof JuteError) return null;
    throw error;
  }
  const gained = schemes.get(packet.scheme)?.authenticate(packet.auth, limits.address) ?? null;
  if (gained === null) return null;
  const ids = [...held];
  for (const { scheme, id } of gained) {
    if (id.length > ID_CHARACTERS_MAX) return null;
    if (!ids.some((other) => other.scheme === scheme && other.id === id)) ids.push({ scheme, id });
  }
  return ids.length > limits.idsMax ? null : ids;
}

/**
 * Answers what overtakes everything else: pings and proofs of who somebody is.
 *
 * @returns The ids that the client holds from now on; null: it has failed to prove one.
 */
export function answerAtOnce(
  server: ServerContext,
  type: number,
  xid: number,
  body: JuteReader,
  held: readonly Id[],
  address: string,
  out: JuteWriter,
): readonly Id[] | null {
  if (type === OpCode.auth) {
    const idsMax = server.options.limits.authIdsMax;
    const gained = authenticate(body, server.tree.schemes, held, { address, idsMax });
    writeBareReply(out, xid, NO_ZXID, gained === null ? ErrorCode.authFailed : ErrorCode.ok);
    return gained;
  }
  if (type === OpCode.sasl) answerSasl(out, xid);
  else writeBareReply(out, Xid.ping, server.tree.lastZxid, ErrorCode.ok);
  return held;
}

/** Without a SASL login of its own the reference answers with no token, and so do we. */
function answerSasl(out: JuteWriter, xid: number): void {
  const at = beginReply(out);
  out.int(-1);
  endReply(out, at, xid, NO_ZXID, ErrorCode.ok);
}

/** Whether the holder of `ids` must prove more about itself; null: nothing is enforced. */
export function mustAuthenticate(
  enforced: ReadonlySet<string> | null,
  ids: readonly Id[],
): boolean {
  return enforced !== null && !ids.some(({ scheme }) => enforced.has(scheme));
}
