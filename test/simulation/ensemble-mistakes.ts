import type { DiskFile } from '@aviary/foundation';
import type { ClientPort, EnsembleServer } from '@aviary/server';
import type { SimulatedProcess } from '@aviary/simulator';
import { Majority, type ServerId } from '@aviary/zab';
import type { Fault } from './ensemble-faults.js';
import type { Sabotage } from './ensemble-member.js';

/** A mistake that a member could make, and how soon the checkers must find it. */
export interface Mistake {
  readonly name: string;
  readonly seedsMax: number;
  readonly sabotage: Sabotage;
  /** What brings it to light; unset: drawn. */
  readonly faults?: readonly Fault[];
}

/** Does `change` to the client port of each role, before anybody is served. */
function onServe(server: EnsembleServer, change: (port: ClientPort) => void): void {
  const serve = server.serve.bind(server);
  server.serve = (port, epoch) => {
    change(port);
    serve(port, epoch);
  };
}

/** Lets every file of the process pass through `change`. */
function onFiles(process: SimulatedProcess, change: (file: DiskFile) => Partial<DiskFile>): void {
  const { disk } = process;
  const open = disk.open.bind(disk);
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return Object.assign(file, change(file));
  };
}

/** A file called `name` is written once, and never again. */
function forgettingFile(name: string): Sabotage {
  return (_server, { disk }) => {
    const rename = disk.rename.bind(disk);
    disk.rename = (from, to) => {
      const isThere = to.endsWith(`/${name}`) && disk.drive.paths().includes(to);
      return isThere ? disk.remove(from) : rename(from, to);
    };
  };
}

function answeringSyncsByItself(server: EnsembleServer): void {
  onServe(server, ({ writes }) => {
    writes.sync = (owner) => {
      if (writes.outstanding === 0) return false;
      writes.waitForApplied(owner);
      return true;
    };
  });
}

function touchingNobody(server: EnsembleServer): void {
  onServe(server, ({ sessions, role }) => {
    if (role.mode !== 'leader') sessions.touch = () => undefined;
  });
}

function acknowledgingBeforeSync(_server: EnsembleServer, process: SimulatedProcess): void {
  onFiles(process, (file) => {
    const write = file.write.bind(file);
    return {
      commit: (bytes, position, done) => {
        void write(bytes.slice(), position).then(() => done(null));
      },
    };
  });
}

function leadingAlone(server: EnsembleServer): void {
  const verifiers = [new Majority([server.self] satisfies ServerId[])];
  Object.defineProperty(server, 'verifiers', { value: verifiers });
}

function sendingAllButTheLast(server: EnsembleServer): void {
  onServe(server, ({ role }) => {
    if (role.mode !== 'leader') return;
    const { history } = server.state;
    const { indexAfter } = history;
    // What is sent to a learner begins one transaction too late.
    history.indexAfter = (zxid) => Math.min(indexAfter.call(history, zxid) + 1, history.size);
  });
}

function expiringNobody(server: EnsembleServer): void {
  onServe(server, ({ role }) => {
    if (role.mode === 'leader') role.stop();
  });
}

/** What belongs to `owner` and is called `name`: mistakes are made behind closed doors. */
function partOf<Part extends object>(owner: object, name: string): Part {
  return Reflect.get(owner, name) as Part;
}

function answeringSyncsLast(server: EnsembleServer): void {
  onServe(server, ({ role, writes }) => {
    if (role.mode !== 'leader') return;
    Object.defineProperty(partOf(writes, 'syncs'), 'firstAfter', { value: Infinity });
  });
}

function showingWhatIsOldAfterSyncs(server: EnsembleServer): void {
  onServe(server, ({ role, writes }) => {
    if (role.mode === 'leader') return;
    const syncs = partOf<{ owner: { onApplied(): void } }[]>(writes, 'syncs');
    Reflect.set(writes, 'syncAnswered', () => syncs.shift()?.owner.onApplied());
  });
}

function droppingWatchesOnReconnect(server: EnsembleServer): void {
  onServe(server, ({ watchRestorer }) => {
    watchRestorer.run = () => true;
  });
}

function cuttingWhatOthersCommitted(server: EnsembleServer): void {
  onServe(server, ({ role }) => {
    if (role.mode !== 'leader') return;
    const syncs = partOf<{ bring: (link: object, peer: number, committed: number) => void }>(
      partOf(server, 'role'),
      'syncs',
    );
    const bring = syncs.bring.bind(syncs);
    syncs.bring = (link, peer) => bring(link, peer, 0);
  });
}

function countingSessionsFromOne(server: EnsembleServer): void {
  onServe(server, ({ role }) => {
    let next = 1;
    Reflect.set(role, 'takeId', () => ({ high: server.self << 24, low: next++ }));
  });
}

function askingAgainInTheSameEpoch(server: EnsembleServer): void {
  const waiting = partOf<{ portFor: (epoch: number, tree: object) => unknown }>(server, 'waiting');
  const portFor = waiting.portFor.bind(waiting);
  waiting.portFor = (epoch, tree) => portFor(epoch + 1, tree);
}

function answeringWhatItsOwnLogHas(server: EnsembleServer): void {
  const waiting = partOf<{
    left: { readonly port: ClientPort } | null;
    applyThrough: (through: number) => boolean;
  }>(server, 'waiting');
  const applyThrough = waiting.applyThrough.bind(waiting);
  waiting.applyThrough = (through) => {
    const port = waiting.left?.port;
    if (port !== undefined) port.isMuted = false;
    const isDone = applyThrough(through);
    port?.flushOutputs();
    return isDone;
  };
}

/** The mistakes that the simulation must find; each by itself, in every member. */
export const MISTAKES: readonly Mistake[] = [
  {
    name: 'acknowledges what is not synced',
    seedsMax: 5,
    sabotage: acknowledgingBeforeSync,
    faults: ['blackout', 'squeeze'],
  },
  {
    name: 'answers a sync without asking its leader, or its followers',
    seedsMax: 5,
    sabotage: answeringSyncsByItself,
    faults: ['isolateLeader', 'slowDisk'],
  },
  {
    name: 'forgets to tell its leader of whom it has heard',
    seedsMax: 10,
    sabotage: touchingNobody,
    faults: [],
  },
  { name: 'lets no session expire', seedsMax: 1, sabotage: expiringNobody, faults: [] },
  {
    name: 'leads without a quorum',
    seedsMax: 5,
    sabotage: leadingAlone,
    faults: ['isolateLeader', 'partition'],
  },
  {
    name: 'does not keep the epoch that it has agreed to',
    seedsMax: 30,
    sabotage: forgettingFile('acceptedEpoch'),
    faults: ['kill', 'partition', 'isolateLeader', 'blackout'],
  },
  {
    name: 'does not sync directories',
    seedsMax: 10,
    sabotage: (_server, { disk }) => {
      disk.syncDirectory = () => Promise.resolve();
    },
    faults: ['blackout'],
  },
  {
    name: 'leaves out the first transaction that a learner misses',
    seedsMax: 3,
    sabotage: sendingAllButTheLast,
    faults: ['kill', 'reset'],
  },
  {
    name: 'answers a sync after what was written behind it',
    seedsMax: 3,
    sabotage: answeringSyncsLast,
    faults: ['slowDisk'],
  },
  {
    name: 'serves reads behind a sync before it has what the leader had',
    seedsMax: 10,
    sabotage: showingWhatIsOldAfterSyncs,
    faults: ['slowDisk'],
  },
  {
    name: 'drops the watches of a client that comes back',
    seedsMax: 10,
    sabotage: droppingWatchesOnReconnect,
    faults: ['reset', 'cutClient', 'kill'],
  },
  {
    name: 'leads, and cuts what others have committed and it has not logged yet',
    seedsMax: 30,
    sabotage: cuttingWhatOthersCommitted,
    faults: ['squeeze'],
  },
  {
    name: 'asks its leader again for what that may be about to do',
    seedsMax: 40,
    sabotage: askingAgainInTheSameEpoch,
    faults: ['reset', 'slowDisk', 'pause'],
  },
  {
    name: 'tells clients whose leader is gone what may be cut off again',
    seedsMax: 10,
    sabotage: answeringWhatItsOwnLogHas,
    faults: ['outvote'],
  },
  {
    name: 'counts its sessions from one again whenever it begins to serve',
    seedsMax: 30,
    sabotage: countingSessionsFromOne,
    faults: ['kill', 'reset', 'isolateLeader'],
  },
];
