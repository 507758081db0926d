import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamicModule, INestApplicationContext, LoggerService } from '@nestjs/common';
import { EnsembleModule, EnsembleTransport, type EnsembleOptions } from '../src/index.js';
import type { ZooKeeperModuleOptions } from '../src/index.js';

/** What a test made and has to take down again, in that order. */
export class Takedown {
  private readonly steps: (() => unknown)[] = [];

  /** Remembers an application that is to be closed. */
  app<T extends Pick<INestApplicationContext, 'close'>>(app: T): T {
    this.steps.unshift(() => app.close());
    return app;
  }

  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'aviary-nest-'));
    this.steps.push(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  async run(): Promise<void> {
    for (const step of this.steps.splice(0)) await step();
  }
}

/** A member with its data in `dataDir`, on a free port unless the ensemble's lines say another. */
export function memberIn(dataDir: string, options: EnsembleOptions = {}): DynamicModule {
  return EnsembleModule.forRoot({
    dataDir,
    ...(options.ensemble === undefined
      ? { clientPort: 0, tickTimeMs: 500 }
      : { tickTimeMs: 2_000 }),
    preAllocBytes: 64 << 10,
    ...options,
  });
}

/** Asynchronous options of a connection to the member of the same application. */
export function toOwnMember(options: Partial<ZooKeeperModuleOptions> = {}) {
  return {
    inject: [EnsembleTransport],
    useFactory: async (member: EnsembleTransport): Promise<ZooKeeperModuleOptions> => {
      await member.start();
      return { servers: member.address, closeTimeoutMs: 30_000, ...options };
    },
  };
}

/** Keeps what is logged. */
export class KeptLog implements LoggerService {
  readonly lines: string[] = [];
  private readonly waiting: { pattern: RegExp; found: () => void }[] = [];

  /** Resolves when a line matches. */
  said(pattern: RegExp): Promise<void> {
    return new Promise((found) => {
      if (this.lines.some((line) => pattern.test(line))) found();
      else this.waiting.push({ pattern, found });
    });
  }

  log(message: unknown): void {
    this.keep('log', message);
  }

  warn(message: unknown): void {
    this.keep('warn', message);
  }

  error(message: unknown): void {
    this.keep('error', message);
  }

  private keep(level: string, message: unknown): void {
    const line = `${level}: ${String(message)}`;
    this.lines.push(line);
    for (const { pattern, found } of this.waiting) if (pattern.test(line)) found();
  }
}
