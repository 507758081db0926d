import { SESSION_TIMEOUT_MS, type RecipeWorld, type Service } from './recipe-world.js';

/**
 * Faults for `forMs` from now, as the world's seed draws: the server killed and paused, services paused for
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
  for (let at = 500; at < forMs; at += fates.between(100, 1_500)) {
    const victim = services[fates.below(services.length)]!;
    const { name } = victim;
    const faultMs = fates.between(1, 2 * SESSION_TIMEOUT_MS);
    switch (fates.below(7)) {
      case 0:
        after(at, () => world.boot());
        break;
      case 1:
        after(at, () => world.host.process?.pause());
        after(at + faultMs, () => world.host.process?.resume());
        break;
      case 2:
      case 3:
        after(at, () => pause(victim, faultMs));
        break;
      case 4:
        after(at, () => world.world.partition([name], ['server']));
        after(at + faultMs, () => world.world.heal());
        break;
      case 5:
        after(at, () => {
          const [from, to] = fates.below(2) === 0 ? [name, 'server'] : ['server', name];
          world.world.cutOneWay(from, to);
        });
        after(at + faultMs, () => world.world.heal());
        break;
      default:
        after(at, () =>
          services.forEach((service) => world.world.fabric.resetBetween(service.name, 'server')),
        );
    }
  }
}
