import { describe, expect, it } from '@jest/globals';
import { formatEnsembleConfig, parseEnsembleConfig } from '@aviary/protocol';
import { electionMembership } from '../../src/election/membership.js';
import { Scene } from './scene.js';
import { initialOf, saying } from './wire-peer.js';

const NEWER = [
  ...[1, 2, 3, 4].map((id) => `server.${id}=s${id}:2888:3888:participant`),
  'version=100000000',
].join('\n');

describe('the loop of a member', () => {
  it('hears which peer looks for a leader while it leads', async () => {
    const scene = new Scene(3, [1, 2]);
    scene.peer(1).listen();
    scene.peer(1).onAccepted = (connection) => connection.send(saying({ leader: 3 }));
    await scene.start();
    await scene.reach(() => scene.ours.role?.state === 'leading');
    scene.ours.settle(1);
    scene.peer(1).accepted[0]!.send(saying({ leader: 1, round: 2 }));
    await scene.reach(() => scene.ours.sawLookingOf.length === 1);
    expect(scene.ours.sawLookingOf).toEqual([1]);
    const answers = () => scene.peer(1).accepted[0]!.notifications(initialOf(3).length);
    await scene.reach(() => answers().at(-1)?.state === 2);
    expect(answers().at(-1)).toMatchObject({ leader: 3, electionEpoch: 1, peerEpoch: 1 });
  });

  it('hears that a leader, whom it has not reached yet, has crashed', async () => {
    const scene = new Scene(1, [2, 3]);
    await scene.start();
    const leader = scene.connect(3, initialOf(3), saying({ leader: 3 }));
    scene.connect(2, initialOf(2), saying({ leader: 3 }));
    await scene.reach(() => scene.ours.role?.leader === 3);
    leader.close();
    await scene.reach(() => scene.ours.abandoned.length > 0);
    expect(scene.ours.abandoned).toEqual([{ leader: 3, reason: 'leaderCrashed' }]);
  });

  it('does not hear so once leader and learner have found each other', async () => {
    const scene = new Scene(1, [2, 3]);
    await scene.start();
    const leader = scene.connect(3, initialOf(3), saying({ leader: 3 }));
    scene.connect(2, initialOf(2), saying({ leader: 3 }));
    await scene.reach(() => scene.ours.role?.leader === 3);
    scene.ours.run((port) => port.confirmed());
    leader.close();
    await scene.pass(1000);
    expect(scene.ours.abandoned).toEqual([]);
  });

  it('may look again from within the news of a decision', async () => {
    const scene = new Scene(1, [2, 3]);
    let looks = 0;
    const decided = scene.ours.decided.bind(scene.ours);
    scene.ours.decided = (state, leader, vote) => {
      decided(state, leader, vote);
      if (++looks > 3) return;
      scene.ours.port.roleEnded();
      scene.ours.look();
    };
    await scene.start();
    const vote = (round: number) => saying({ leader: 3, round });
    const peers = [2, 3].map((id) => scene.connect(id, initialOf(id)));
    await scene.reach(() => scene.ours.port.connected.length === 2);
    for (let round = 1; round <= 4; round++) {
      await scene.reach(() => scene.ours.port.round === round);
      for (const peer of peers) peer.send(vote(round));
    }
    await scene.reach(() => scene.ours.decisions.length === 4);
    expect(scene.ours.role).toMatchObject({ state: 'following', leader: 3 });
  });

  it('tells a leader that was appointed to those who look', async () => {
    const scene = new Scene(1, [2, 3]);
    await scene.start(false);
    scene.ours.run((port) => port.appointed(3, 0x1_0000_0005));
    const asker = scene.connect(2, initialOf(2), saying({ leader: 2 }));
    await scene.reach(() => asker.notifications().length > 0);
    expect(asker.notifications()).toMatchObject([{ state: 1, leader: 3, zxid: 0x1_0000_0005 }]);
  });
});

describe('a newer configuration', () => {
  it('is handed over, and the election goes on with it', async () => {
    const scene = new Scene(1, [2, 3], { given: { election: { adoptsNewerConfig: true } } });
    await scene.start();
    scene.connect(3, initialOf(3), saying({ leader: 3, config: NEWER }));
    await scene.reach(() => scene.ours.newerConfigs.length > 0);
    expect(scene.ours.newerConfigs).toEqual([NEWER]);
    const config = parseEnsembleConfig(NEWER);
    scene.ours.run((port) => port.configured(electionMembership(1, config)));
    for (const id of [2, 3]) {
      scene.connect(id, initialOf(id), saying({ leader: 3, round: 2, config: NEWER }));
    }
    await scene.reach(() => scene.ours.role?.leader === 3);
    expect(scene.ours.newerConfigs).toHaveLength(1);
  });

  it('is not looked at unless it may be adopted', async () => {
    const scene = new Scene(1, [2, 3]);
    await scene.start();
    for (const id of [2, 3]) scene.connect(id, initialOf(id), saying({ leader: 3, config: NEWER }));
    await scene.reach(() => scene.ours.role?.leader === 3);
    expect(scene.ours.newerConfigs).toEqual([]);
  });

  it('that cannot be read does not keep a vote from counting', async () => {
    const scene = new Scene(1, [2, 3], { given: { election: { adoptsNewerConfig: true } } });
    await scene.start();
    const config = 'server.1=\nversion=ffffffff';
    for (const id of [2, 3]) scene.connect(id, initialOf(id), saying({ leader: 3, config }));
    await scene.reach(() => scene.ours.role?.leader === 3);
    expect(scene.ours.newerConfigs).toEqual([]);
  });
});

describe('the membership of an ensemble', () => {
  const hierarchical = parseEnsembleConfig(
    [
      ...[1, 2, 3].map((id) => `server.${id}=s${id}:2888:3888`),
      'server.4=s4:2888:3888:observer',
      'group.1=1',
      'group.2=2',
      'group.3=3',
      'weight.3=0',
      'version=5',
    ].join('\n'),
  );

  it('has its quorums from groups and weights', () => {
    const { config } = electionMembership(4, hierarchical);
    expect(config.observer).toBe(true);
    expect(config.current.version).toBe(5);
    expect(config.current.verifier.weightOf(3)).toBe(0);
    expect(config.current.verifier.isQuorum(new Set([1, 2]))).toBe(true);
    expect(config.current.verifier.isQuorum(new Set([1, 3]))).toBe(false);
  });

  it('has the addresses of the configuration in force before those of the proposed one', () => {
    const moved = parseEnsembleConfig(
      formatEnsembleConfig(hierarchical)
        .replace('s1:2888:3888', 's9:2888:3889')
        .replace('=5', '=6'),
    );
    const { config, addresses } = electionMembership(2, hierarchical, moved);
    expect(config.observer).toBe(false);
    expect(config.lastSeen?.version).toBe(6);
    expect(addresses.get(1)).toEqual([
      { host: 's1', port: 3888 },
      { host: 's9', port: 3889 },
    ]);
    expect(addresses.get(2)).toEqual([{ host: 's2', port: 3888 }]);
  });
});
