import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';
import type { Closer } from '../till/books.js';
import type { Visitor } from '../till/till.js';

/** The till, which stands in another process. */
@Injectable()
export class TillClient {
  constructor(@Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings) {}

  async enter(visitor: Visitor, signal: AbortSignal | undefined): Promise<number> {
    const response = await this.post('enter', visitor, {}, signal);
    const { balance } = (await response.json()) as { balance: number };
    return balance;
  }

  async book(visitor: Visitor, balance: number, signal: AbortSignal | undefined): Promise<void> {
    await this.post('book', visitor, { balance }, signal);
  }

  async leave(visitor: Visitor, signal: AbortSignal | undefined): Promise<void> {
    await this.post('leave', visitor, {}, signal);
  }

  async close(closer: Closer, signal: AbortSignal): Promise<void> {
    await this.post('close', closer, {}, signal);
  }

  private async post(
    action: string,
    who: Closer,
    facts: object,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const response = await fetch(new URL(action, this.settings.tillUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...who, token: String(who.token), ...facts }),
      signal: signal ?? null,
    });
    if (response.ok) return response;
    const { message } = (await response.json()) as { message?: string };
    throw new Error(`the till refused to ${action}: ${message ?? response.status}`);
  }
}
