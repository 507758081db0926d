/** The words that a new connection may send instead of a handshake. */
export const FOUR_LETTER_WORDS: readonly string[] = [
  'conf',
  'cons',
  'crst',
  'dirs',
  'dump',
  'envi',
  'gtmk',
  'hash',
  'isro',
  'mntr',
  'ruok',
  'srst',
  'srvr',
  'stat',
  'stmk',
  'wchc',
  'wchp',
  'wchs',
];

/** The four bytes of `word` as a big-endian number: what a frame length would be. */
export function fourLetterCode(word: string): number {
  let code = 0;
  for (let at = 0; at < 4; at++) code = (code << 8) | word.charCodeAt(at);
  return code;
}

const byCode = new Map(FOUR_LETTER_WORDS.map((word) => [fourLetterCode(word), word]));

/** The word whose four bytes make `code`, or undefined. */
export function fourLetterWord(code: number): string | undefined {
  return byCode.get(code);
}
