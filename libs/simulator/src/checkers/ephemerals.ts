import { HistoryOrder, type Violation } from './violation.js';

const STAYS = 'an ephemeral node stays while its session lives';

/** An ephemeral node as its owner saw it. */
interface Ephemeral {
  readonly path: string;
  readonly session: string;
  /** When its creation was acknowledged. */
  readonly created: number;
  /** When the owner asked for its removal; Infinity: never. */
  removing: number;
}

interface Sighting {
  readonly path: string;
  readonly isPresent: boolean;
  readonly began: number;
  readonly ended: number;
}

/** What is known of the life of a session. */
interface Life {
  /** When the newest write was sent that the server has done for it: it lived after that. */
  aliveAfter: number;
  /** When somebody was told that it is over; Infinity: nobody was. */
  over: number;
}

/**
 * What was seen of ephemeral nodes, to check that they are gone when their session is over, and not
 * before.
 */
export class EphemeralHistory {
  private readonly order = new HistoryOrder();
  private readonly nodes = new Map<string, Ephemeral>();
  private readonly sightings: Sighting[] = [];
  private readonly lives = new Map<string, Life>();
  private readonly missing: Violation[] = [];

  /** The owner was told that `path`, a name used once, is there and ends with `session`. */
  created(path: string, session: string): void {
    this.nodes.set(path, { path, session, created: this.order.next(), removing: Infinity });
  }

  /** The owner asks for the removal. */
  removing(path: string): void {
    const node = this.nodes.get(path);
    if (node !== undefined) node.removing = Math.min(node.removing, this.order.next());
  }

  /** The session is about to write. The result is called when that has succeeded. */
  writing(session: string): () => void {
    const began = this.order.next();
    return () => {
      const life = this.lifeOf(session);
      life.aliveAfter = Math.max(life.aliveAfter, began);
    };
  }

  /** The server has said that the session is over. */
  over(session: string): void {
    const life = this.lifeOf(session);
    life.over = Math.min(life.over, this.order.next());
  }

  /** Somebody looks for `path`, in a way that shows the newest state. The result takes the answer. */
  looking(path: string): (isPresent: boolean) => void {
    const began = this.order.next();
    return (isPresent) => {
      this.sightings.push({ path, isPresent, began, ended: this.order.next() });
    };
  }

  /** The owner was told, in the session of the node, that it is not there; nobody else removes it. */
  missed(path: string): void {
    this.missing.push({
      rule: STAYS,
      message: `${path} was not there for its owner, whose session lives`,
    });
  }

  /** What was seen and cannot be. */
  check(): Violation[] {
    const violations: Violation[] = [...this.missing];
    for (const sighting of this.sightings) {
      const node = this.nodes.get(sighting.path);
      if (node === undefined) continue;
      const problem = sighting.isPresent
        ? this.problemOfPresent(node, sighting)
        : this.problemOfAbsent(node, sighting);
      if (problem !== null) violations.push(problem);
    }
    return violations;
  }

  private problemOfPresent({ path, session }: Ephemeral, { began }: Sighting): Violation | null {
    if (this.lifeOf(session).over > began) return null;
    return {
      rule: 'an ephemeral node goes with its session',
      message: `${path} was seen after session ${session} was said to be over`,
    };
  }

  private problemOfAbsent(node: Ephemeral, { began, ended }: Sighting): Violation | null {
    const { created, path, removing, session } = node;
    if (began < created || ended > removing) return null;
    if (this.lifeOf(session).aliveAfter < ended) return null;
    return {
      rule: STAYS,
      message: `${path} was not there, and session ${session} wrote after that`,
    };
  }

  private lifeOf(session: string): Life {
    let life = this.lives.get(session);
    if (life === undefined) {
      life = { aliveAfter: -Infinity, over: Infinity };
      this.lives.set(session, life);
    }
    return life;
  }
}
