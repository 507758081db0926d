import type { Log } from '@aviary/foundation';
import { Logger } from '@nestjs/common';

/** Writes what a room reports through Nest's logger, facts as an object for structured logs. */
export class NestLog implements Log {
  private readonly logger: Logger;

  constructor(context: string) {
    this.logger = new Logger(context);
  }

  info(message: string, facts?: Readonly<Record<string, unknown>>): void {
    this.logger.log(...withFacts(message, facts));
  }

  warn(message: string, facts?: Readonly<Record<string, unknown>>): void {
    this.logger.warn(...withFacts(message, facts));
  }

  error(message: string, facts?: Readonly<Record<string, unknown>>): void {
    this.logger.error(...withFacts(message, facts));
  }
}

function withFacts(
  message: string,
  facts?: Readonly<Record<string, unknown>>,
): [string, ...unknown[]] {
  return facts === undefined || Object.keys(facts).length === 0 ? [message] : [message, facts];
}
