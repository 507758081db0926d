import { LeaderCron, currentTerm } from '@aviary/leader';
import { Inject, Injectable } from '@nestjs/common';
import { BOOKS_ROLE } from '../layout.js';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';
import { TillClient } from './till.client.js';

/** The name of the job, under which its history stands in the ensemble. */
export const CLOSE_BOOKS = 'close-books';

/** Closes the books every other second, on one instance of all. */
@Injectable()
export class Bookkeeper {
  constructor(
    private readonly till: TillClient,
    @Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings,
  ) {}

  @LeaderCron('*/2 * * * * *', { name: CLOSE_BOOKS, role: BOOKS_ROLE, misfire: 'run-once' })
  async closeBooks(): Promise<void> {
    const { token, signal } = currentTerm();
    await this.till.close({ instance: this.settings.name, token }, signal);
  }
}
