import type { SessionRequest } from './session-request.js';

/**
 * Requests in the order in which they are to be sent.
 *
 * Linked through the requests themselves: one that is aborted leaves from the middle, and one that
 * is sent leaves from the front, without a search and without memory of its own.
 */
export class WaitingList implements Iterable<SessionRequest> {
  private head: SessionRequest | null = null;
  private tail: SessionRequest | null = null;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get first(): SessionRequest | null {
    return this.head;
  }

  push(request: SessionRequest): void {
    request.previous = this.tail;
    request.next = null;
    if (this.tail === null) this.head = request;
    else this.tail.next = request;
    this.tail = request;
    this.count++;
  }

  /** Puts `requests` in front of all others, in their order. */
  prepend(requests: readonly SessionRequest[]): void {
    for (let at = requests.length - 1; at >= 0; at--) {
      const request = requests[at];
      if (request === undefined) continue;
      request.previous = null;
      request.next = this.head;
      if (this.head === null) this.tail = request;
      else this.head.previous = request;
      this.head = request;
      this.count++;
    }
  }

  /** Takes out a request that is in this list. */
  remove(request: SessionRequest): void {
    if (request.previous === null) this.head = request.next;
    else request.previous.next = request.next;
    if (request.next === null) this.tail = request.previous;
    else request.next.previous = request.previous;
    request.previous = null;
    request.next = null;
    this.count--;
  }

  /** In order; the request that was just given may be taken out. */
  *[Symbol.iterator](): IterableIterator<SessionRequest> {
    for (let at = this.head; at !== null;) {
      const { next }: SessionRequest = at;
      yield at;
      at = next;
    }
  }
}
