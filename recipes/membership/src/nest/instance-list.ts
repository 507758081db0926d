import { ClosedError } from '@aviary/client';
import type { Observable, Subscription } from 'rxjs';
import type { RosterView } from '../core/roster.js';
import type { DiscoveredInstance } from '../core/services.js';

type Instances = readonly DiscoveredInstance[];

/** Who is listed, as long as somebody follows it. */
export class InstanceList {
  /** null: it is not known yet. During a broken connection it stays as it was. */
  instances: Instances | null = null;
  /** Why it is followed no more; null: it is. */
  end: Error | null = null;
  private readonly subscription: Subscription;
  private wake: () => void = () => undefined;
  private news = this.nextNews();

  constructor(
    view$: Observable<RosterView<DiscoveredInstance>>,
    private readonly onChange: (instances: Instances) => void,
  ) {
    this.subscription = view$.subscribe({
      next: ({ members }) => {
        this.instances = members;
        this.onChange(members);
        this.tell();
      },
      error: (error: unknown) => this.stop(error as Error),
      complete: () => {
        this.stop(new ClosedError('the client of ZooKeeper is closed', { outcome: 'notApplied' }));
      },
    });
    if (this.end !== null) this.subscription.unsubscribe();
  }

  /** Resolves at the next change; to be asked for before the look that may already be late. */
  get changed(): Promise<void> {
    return this.news;
  }

  stop(reason: Error): void {
    if (this.end !== null) return;
    this.end = reason;
    // It may end while it is being subscribed to.
    (this.subscription as Subscription | undefined)?.unsubscribe();
    this.tell();
  }

  private tell(): void {
    const { wake } = this;
    this.news = this.nextNews();
    wake();
  }

  private nextNews(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }
}
