import { JuteWriter } from '@aviary/jute';
import { ErrorCode, MULTI_HEADER_BYTES, OpCode, STAT_BYTES } from '@aviary/protocol';
import { NO_NODE, type DataTree, type ResultSink } from '@aviary/znodes';
import { writeMultiHeader } from './read-operations.js';
import { appendBytes, appendCounted } from './reply.js';

/** The type under which the result of an operation stands in the reply to a multi. */
function resultType(type: number): number {
  return type === OpCode.createContainer || type === OpCode.createTTL ? OpCode.create2 : type;
}

/**
 * The result of the transaction that is being applied, as the body of its reply. Of a multi every
 * part is noted while the tree is as that part left it.
 */
export class WriteResults implements ResultSink {
  /** Error code of the reply. */
  error: number = ErrorCode.ok;
  /** Body of the reply, unless it is a Stat alone. */
  private readonly body = new JuteWriter(1024);
  private isMulti = false;
  /** The node whose Stat is the whole body: most writes set data, and need no copy in between. */
  private statNode = NO_NODE;

  constructor(private readonly tree: DataTree) {}

  /**
   * Forgets the last transaction.
   *
   * @param type Of the transaction: a multi that is refused as a whole is logged as an error, and
   * answered as one.
   */
  begin(type: number): void {
    this.error = ErrorCode.ok;
    this.body.clear();
    this.isMulti = type === OpCode.multi;
    this.statNode = NO_NODE;
  }

  /** Appends the body to a reply; only until the tree changes again. */
  appendBody(out: JuteWriter): void {
    if (this.statNode === NO_NODE) appendBytes(out, this.body.bytes, 0, this.body.position);
    else this.appendStat(out, this.statNode);
  }

  /** Closes the body, if it needs closing. */
  finish(): void {
    if (!this.isMulti || this.error !== ErrorCode.ok) return;
    writeMultiHeader(this.body, this.body.reserve(MULTI_HEADER_BYTES), -1, true, -1);
  }

  created(type: number, node: number, bytes: Uint8Array, start: number, end: number): void {
    this.beginPart(resultType(type), ErrorCode.ok);
    appendCounted(this.body, bytes, start, end - start);
    if (type !== OpCode.create) this.appendStat(this.body, node);
  }

  changed(type: number, node: number): void {
    if (!this.isMulti) {
      this.statNode = node;
      return;
    }
    this.beginPart(type, ErrorCode.ok);
    this.appendStat(this.body, node);
  }

  done(type: number): void {
    this.beginPart(type, ErrorCode.ok);
  }

  failed(code: number): void {
    if (!this.isMulti) {
      this.error = code;
      return;
    }
    this.beginPart(OpCode.error, code);
    this.body.int(code);
  }

  private beginPart(type: number, error: number): void {
    if (!this.isMulti) return;
    writeMultiHeader(this.body, this.body.reserve(MULTI_HEADER_BYTES), type, false, error);
  }

  private appendStat(out: JuteWriter, node: number): void {
    const { nodes } = this.tree;
    nodes.select(node);
    appendBytes(out, nodes.bytes, nodes.statAt, STAT_BYTES);
  }
}
