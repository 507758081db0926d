import { Controller, Get, HttpCode, NotFoundException, Post } from '@nestjs/common';
import { answered } from '../status/answered.js';
import { Supervisor } from './supervisor.js';

/** The ids of processes that one may want to kill, and their return. In plain text, for a shell. */
@Controller()
export class ProcessesController {
  constructor(private readonly supervisor: Supervisor) {}

  /** The instance that holds the lock. */
  @Get('processes/holder')
  async holder(): Promise<string> {
    return `${await answered(this.supervisor.holderPid())}\n`;
  }

  /** The instance that leads. */
  @Get('processes/leader')
  async leader(): Promise<string> {
    return `${await answered(this.supervisor.leaderPid())}\n`;
  }

  /** The leader of the ensemble's members. */
  @Get('processes/member')
  member(): string {
    const leader = this.supervisor.members?.find(({ mode }) => mode === 'leader');
    if (leader === undefined) {
      throw new NotFoundException('no member that was started for this demo leads now');
    }
    return `${leader.pid}\n`;
  }

  /** Starts everybody again who has ended. */
  @Post('restart')
  @HttpCode(200)
  restart(): string {
    const names = this.supervisor.restart();
    return names.length === 0 ? 'nobody has ended\n' : `started again: ${names.join(', ')}\n`;
  }
}
