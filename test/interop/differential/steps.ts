import { errorCodeName, opCodeName } from '@aviary/protocol';

/** A path as it stands, or the one that was created most recently with a sequence number. */
export type PathRef = string | { readonly recent: number };

/** Data of a node: null, text, or so many bytes. */
export type Content = string | number | null;

/** One operation, as it is sent; lists of ACLs are named (see acl-lists.ts). */
export type Operation =
  | {
      readonly op: 'create';
      readonly code: number;
      readonly path: PathRef;
      readonly data: Content;
      readonly acl: string;
      readonly mode: number;
      readonly ttlMs: number;
    }
  | { readonly op: 'delete' | 'check'; readonly path: PathRef; readonly version: number }
  | {
      readonly op: 'exists' | 'getData' | 'getChildren' | 'getChildren2';
      readonly path: PathRef;
      readonly watch: boolean;
    }
  | {
      readonly op: 'setData';
      readonly path: PathRef;
      readonly data: Content;
      readonly version: number;
    }
  | {
      readonly op: 'setACL';
      readonly path: PathRef;
      readonly acl: string;
      readonly version: number;
    }
  | {
      readonly op: 'getACL' | 'sync' | 'getAllChildrenNumber' | 'getEphemerals';
      readonly path: PathRef;
    }
  | { readonly op: 'multi' | 'multiRead'; readonly operations: readonly Operation[] }
  | { readonly op: 'addWatch'; readonly path: PathRef; readonly mode: number }
  | {
      readonly op: 'checkWatches' | 'removeWatches';
      readonly path: PathRef;
      readonly type: number;
    }
  | {
      readonly op: 'setWatches' | 'setWatches2';
      /** Whether relativeZxid is the last zxid that the connection saw; else 0. */
      readonly hasSeen: boolean;
      readonly lists: readonly (readonly string[])[];
    }
  | { readonly op: 'auth'; readonly scheme: string; readonly auth: string | null }
  | { readonly op: 'sasl' | 'whoAmI' | 'ping' | 'closeSession' | 'reconfig' }
  /** Any opcode with any bytes behind the header. */
  | { readonly op: 'raw'; readonly code: number; readonly hex: string }
  /** Another operation, of whose body only so many bytes are sent (negative: more are). */
  | { readonly op: 'resized'; readonly of: Operation; readonly bytes: number };

/** How a connection introduces itself. */
export type Introduction =
  /** A new session. */
  | 'new'
  /** A new session, without the field readOnly and with a null password. */
  | 'newOldStyle'
  /** The session of the place, whose connection is dropped before. */
  | 'again'
  /** The session of the place, while its connection is open. */
  | 'takeover'
  | 'wrongPassword'
  | 'unknownSession'
  /** As one who has seen a transaction that is yet to come. */
  | 'fromTheFuture';

/** What happens, at one of several places that each have at most one session and connection. */
export type Step =
  | { readonly do: 'send'; readonly at: number; readonly operations: readonly Operation[] }
  | {
      readonly do: 'connect';
      readonly at: number;
      readonly as: Introduction;
      readonly timeoutMs: number;
    }
  /** The connection is cut; the session lives on. */
  | { readonly do: 'drop'; readonly at: number }
  /** The session ends because nobody is heard of. */
  | { readonly do: 'expire'; readonly at: number }
  /** Bytes that are no request, with their length in front or without. */
  | { readonly do: 'bytes'; readonly at: number; readonly hex: string }
  /** Four-letter words are asked for what both servers should know equally. */
  | { readonly do: 'words' }
  | { readonly do: 'restart'; readonly how: 'kill' | 'stop' };

export function describePath(path: PathRef): string {
  return typeof path === 'string' ? JSON.stringify(path) : `recent(${path.recent})`;
}

function describeContent(data: Content): string {
  return typeof data === 'number' ? `${data} bytes` : JSON.stringify(data);
}

/** One line for people. */
export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case 'create': {
      const { code, path, data, acl, mode, ttlMs } = operation;
      const ttl = code === 21 ? ` ttl=${ttlMs}` : '';
      const what = `${describePath(path)} ${describeContent(data)} acl=${acl} flags=${mode}`;
      return `${opCodeName(code)} ${what}${ttl}`;
    }
    case 'setData': {
      const { path, data, version } = operation;
      return `setData ${describePath(path)} ${describeContent(data)} version=${version}`;
    }
    case 'multi':
    case 'multiRead':
      return `${operation.op} [${operation.operations.map(describeOperation).join('; ')}]`;
    case 'raw':
      return `opcode ${operation.code} with ${operation.hex === '' ? 'no body' : operation.hex}`;
    case 'resized':
      return `${describeOperation(operation.of)}, resized by ${operation.bytes}`;
    default: {
      const { op, ...rest } = operation;
      const words = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      return [op, ...words].join(' ');
    }
  }
}

/** One line for people, which says all that the step does. */
export function describeStep(step: Step): string {
  switch (step.do) {
    case 'send':
      return `${step.at}: ${step.operations.map(describeOperation).join('\n   then ')}`;
    case 'connect':
      return `${step.at}: connect as ${step.as}, timeout ${step.timeoutMs} ms`;
    case 'bytes':
      return `${step.at}: bytes ${step.hex}`;
    case 'words':
      return 'four-letter words';
    case 'restart':
      return `restart after ${step.how}`;
    default:
      return `${step.at}: ${step.do}`;
  }
}

/** An error code with its name. */
export function describeError(code: number): string {
  return code === 0 ? 'ok' : `${errorCodeName(code)}(${code})`;
}
