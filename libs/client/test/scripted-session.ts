import { JuteReader, type JuteWriter } from '@aviary/jute';
import {
  AddWatchMode,
  ErrorCode,
  OpCode,
  WatchEventType,
  Xid,
  addWatchRequest,
  authPacket,
  opCodeName,
  pathWatchRequest,
  setWatches,
  setWatches2,
  syncRequest,
  watchTypeRequest,
  requestHeader,
} from '@aviary/protocol';
import { SessionCore } from '../src/session/session-core.js';
import type { Credential, SessionOutput } from '../src/session/session-io.js';
import { SessionRequest } from '../src/session/session-request.js';
import { OneShotWatch } from '../src/session/watch-table.js';
import {
  eventFrame,
  framesIn,
  handshakeFrame,
  readConnectRequest,
  replyFrame,
} from './server-frames.js';

const opCodes: Readonly<Record<string, number>> = OpCode;
const errorCodes: Readonly<Record<string, number>> = ErrorCode;
const reads = new Set(['exists', 'getData', 'getChildren2', 'sync']);

class ScriptedWatch extends OneShotWatch {
  readonly label: string;

  constructor(label: string, table: 'data' | 'child', path: string) {
    super(table, path);
    this.label = label;
  }
}

class ScriptedRequest extends SessionRequest {
  readonly label: string;
  private readonly path: string;

  constructor(
    label: string,
    op: string,
    path: string,
    terms: {
      readonly deadlineAtMs: number;
      readonly inSession: bigint | null;
      readonly watch: OneShotWatch | null;
    },
  ) {
    const { deadlineAtMs, inSession, watch } = terms;
    super(opCodes[op] ?? 0, reads.has(op), deadlineAtMs, inSession, watch);
    this.label = label;
    this.path = path;
  }

  override writeBody(writer: JuteWriter): void {
    pathWatchRequest.write(writer, { path: this.path, watch: this.watch !== null });
  }
}

/** How the bytes of a server reach the core: whole frames, or cut. */
export type Cut = 'whole' | 'bytes' | number;

const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;

/**
 * A session core that is driven by lines of text, and describes what it does in lines of text.
 *
 * `+500 tick` moves the clock first. `server ...` are frames of a server.
 */
export class ScriptedSession {
  readonly core: SessionCore;
  nowMs = 0;
  private readonly cut: Cut;
  private readonly requests = new Map<string, ScriptedRequest>();
  private readonly watches = new Map<string, ScriptedWatch>();
  private handshaking = false;

  constructor(
    cut: Cut = 'whole',
    limits: { inFlight?: number; waiting?: number; servers?: number } = {},
  ) {
    this.cut = cut;
    this.core = new SessionCore({
      sessionTimeoutMs: 9_000,
      holdFraction: 2 / 3,
      serverCount: limits.servers ?? 1,
      readOnlyAllowed: false,
      frameBytesMax: 1_000,
      replyBytesMax: 2_000,
      inFlightRequestsMax: limits.inFlight ?? 100,
      waitingRequestsMax: limits.waiting ?? 100,
    });
  }

  /** Runs one line and returns what the core wants done. */
  run(line: string): string[] {
    let words = line.trim().split(/\s+/);
    if (/^\+\d+$/.test(words[0] ?? '')) {
      this.nowMs += Number(words[0]);
      words = words.slice(1);
    }
    const labelled = words[1] === '=' ? words.splice(0, 2)[0] : undefined;
    const [command = '', ...rest] = words;
    const positional = rest.filter((word) => !word.includes('='));
    const options = new Map(
      rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
    return this.command(command, positional, options, labelled ?? command);
  }

  private command(
    command: string,
    args: readonly string[],
    options: ReadonlyMap<string, string>,
    label: string,
  ): string[] {
    const { nowMs } = this;
    switch (command) {
      case 'start':
        return this.step({ kind: 'start' });
      case 'opened':
        this.handshaking = true;
        return this.step({ kind: 'opened', nowMs });
      case 'broken':
        return this.step({ kind: 'broken', nowMs, reason: args.join(' ') || 'reset' });
      case 'clockJumped':
      case 'tick':
      case 'flush':
      case 'drained':
        return this.step({ kind: command, nowMs });
      case 'blocked':
        return this.step({ kind: 'blocked' });
      case 'abort':
        return this.step({ kind: 'abort', request: this.requests.get(args[0]!)! });
      case 'cancelWatch':
        return this.step({ kind: 'cancelWatch', watch: this.watches.get(args[0]!)! });
      case 'addTree':
      case 'removeTree': {
        const mode =
          args[1] === 'recursive' ? AddWatchMode.persistentRecursive : AddWatchMode.persistent;
        return this.step({ kind: command, path: args[0]!, mode });
      }
      case 'addAuth': {
        const credential: Credential = { scheme: args[0]!, auth: Buffer.from(args[1]!) };
        return this.step({ kind: 'addAuth', credential, nowMs });
      }
      case 'close':
        return this.step({ kind: 'close', nowMs, untilMs: nowMs + Number(options.get('within')) });
      case 'server':
        return this.serve(args, options);
      case 'show':
        return this.show();
      default:
        return this.submit(command, args, options, label);
    }
  }

  private submit(
    op: string,
    args: readonly string[],
    options: ReadonlyMap<string, string>,
    label: string,
  ): string[] {
    if (opCodes[op] === undefined) throw new Error(`unknown command ${op}`);
    const path = args[0] ?? '/';
    const deadline = options.get('deadline');
    const inSession = options.get('in');
    const table = op === 'getChildren2' ? 'child' : 'data';
    const watch = args[1] === 'watch' ? new ScriptedWatch(label, table, path) : null;
    if (watch !== null) this.watches.set(label, watch);
    const request = new ScriptedRequest(label, op, path, {
      deadlineAtMs: deadline === undefined ? Infinity : this.nowMs + Number(deadline),
      inSession: inSession === undefined ? null : BigInt(inSession),
      watch,
    });
    this.requests.set(label, request);
    return this.step({ kind: 'submit', request });
  }

  private serve(args: readonly string[], options: ReadonlyMap<string, string>): string[] {
    const [what = ''] = args;
    const zxid = BigInt(options.get('zxid') ?? 0);
    const err = errorCodes[options.get('code') ?? 'ok'] ?? Number(options.get('code'));
    switch (what) {
      case 'handshake': {
        const sessionId = BigInt(options.get('session') ?? 0);
        const timeoutMs = Number(options.get('timeout') ?? 9_000);
        const readOnly = args.includes('readOnly');
        return this.receive(handshakeFrame({ sessionId, timeoutMs, readOnly }));
      }
      case 'event': {
        const types: Readonly<Record<string, number>> = WatchEventType;
        return this.receive(eventFrame(types[args[1]!] ?? Number(args[1]), args[2]!, zxid));
      }
      case 'ping':
      case 'auth':
      case 'setWatches':
        return this.receive(replyFrame({ xid: Xid[what], zxid, err }));
      case 'reply':
        return this.receive(replyFrame({ xid: Number(args[1]), zxid, err }));
      case 'hex':
        return this.receive(Uint8Array.from(Buffer.from(args.slice(1).join(''), 'hex')));
      default:
        throw new Error(`unknown frame ${what}`);
    }
  }

  private receive(bytes: Uint8Array): string[] {
    const { nowMs } = this;
    const cuts: number[] = [];
    if (this.cut === 'bytes') for (let at = 1; at < bytes.length; at++) cuts.push(at);
    else if (this.cut !== 'whole' && this.cut < bytes.length) cuts.push(this.cut);
    const lines: string[] = [];
    let start = 0;
    for (const end of [...cuts, bytes.length]) {
      // In one buffer that is used again, as sockets do.
      const chunk = new Uint8Array(4_096).fill(0xee);
      chunk.set(bytes.subarray(start, end), 7);
      lines.push(
        ...this.step({ kind: 'bytes', nowMs, bytes: chunk, start: 7, end: 7 + end - start }),
      );
      start = end;
    }
    return lines;
  }

  private show(): string[] {
    const { core } = this;
    const wake = core.wakeAtMs;
    return [
      `session ${hex(core.sessionId)} zxid ${core.lastZxid} watches ${core.watchCount}` +
        (core.history === 0 ? '' : `, history lost: ${core.history}`),
      `hold until ${core.holdUntilMs} wake at ${wake}${core.wantsFlush ? ' wants flush' : ''}`,
    ];
  }

  private step(input: Parameters<SessionCore['step']>[0]): string[] {
    return this.core.step(input).flatMap((output) => this.describe(output));
  }

  private describe(output: SessionOutput): string[] {
    switch (output.kind) {
      case 'connect':
        return ['connect'];
      case 'disconnect':
        return [`disconnect: ${output.reason}`];
      case 'send':
        return framesIn(output.bytes).map((body) => `send ${this.describeSent(body)}`);
      case 'replied': {
        const { code, zxidLow } = output.reply;
        return [`${labelOf(output.request)} replied ${code} at zxid ${zxidLow}`];
      }
      case 'failed': {
        const sent = output.sent ? 'sent' : 'unsent';
        return [`${labelOf(output.request)} failed ${output.reason} ${sent}: ${output.detail}`];
      }
      case 'watchEnded': {
        const label = output.watch instanceof ScriptedWatch ? output.watch.label : '?';
        const { event } = output;
        const tail = 'path' in event ? ` ${event.path} zxid ${event.zxid}` : '';
        return [`watch ${label} ended: ${event.kind}${tail}`];
      }
      case 'tree': {
        const { signal } = output;
        const where = `tree ${output.path}${output.mode === 1 ? ' recursive' : ''}`;
        if (signal.kind === 'reset') return [`${where} reset: ${signal.reason}`];
        if (signal.kind === 'refused') return [`${where} refused ${signal.code}`];
        return [`${where} event ${signal.type} ${signal.path}`];
      }
      case 'doubted':
        return ['doubted'];
      case 'authSettled':
        return [`auth ${output.credential.scheme} ${output.result}`];
      case 'state':
        return [`state ${describeState(output.state)}`];
    }
  }

  private describeSent(body: Uint8Array): string {
    if (this.handshaking) {
      this.handshaking = false;
      const request = readConnectRequest(body);
      const { lastZxidSeen, sessionId, timeOut } = request;
      return `handshake session ${hex(sessionId)} zxid ${lastZxidSeen} timeout ${timeOut}`;
    }
    const reader = new JuteReader(body);
    const { xid, type } = requestHeader.read(reader);
    const name = opCodeName(type);
    switch (type) {
      case OpCode.ping:
        return name;
      case OpCode.closeSession:
        return `${xid} ${name}`;
      case OpCode.sync:
        return `${xid} ${name} ${syncRequest.read(reader).path}`;
      case OpCode.auth:
        return `${name} ${authPacket.read(reader).scheme}`;
      case OpCode.setWatches:
      case OpCode.setWatches2: {
        const codec = type === OpCode.setWatches ? setWatches : setWatches2;
        const { relativeZxid, ...lists } = codec.read(reader);
        const text = Object.entries(lists)
          .filter(([, paths]) => paths.length > 0)
          .map(([list, paths]) => `${list} ${paths.join(' ')}`);
        return [`${name} since zxid ${relativeZxid}`, ...text].join('; ');
      }
      case OpCode.addWatch:
        return `${xid} ${name} ${Object.values(addWatchRequest.read(reader)).join(' mode ')}`;
      case OpCode.removeWatches:
        return `${xid} ${name} ${Object.values(watchTypeRequest.read(reader)).join(' type ')}`;
      default: {
        const { path, watch } = pathWatchRequest.read(reader);
        return `${xid} ${name} ${path}${watch ? ' watch' : ''}`;
      }
    }
  }
}

function labelOf(request: SessionRequest): string {
  return request instanceof ScriptedRequest ? request.label : '?';
}

function describeState(state: Extract<SessionOutput, { kind: 'state' }>['state']): string {
  const { kind, ...facts } = state;
  const text = Object.entries(facts).map(
    ([name, value]) => `${name}=${typeof value === 'bigint' ? hex(value) : String(value)}`,
  );
  return [kind, ...text].join(' ');
}
