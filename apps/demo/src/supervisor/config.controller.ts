import { ConfigRejectedError } from '@aviary/config';
import {
  BadRequestException,
  Controller,
  HttpCode,
  Post,
  Put,
  Req,
  type RawBodyRequest,
} from '@nestjs/common';
import { Publisher } from './publisher.js';

/** `PUT /config` and `POST /config/rollback`; both answer with what the instances say about it. */
@Controller('config')
export class ConfigController {
  constructor(private readonly publisher: Publisher) {}

  /** The body is JSON, whatever its type is called: `curl -d` calls it a form. */
  @Put()
  async publish(@Req() request: RawBodyRequest<object>): Promise<string> {
    const value = parsed(String(request.rawBody ?? ''));
    return line(await this.publisher.publish(value));
  }

  @Post('rollback')
  @HttpCode(200)
  async rollBack(): Promise<string> {
    try {
      return line(await this.publisher.rollBack());
    } catch (error) {
      if (error instanceof ConfigRejectedError) throw new BadRequestException(error.message);
      throw error;
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new BadRequestException(`the body must be a configuration in JSON: ${problem}`);
  }
}

function line(text: string): string {
  return `${text}\n`;
}
