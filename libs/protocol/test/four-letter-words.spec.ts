import { describe, expect, it } from '@jest/globals';
import { FOUR_LETTER_WORDS, FrameReader, fourLetterCode, fourLetterWord } from '@aviary/protocol';

describe('four letter words', () => {
  it('have the code that their bytes make as a frame length', () => {
    expect(fourLetterCode('ruok')).toBe(0x72756f6b);
    for (const word of FOUR_LETTER_WORDS) {
      const bytes = Buffer.from(word, 'latin1');
      expect(bytes).toHaveLength(4);
      expect(fourLetterCode(word)).toBe(bytes.readInt32BE());
      expect(fourLetterWord(fourLetterCode(word))).toBe(word);
    }
  });

  it('are nothing else', () => {
    for (const code of [0, 4, 45, -1, 0x61626364, fourLetterCode('RUOK')]) {
      expect(fourLetterWord(code)).toBeUndefined();
    }
  });

  it('are faults for a frame reader, with their code as the announced length', () => {
    for (const word of FOUR_LETTER_WORDS) {
      const sink = { onFrame: () => true };
      const fault = new FrameReader(0xfffff).push(Buffer.from(word), 0, 4, sink);
      expect(fourLetterWord(fault?.announcedBytes ?? 0)).toBe(word);
    }
  });
});
