import { Controller, HttpCode, Post, ServiceUnavailableException } from '@nestjs/common';
import { CoordinationError } from '@aviary/client';
import { Clerk } from './clerk.js';

/** `POST /visits`: works at the till once, when it is this instance's turn. */
@Controller('visits')
export class VisitsController {
  constructor(private readonly clerk: Clerk) {}

  @Post()
  @HttpCode(204)
  async visit(): Promise<void> {
    try {
      await this.clerk.serve();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const kind = error instanceof CoordinationError ? `${error.name}: ` : '';
      throw new ServiceUnavailableException(kind + error.message);
    }
  }
}
