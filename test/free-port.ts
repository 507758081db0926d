import { createServer, type Server } from 'node:net';

/** Below the ports that the demo takes, and those that systems take for outgoing connections. */
const PORT_MIN = 10_000;
const BLOCKS = 200;
const BLOCK_SIZE = 50;

/** What is left of the block of this test file. */
const left: number[] = [];

/** Listens at the port; null if somebody else does. */
function claim(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}

/** Whether nobody listens at a port of this machine. */
export async function isFree(port: number): Promise<boolean> {
  const server = await claim(port);
  if (server === null) return false;
  await new Promise((closed) => server.close(closed));
  return true;
}

/**
 * Who finds a port free and binds it later may find it taken by then, by a test of another process
 * that found the same one; so may a server that is started again. Hence a test file has blocks of its
 * own: who listens at the first port of one has all of it, until the process ends.
 */
async function claimBlock(): Promise<number[]> {
  for (;;) {
    const first = PORT_MIN + BLOCK_SIZE * Math.floor(Math.random() * BLOCKS);
    const server = await claim(first);
    if (server === null) continue;
    server.unref();
    return Array.from({ length: BLOCK_SIZE - 1 }, (_, at) => first + 1 + at);
  }
}

/** A port that nobody listens at, that no other test is given and no outgoing connection takes. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = left.shift();
    if (port === undefined) left.push(...(await claimBlock()));
    else if (await isFree(port)) return port;
  }
}

/** As many ports of that kind, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}
