import { createServer, type Server } from 'node:net';

/** Below the range from which systems take the ports of outgoing connections. */
const PORT_MIN = 24_000;
const PORT_MAX = 32_000;

/**
 * So many ports in a row that nobody listens at on this machine, and that no other demo takes while
 * this process lives, though a member that was killed does not listen at its own for a while: who
 * listens at the port before them has them.
 */
export async function claimPorts(count: number): Promise<readonly number[]> {
  const blocks = Math.floor((PORT_MAX - PORT_MIN) / (count + 1));
  for (;;) {
    const claimed = PORT_MIN + (count + 1) * Math.floor(Math.random() * blocks);
    const claim = await listen(claimed);
    if (claim === null) continue;
    const ports = Array.from({ length: count }, (_, at) => claimed + 1 + at);
    if (await areFree(ports)) {
      claim.unref();
      return ports;
    }
    await close(claim);
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === null) return false;
    await close(server);
  }
  return true;
}

/** null: somebody else listens there. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
