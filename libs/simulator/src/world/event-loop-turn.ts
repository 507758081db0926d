/**
 * Resolves when every promise reaction that can run has run, and those that follow from them.
 *
 * Node empties its queue of microtasks before it goes on to the next turn of its event loop, so one
 * turn is enough. Nothing else of the real world gets in: a simulated world has no real timers or
 * sockets.
 */
export function finishPromiseReactions(): Promise<void> {
  // eslint-disable-next-line no-restricted-globals -- no result depends on when the real loop turns
  return new Promise((resolve) => setImmediate(resolve));
}
