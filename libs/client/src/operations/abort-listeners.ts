interface Listeners {
  readonly callbacks: Set<() => void>;
  readonly onAbort: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `callback` once when `signal` aborts, unless the returned function was called before.
 *
 * However many calls share a signal, it carries one listener: Node takes more than ten for a leak
 * and says so to the user.
 */
export function whenAborted(signal: AbortSignal, callback: () => void): () => void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    const callbacks = new Set<() => void>();
    const onAbort = () => {
      listenersOf.delete(signal);
      for (const call of callbacks) call();
      callbacks.clear();
    };
    listeners = { callbacks, onAbort };
    listenersOf.set(signal, listeners);
    signal.addEventListener('abort', onAbort, { once: true });
  }
  const { callbacks, onAbort } = listeners;
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    if (listenersOf.get(signal)?.callbacks !== callbacks) return;
    listenersOf.delete(signal);
    signal.removeEventListener('abort', onAbort);
  };
}
