/** How items become bytes and come back. */
export interface ItemCodec<T> {
  /** @throws whatever says that it cannot be written. */
  encode(item: T): Uint8Array;
  /** @throws whatever says that it cannot be read: the item goes to the dead letters. */
  decode(bytes: Buffer): T;
}

/** Items as JSON text, in UTF-8. */
export const jsonItems: ItemCodec<unknown> = {
  encode: (item) => {
    const text = JSON.stringify(item) as string | undefined;
    if (text === undefined) throw new TypeError(`${typeof item} is nothing that JSON can write`);
    return Buffer.from(text);
  },
  decode: (bytes) => JSON.parse(bytes.toString()) as unknown,
};

/** Items as text, in UTF-8. */
export const textItems: ItemCodec<string> = {
  encode: (item) => Buffer.from(item),
  decode: (bytes) => bytes.toString(),
};

/** Items as they are. */
export const rawItems: ItemCodec<Uint8Array> = {
  encode: (item) => item,
  decode: (bytes) => bytes,
};
