import { CounterClient } from '@aviary/counter';
import { WAIT_MS, type Stage } from './stage.js';

const PAUSE_MS = 120;
const DELTA_MAX = 1_000_000;

/** Changes a counter and a shared value, and looks at them. */
export function count(stage: Stage): {
  readonly seen: { count: number; valueZxid: number };
  close(): Promise<void>;
} {
  const { zk, settings } = stage;
  const options = { root: stage.path('counters'), identity: settings.worker };
  const counters = new CounterClient(zk, options);
  const counter = counters.int64('count');
  const value = counters.value('value');
  const seen = { count: 0, valueZxid: 0 };

  stage.repeat('counter', PAUSE_MS, async () => {
    // Different ones: the sum tells which of those were applied of which nobody knows.
    const delta = 1 + Math.floor(Math.random() * DELTA_MAX);
    stage.tell({ kind: 'adding', delta });
    try {
      const { before, ambiguous } = await stage.within('add', (waitMs) =>
        counter.add(BigInt(delta), { waitMs }),
      );
      const facts = { delta, before: Number(before), isAmbiguous: ambiguous };
      stage.tell({ kind: 'added', ...facts });
      stage.did('counter');
    } catch (error) {
      stage.tell({ kind: 'notAdded', delta });
      throw error;
    }
  });

  stage.repeat('value', PAUSE_MS, async () => {
    stage.tell({ kind: 'writing' });
    try {
      const { version, ambiguous } = await value.update(
        ({ data }) => String(Number(data.toString()) + 1),
        { waitMs: WAIT_MS },
      );
      stage.tell({ kind: 'written', version: version ?? -1, isAmbiguous: ambiguous });
      stage.did('value');
    } catch (error) {
      stage.tell({ kind: 'notWritten' });
      throw error;
    }
  });

  const subscription = counter.value$.subscribe((now) => {
    seen.count = Number(now);
    stage.tell({ kind: 'counted', value: seen.count });
  });
  subscription.add(
    value.value$.subscribe(({ zxid }) => {
      seen.valueZxid = Number(zxid);
      stage.tell({ kind: 'valued', zxid: seen.valueZxid });
    }),
  );
  const close = async (): Promise<void> => {
    subscription.unsubscribe();
    await counters.close();
  };
  return { seen, close };
}
