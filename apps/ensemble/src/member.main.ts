import 'reflect-metadata';
import { configured } from './configured.js';
import { EXIT_FAILURE, failureOf, type Failure } from './failure.js';
import type { FromMember } from './local/messages.js';
import { memberApp } from './member-app.js';

/** Tells the process that started this one, which may be gone; resolves once it is told. */
function tell(message: FromMember): Promise<void> {
  return new Promise((told) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => told());
    else told();
  });
}

function fail({ sentence, status }: Failure): void {
  process.stderr.write(`${sentence}\n`);
  void tell({ kind: 'failed', sentence, status }).then(() => process.exit(status));
}

/** Ends when `npm start` says so or is no more, however that ended, and at SIGTERM. */
function stopWithStarter(close: () => Promise<unknown>): () => boolean {
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    close().then(
      () => process.exit(0),
      (error: unknown) => fail({ ...failureOf(error), status: EXIT_FAILURE }),
    );
  };
  process.on('disconnect', stop);
  process.on('message', stop);
  process.on('SIGTERM', stop);
  // Ctrl-C reaches every process of the terminal. The one that started this one decides.
  process.on('SIGINT', () => undefined);
  // It may have ended before anybody here could hear of it.
  if (!process.connected) stop();
  return () => isStopping;
}

/** One member of the local ensemble. The starter names its configuration in the argument. */
async function main(): Promise<void> {
  let close = (): Promise<unknown> => Promise.resolve();
  const isStopping = stopWithStarter(() => close());
  const { options } = await configured(process.argv.slice(2), process.env);
  try {
    const onFailure = (sentence: string) => fail({ sentence, status: EXIT_FAILURE });
    // What is to be said of the configuration the starter has said, once for all members.
    const { app, transport } = await memberApp({
      options: { ...options, onFailure },
      warnings: [],
    });
    close = () => app.close();
    await app.listen();
    await tell({ kind: 'listening' });
    transport.mode$.subscribe((mode) => void tell({ kind: 'mode', mode }));
  } catch (error) {
    if (!isStopping()) fail(failureOf(error, options));
  }
}

main().catch((error: unknown) => fail(failureOf(error)));
