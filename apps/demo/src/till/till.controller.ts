import {
  BadRequestException,
  Body,
  ConflictException,
  Controller,
  Get,
  HttpCode,
  InternalServerErrorException,
  Post,
} from '@nestjs/common';
import type { Closer } from './books.js';
import { StaleTokenError } from './stale-token-error.js';
import { Till, TwoHoldersError, type Visitor } from './till.js';

/** One who closes the books, as JSON has it. */
export interface CloserBody {
  readonly instance: string;
  readonly token: string;
}

/** A visitor as JSON has it, which knows no bigint. */
export interface VisitorBody extends CloserBody {
  readonly nodePath: string;
}

/** The till for other processes. What it refuses is 409; that two holders met is 500. */
@Controller()
export class TillController {
  constructor(private readonly till: Till) {}

  @Post('enter')
  @HttpCode(200)
  async enter(@Body() body: VisitorBody): Promise<{ balance: number }> {
    const visitor = visitorOf(body);
    return { balance: await answered(() => this.till.enter(visitor)) };
  }

  @Post('book')
  @HttpCode(204)
  async book(@Body() body: VisitorBody & { readonly balance: number }): Promise<void> {
    await answered(() => this.till.book(visitorOf(body), body.balance));
  }

  @Post('leave')
  @HttpCode(204)
  async leave(@Body() body: VisitorBody): Promise<void> {
    await answered(() => this.till.leave(visitorOf(body)));
  }

  @Post('close')
  @HttpCode(204)
  async close(@Body() body: CloserBody): Promise<void> {
    await answered(() => this.till.books.close(closerOf(body)));
  }

  /** Every time that the books were closed, in order. */
  @Get('closings')
  closings(): object[] {
    return this.till.books.closings.map((one) => ({ ...one, token: String(one.token) }));
  }

  /** Everything that was accepted, in order. */
  @Get('ledger')
  ledger(): object[] {
    return this.till.ledger.map((entry) => ({ ...entry, token: String(entry.token) }));
  }
}

async function answered<T>(action: () => T): Promise<Awaited<T>> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof StaleTokenError) throw new ConflictException(error.message);
    if (error instanceof TwoHoldersError) throw new InternalServerErrorException(error.message);
    throw error;
  }
}

function visitorOf(body: Partial<VisitorBody> | undefined): Visitor {
  const { nodePath } = body ?? {};
  if (typeof nodePath !== 'string') throw new BadRequestException('a visitor has a nodePath');
  return { ...closerOf(body), nodePath };
}

function closerOf(body: Partial<CloserBody> | undefined): Closer {
  const { instance, token } = body ?? {};
  if (typeof instance !== 'string' || !/^\d+$/.test(`${token}`)) {
    throw new BadRequestException('who comes to the till has an instance and a token');
  }
  return { instance, token: BigInt(token ?? 0) };
}
