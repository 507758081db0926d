import { Controller, Get } from '@nestjs/common';
import { answered } from '../status/answered.js';
import { Coordination } from '../status/coordination-status.js';
import { Supervisor } from './supervisor.js';

/** `GET /status`: what the ensemble knows of the instances, and what became of the members. */
@Controller('status')
export class StatusController {
  constructor(
    private readonly coordination: Coordination,
    private readonly supervisor: Supervisor,
  ) {}

  @Get()
  async status(): Promise<object> {
    const known = await answered(this.coordination.status());
    return { ...known, ensemble: this.ensemble() };
  }

  /** What each member is, for people; null: they are somebody else's. */
  private ensemble(): Readonly<Record<string, string>> | null {
    const { members } = this.supervisor;
    if (members === null) return null;
    const words = members.map(({ id, pid, mode, isRunning }): [string, string] => [
      `member ${id}`,
      isRunning ? `${mode ?? 'starting'}, process ${pid}` : 'has ended',
    ]);
    return Object.fromEntries(words);
  }
}
