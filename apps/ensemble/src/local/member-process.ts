import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../configured.js';
import type { MemberPlace } from './local-ensemble.js';
import type { FromMember, ToMember } from './messages.js';

const PROGRAM = fileURLToPath(new URL('../member.main.js', import.meta.url));

/** How a member ended. */
export interface MemberEnd {
  /** For people: `status 1`, `killed by SIGKILL`. */
  readonly how: string;
  /** What it said of it; null: nothing. */
  readonly failure: { readonly sentence: string; readonly status: number } | null;
}

/** A member of the local ensemble as a process. */
export class MemberProcess {
  readonly ended: Promise<MemberEnd>;
  private readonly child: ChildProcess;
  private failure: MemberEnd['failure'] = null;

  /** @param keepsLog Whether what earlier processes of this member have logged is kept. */
  constructor(
    place: MemberPlace,
    environment: Environment,
    keepsLog: boolean,
    onMessage: (message: FromMember) => void,
  ) {
    const log = openSync(place.logPath, keepsLog ? 'a' : 'w');
    this.child = fork(PROGRAM, [place.configPath], {
      // A file is there whatever becomes of this process; a pipe would break.
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...environment, NO_COLOR: '1' },
    });
    closeSync(log);
    this.child.on('message', (message) => {
      const told = message as FromMember;
      if (told.kind === 'failed') this.failure = told;
      else onMessage(told);
    });
    this.ended = new Promise((done) => {
      this.child.once('exit', (code, signal) => {
        done({
          how: signal === null ? `status ${code ?? '?'}` : `killed by ${signal}`,
          failure: this.failure,
        });
      });
      this.child.once('error', (error) => {
        done({ how: error.message, failure: { sentence: error.message, status: 1 } });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Asks it to close everything and to end. */
  stop(): void {
    const message: ToMember = { kind: 'stop' };
    // Whoever has ended cannot be told.
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
