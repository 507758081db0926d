import { InvalidArgumentError } from '../errors.js';

interface Listeners {
  readonly callbacks: Set<() => void>;
  readonly onAbort: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/** Callers without types can pass anything, such as the controller of a signal. */
function listen(signal: AbortSignal, onAbort: () => void): void {
  if (typeof (signal as AbortSignal | null)?.addEventListener !== 'function') {
    throw new InvalidArgumentError('signal must be an AbortSignal, such as controller.signal');
  }
  signal.addEventListener('abort', onAbort, { once: true });
}

/**
 * Calls `callback` once when `signal` aborts, unless the returned function was called before.
 *
 * However many calls share a signal, it carries one listener: Node takes more than ten for a leak
 * and says so to the user.
 *
 * @throws {InvalidArgumentError} `signal` is none.
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
    listen(signal, onAbort);
    listenersOf.set(signal, listeners);
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
