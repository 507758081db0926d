import { describe, expect, it } from '@jest/globals';
import { JuteError } from '@aviary/jute';
import { OpCode, opCodeName } from '@aviary/protocol';
import {
  goldenExchanges,
  goldenRecordings,
  type GoldenExchange,
} from '../../../test/golden/exchanges.js';
import { WireConversation, operations, typeOfRequest } from './wire-conversation.js';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Whether our codecs read the frame and write the same one. */
function isWellFormed(conversation: WireConversation, frame: Uint8Array): boolean {
  try {
    return hex(conversation.sent(frame).bytes) === hex(frame);
  } catch (error) {
    if (error instanceof JuteError) return false;
    throw error;
  }
}

function checkExchange(
  exchange: GoldenExchange,
  conversationOf: (connection: string) => WireConversation,
): void {
  const lastSent = exchange.steps.findLastIndex((step) => step.kind === 'sent');
  for (const [index, step] of exchange.steps.entries()) {
    const conversation = conversationOf(step.connection);
    if (step.kind === 'sent' && exchange.malformed !== null && index === lastSent) {
      expect(isWellFormed(conversation, step.bytes)).toBe(false);
    } else if (step.kind === 'sent') {
      expect(hex(conversation.sent(step.bytes).bytes)).toBe(hex(step.bytes));
    } else if (step.kind === 'received') {
      expect(hex(conversation.received(step.bytes).bytes)).toBe(hex(step.bytes));
    }
  }
}

describe.each(goldenRecordings())('recording %s', (recording) => {
  const conversations = new Map<string, WireConversation>();
  const conversationOf = (connection: string): WireConversation => {
    const known = conversations.get(connection) ?? new WireConversation();
    conversations.set(connection, known);
    return known;
  };

  it.each(goldenExchanges(recording).map((exchange) => [exchange.name, exchange] as const))(
    '%s: every frame decodes, and encodes to the same bytes',
    (_name, exchange) => checkExchange(exchange, conversationOf),
  );
});

describe('the recordings', () => {
  const exchanges = goldenRecordings().flatMap((recording) => goldenExchanges(recording));

  it('show every operation of the client protocol', () => {
    const seen = new Set<number>();
    for (const { steps } of exchanges) {
      for (const step of steps) {
        if (step.kind === 'sent' && step.bytes.length >= 12) seen.add(typeOfRequest(step.bytes));
      }
    }
    const missing = operations.filter((type) => !seen.has(type));
    expect(missing.map((type) => opCodeName(type))).toEqual([]);
  });

  it('name every exchange once in its file', () => {
    for (const recording of goldenRecordings()) {
      const names = goldenExchanges(recording).map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('leave no operation of the protocol without a codec', () => {
    const withoutBody = new Set<number>([OpCode.notification, OpCode.createSession, OpCode.error]);
    const expected = Object.values(OpCode).filter((type) => !withoutBody.has(type));
    expect([...operations].sort()).toEqual([...expected].sort());
  });
});
