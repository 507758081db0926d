import type { EnsembleTransport } from '@aviary/nest';
import type { Configured } from './configured.js';
import { EXIT_FAILURE, EXIT_IMPATIENT, failureOf, type Failure } from './failure.js';
import { memberApp } from './member-app.js';

const SIGNAL_REPEAT_MS = 1_000;

/** Runs a member in this process, for the person or the supervisor that started it. */
export async function runInForeground(configured: Configured): Promise<void> {
  try {
    const { app, transport } = await memberApp(configured);
    const isStopping = stopAtSignals(() => app.close());
    // Operators and tools ask a JVM for its state with this signal; it must not end a member.
    process.on('SIGQUIT', () => void report(transport));
    try {
      await app.listen();
    } catch (error) {
      // Who stops a member while it starts has not met a failure.
      if (!isStopping()) throw error;
      return;
    }
    process.stdout.write(greeting(transport, configured));
  } catch (error) {
    fail(failureOf(error, configured.options));
  }
}

/** Ends the process. */
export function fail({ sentence, status }: Failure): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(status);
}

/**
 * Closes at SIGTERM and at Ctrl-C, and ends the process. Ctrl-C under npm can arrive twice at once;
 * what comes later is a person who will not wait.
 *
 * @param hurry Called when that person is there, before the process ends.
 * @returns Whether it was told to stop.
 */
export function stopAtSignals(
  close: () => Promise<unknown>,
  hurry: () => void = () => undefined,
): () => boolean {
  let toldMs: number | null = null;
  const stop = () => {
    if (toldMs !== null) {
      if (performance.now() - toldMs <= SIGNAL_REPEAT_MS) return;
      hurry();
      process.exit(EXIT_IMPATIENT);
    }
    toldMs = performance.now();
    close().then(
      () => process.exit(0),
      (error: unknown) => fail({ ...failureOf(error), status: EXIT_FAILURE }),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => toldMs !== null;
}

function greeting(transport: EnsembleTransport, { options }: Configured): string {
  const { address, listensEverywhere } = transport;
  const { dataDir, ensemble, serverId } = options;
  const reach = listensEverywhere
    ? ', and on every interface: whoever reaches the port may use what no ACL protects'
    : '';
  const self = [`  process  ${process.pid}`, `  data     ${dataDir}`];
  const lines =
    typeof ensemble === 'object'
      ? [
          `Aviary is server ${serverId} of ${ensemble.members.size} and listens for ZooKeeper clients at ${address}${reach}`,
          ...self,
          'Clients are served while most of the servers run. Stop with Ctrl-C.',
        ]
      : [
          `Aviary serves ZooKeeper clients at ${address}${reach}`,
          ...self,
          '',
          'Try next, in another terminal:',
          '  npm run demo                        several services that share one lock',
          `  zkCli.sh -server ${address}   any ZooKeeper client works`,
          'Stop with Ctrl-C.',
        ];
  return `${lines.join('\n')}\n`;
}

/** Prints what `mntr` tells, without a connection. */
async function report(transport: EnsembleTransport): Promise<void> {
  const figures = await transport.unwrap().monitor?.answerWord('mntr');
  process.stderr.write(figures ?? 'The member does not serve yet.\n');
}
