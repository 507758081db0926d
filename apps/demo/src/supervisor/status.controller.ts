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
    return { ...known, ensemble: this.supervisor.members };
  }
}
