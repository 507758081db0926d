/** How patient the servers of the model are. */
export const LIMITS = { tickMs: 100, initLimitTicks: 6, syncLimitTicks: 3 } as const;
