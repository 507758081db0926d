import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../free-port.js';
import { LOOPBACK, TestServer, type ServerKind } from './servers.js';

/** What a member is, as `srvr` says. */
export type MemberMode = 'leader' | 'follower' | 'observer';

/** An ensemble whose members are of either kind, each in its own process. Ids are counted from 1. */
export class TestEnsemble {
  private constructor(readonly members: readonly TestServer[]) {}

  /** Starts members of these kinds and waits until all serve; the last ones may be observers. */
  static async start(kinds: readonly ServerKind[], observers = 0): Promise<TestEnsemble> {
    const count = kinds.length;
    const ports = await freePorts(3 * count);
    const lines: Record<string, string> = {};
    for (let i = 0; i < count; i++) {
      const role = i < count - observers ? 'participant' : 'observer';
      const [quorumPort, electionPort] = [ports[count + i], ports[2 * count + i]];
      lines[`server.${i + 1}`] = `${LOOPBACK}:${quorumPort}:${electionPort}:${role}`;
    }
    const members = kinds.map((kind, i) => {
      const isObserver = i >= count - observers;
      const member = TestServer.prepare(kind, ports[i] ?? 0, {
        initLimit: 20,
        syncLimit: 10,
        ...(isObserver ? { peerType: 'observer' } : {}),
        ...lines,
      });
      writeFileSync(join(member.dataDir, 'myid'), `${i + 1}\n`);
      return member;
    });
    for (const member of members) member.launch();
    for (const member of members) await member.untilServing();
    return new TestEnsemble(members);
  }

  /** All members that run, as a connection string. */
  get hosts(): string {
    return this.members
      .filter(({ isRunning }) => isRunning)
      .map(({ hosts }) => hosts)
      .join(',');
  }

  /** The member of that id. */
  member(id: number): TestServer {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  /** What a member says that it is. */
  async modeOf(id: number): Promise<string> {
    return /Mode: (\w+)/.exec(await this.member(id).ask('srvr'))?.[1] ?? 'none';
  }

  /** Waits until some member leads, and returns its id. */
  async leader(): Promise<number> {
    const running = this.members.flatMap((member, i) => (member.isRunning ? [i + 1] : []));
    const find = async (): Promise<number> => {
      for (const id of running) {
        if ((await this.modeOf(id).catch(() => 'none')) === 'leader') return id;
      }
      return 0;
    };
    return this.member(1).until('a leader', find, (id) => id > 0);
  }

  /** Waits until a member has applied what the leader has. */
  async untilCaughtUp(id: number): Promise<void> {
    const zxidOf = async (of: number): Promise<string> =>
      /Zxid: (\w+)/.exec(await this.member(of).ask('srvr'))?.[1] ?? '';
    const leader = await this.leader();
    const isEqual = async (): Promise<boolean> => (await zxidOf(id)) === (await zxidOf(leader));
    await this.member(id).until('the zxid of the leader', isEqual, (equal) => equal);
  }

  /** How often a member of any kind has found that its tree is not the leader's. */
  async digestMismatches(): Promise<number> {
    let count = 0;
    for (const member of this.members) {
      if (member.isRunning) count += await member.metric('zk_digest_mismatches_count');
    }
    return count;
  }
}
