/** Default of `jute.maxbuffer`: the longest frame, in bytes. */
export const FRAME_BYTES_MAX_DEFAULT = 0xfffff;

/** Default client port. */
export const CLIENT_PORT_DEFAULT = 2181;

/** The longest setWatches that clients send in one frame, in bytes of paths. */
export const SET_WATCHES_BYTES_MAX = 128 * 1024;
