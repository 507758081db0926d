/** A longer queue of contenders is reported: each of them lists them all, and at 20,000 the list fits no answer. */
export const CONTENDERS_ALARMING = 1_000;
