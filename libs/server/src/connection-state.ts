/** How far a connection has come; the order matters. */
export const State = {
  /** Nothing, or too little to tell a four-letter word from a handshake. */
  new: 0,
  handshake: 1,
  /** The session is on its way through the log; what comes meanwhile is kept. */
  opening: 2,
  /** It has a session, and must prove who it is before anything else. */
  barred: 3,
  open: 4,
  /** The last answer is on its way out. */
  ending: 5,
  closed: 6,
} as const;
