import { SESSION_TIMEOUT_MS, type RecipeWorld, type Service } from './recipe-world.js';

/**
 * Faults for `forMs` from now, as the world's seed draws: a server killed and paused, services paused for
 * up to twice their session timeout, cut off in one direction or both, all connections reset.
 *
 * @param pause Pauses a service; for tests that note when.
 */
export function torment(
  world: RecipeWorld,
  services: readonly Service[],
  forMs: number,
  pause: (service: Service, forMs: number) => void = (service, pauseMs) => {
    service.process.pause();
    world.world.after(pauseMs, () => service.process.resume());
  },
): void {
  const fates = world.world.random.fork('fates');
  const after = (ms: number, action: () => void) => world.world.after(ms, action);
  const names = services.map(({ name }) => name);
  world.servers.torment(forMs, names);
  // Members have faults of their own: with all of these, too, there would be nothing to see in between.
  const gapMs = world.servers.hosts.length > 1 ? 3_000 : 1_500;
  for (let at = 500; at < forMs; at += fates.between(100, gapMs)) {
    const victim = services[fates.below(services.length)]!;
    const { name } = victim;
    const faultMs = fates.between(1, 2 * SESSION_TIMEOUT_MS);
    switch (fates.below(7)) {
      case 0:
        after(at, () => world.boot());
        break;
      case 1:
        after(at, () => world.servers.pause());
        after(at + faultMs, () => world.servers.resume());
        break;
      case 2:
      case 3:
        after(at, () => pause(victim, faultMs));
        break;
      case 4:
        after(at, () => world.cutOff(name));
        after(at + faultMs, () => world.world.heal());
        break;
      case 5:
        after(at, () => world.cutOff(name, fates.below(2) === 0 ? 'out' : 'in'));
        after(at + faultMs, () => world.world.heal());
        break;
      default:
        after(at, () => names.forEach((each) => world.resetConnections(each)));
    }
  }
}
