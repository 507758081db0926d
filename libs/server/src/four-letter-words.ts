import { formatSessionId, formatZxid } from '@aviary/foundation';
import { opCodeName } from '@aviary/protocol';
import type { ClientConnection } from './client-connection.js';
import type { ClientPort } from './client-port.js';
import { metrics } from './metrics.js';
import { environmentText, refusalOfWord, unservedAnswer } from './unserved-words.js';
import { SERVER_VERSION } from './version.js';

/** Bytes of the files in the data directory and in that of the logs. */
interface Sizes {
  readonly snapshots: number;
  readonly logs: number;
}

/** What `cons` calls the last operation of a connection: the reference's abbreviations. */
const OPERATION_NAMES: ReadonlyMap<string, string> = new Map([
  ['notification', 'NOTI'],
  ['create', 'CREA'],
  ['delete', 'DELE'],
  ['exists', 'EXIS'],
  ['getData', 'GETD'],
  ['setData', 'SETD'],
  ['getACL', 'GETA'],
  ['setACL', 'SETA'],
  ['getChildren', 'GETC'],
  ['sync', 'SYNC'],
  ['ping', 'PING'],
  ['getChildren2', 'GETC'],
  ['multi', 'MULT'],
  ['setWatches', 'SETW'],
  ['createSession', 'SESS'],
  ['closeSession', 'CLOS'],
]);

/** A number as Java prints a mean: with a fraction, and not a long one. */
function decimal(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded);
}

const timeFormat = new Intl.DateTimeFormat('en-US', {
  timeZone: 'UTC',
  weekday: 'short',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  year: 'numeric',
});

/** A time as Java prints it: `Sun Nov 22 18:45:26 UTC 2026`. */
function plainTime(wallMs: number): string {
  const parts = new Map(timeFormat.formatToParts(wallMs).map(({ type, value }) => [type, value]));
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? '';
  const time = `${of('hour')}:${of('minute')}:${of('second')}`;
  return `${of('weekday')} ${of('month')} ${of('day')} ${time} UTC ${of('year')}`;
}

/**
 * Answers the four-letter words in ZooKeeper's format, so that what was written to read its answers
 * reads ours.
 */
export class FourLetterWords {
  constructor(private readonly port: ClientPort) {}

  /** The whole text to send before the connection is closed. */
  answer(word: string): string | Promise<string> {
    const refusal = refusalOfWord(word, this.port.options.fourLetterWords);
    if (refusal !== null) return refusal;
    if (!this.port.isServing) return unservedAnswer(word, this.port.environment);
    switch (word) {
      case 'ruok':
        return 'imok';
      case 'isro':
        return 'rw';
      case 'srvr':
        return this.versionLine() + this.serverLines();
      case 'stat':
        return `${this.versionLine()}Clients:\n${this.clientLines(briefly)}\n${this.serverLines()}`;
      case 'cons':
        return `${this.clientLines(inFull)}\n`;
      case 'conf':
        return this.withSizes((sizes) => this.configurationLines(sizes));
      case 'dirs':
        return this.withSizes(sizeLines);
      case 'dump':
        return this.dump();
      case 'envi':
        return environmentText(this.port.environment);
      case 'mntr':
        return this.monitorLines();
      case 'wchs':
        return this.watchSummary();
      case 'wchc':
        return this.watches((path, session) => [session, path]);
      case 'wchp':
        return this.watches((path, session) => [path, session]);
      case 'srst':
        this.port.latency.reset();
        this.port.traffic.received = 0;
        this.port.traffic.sent = 0;
        return 'Server stats reset.\n';
      case 'crst':
        for (const connection of this.port.connections) connection.statistics.reset();
        return 'Connection stats reset.\n';
      default:
        return `${word} is not supported by this server.\n`;
    }
  }

  private versionLine(): string {
    return `Zookeeper version: ${SERVER_VERSION}\n`;
  }

  private serverLines(): string {
    const { latency, traffic, connections, writes, tree } = this.port;
    const { minMs, meanMs, maxMs } = latency;
    const times = `${Math.floor(minMs)}/${decimal(meanMs)}/${Math.floor(maxMs)}`;
    return [
      `Latency min/avg/max: ${times}`,
      `Received: ${traffic.received}`,
      `Sent: ${traffic.sent}`,
      `Connections: ${connections.size}`,
      `Outstanding: ${writes.outstanding}`,
      `Zxid: 0x${formatZxid(tree.lastZxid)}`,
      `Mode: ${this.port.role.mode}`,
      `Node count: ${tree.nodes.size}`,
      '',
    ].join('\n');
  }

  private clientLines(describe: (connection: ClientConnection) => string): string {
    let lines = '';
    for (const connection of this.port.connections) {
      const { address, port } = connection.stream.remote;
      const host = address.includes(':') ? `[${address}]` : address;
      const isOpen = connection.session === null ? 0 : 1;
      lines += ` /${host}:${port}[${isOpen}](${describe(connection)})\n`;
    }
    return lines;
  }

  /** What tells sizes asks the disk for them; one that does not answer has none. */
  private async withSizes(tell: (sizes: Sizes) => string): Promise<string> {
    const { directory } = this.port;
    const unknown = { snapshots: -1, logs: -1 };
    return tell((await directory?.sizes().catch(() => unknown)) ?? unknown);
  }

  private configurationLines({ snapshots, logs }: Sizes): string {
    const { options, local } = this.port;
    return [
      `clientPort=${local.port}`,
      'secureClientPort=-1',
      `dataDir=${options.dataDir}/version-2`,
      `dataDirSize=${snapshots}`,
      `dataLogDir=${options.dataLogDir}/version-2`,
      `dataLogSize=${logs}`,
      `tickTime=${options.tickTimeMs}`,
      `maxClientCnxns=${options.limits.connectionsPerAddressMax}`,
      `minSessionTimeout=${options.minSessionTimeoutMs}`,
      `maxSessionTimeout=${options.maxSessionTimeoutMs}`,
      `clientPortListenBacklog=${options.backlog}`,
      'serverId=0',
      '',
    ].join('\n');
  }

  private dump(): string {
    const { sessions, tree, connections } = this.port;
    const wallMs = this.port.clock.wallMs();
    const sets = [...sessions.byExpiry()];
    let text = `SessionTracker dump:\nSession Sets (${sets.length})/(${sessions.size}):\n`;
    for (const { inMs, sessions } of sets) {
      text += `${sessions.length} expire at ${plainTime(wallMs + inMs)}:\n`;
      for (const session of sessions) text += `\t${formatSessionId(session.id)}\n`;
    }
    text += 'ephemeral nodes dump:\n';
    const owners: string[] = [];
    tree.ephemerals.forEach((nodes, high, low) => {
      const id = (BigInt(high) << 32n) | BigInt(low >>> 0);
      const paths = [...nodes].map((node) => `\t${tree.nodes.pathOf(node)}\n`);
      owners.push(`${formatSessionId(id)}:\n${paths.join('')}`);
    });
    text += `Sessions with Ephemerals (${owners.length}):\n${owners.join('')}`;
    text += `Connections dump:\nConnections Sets (1)/(${connections.size}):\n`;
    text += `${connections.size} connections:\n`;
    for (const { stream, session } of connections) {
      const id = formatSessionId(session?.id ?? 0n);
      text += `\tip: /${stream.remote.address}:${stream.remote.port} sessionId: ${id}\n`;
    }
    return text;
  }

  private monitorLines(): string {
    return metrics(this.port)
      .map(([name, value]) => `zk_${name}\t${value}\n`)
      .join('');
  }

  private watchSummary(): string {
    const { connections, paths, watches } = this.port.tree.watches.dataWatchCounts();
    return `${connections} connections watching ${paths} paths\nTotal watches:${watches}\n`;
  }

  private watches(pair: (path: string, session: string) => [string, string]): string {
    const sessions = new Map<unknown, string>();
    for (const connection of this.port.connections) {
      sessions.set(connection, formatSessionId(connection.session?.id ?? 0n));
    }
    const grouped = new Map<string, string[]>();
    this.port.tree.watches.forEachDataWatch((path, watcher) => {
      const [key, value] = pair(path, sessions.get(watcher) ?? '0x0');
      const values = grouped.get(key);
      if (values === undefined) grouped.set(key, [value]);
      else values.push(value);
    });
    let text = '';
    for (const [key, values] of grouped)
      text += `${key}\n${values.map((v) => `\t${v}\n`).join('')}`;
    return `${text}\n`;
  }
}

function sizeLines({ snapshots, logs }: Sizes): string {
  return `datadir_size: ${snapshots}\nlogdir_size: ${logs}\n`;
}

function briefly(connection: ClientConnection): string {
  const { outstanding, statistics } = connection;
  const { packetsReceived, packetsSent } = statistics;
  return `queued=${outstanding},recved=${packetsReceived},sent=${packetsSent}`;
}

function inFull(connection: ClientConnection): string {
  const { session, statistics } = connection;
  if (session === null) return briefly(connection);
  const name = opCodeName(statistics.lastType);
  const operation = OPERATION_NAMES.get(name) ?? name.slice(0, 4).toUpperCase();
  return [
    briefly(connection),
    `sid=${formatSessionId(session.id)}`,
    `lop=${operation}`,
    `est=${connection.establishedMs}`,
    `to=${session.timeoutMs}`,
    `lcxid=0x${(statistics.lastXid >>> 0).toString(16)}`,
    `lzxid=0x${formatZxid(statistics.lastZxid)}`,
    `lresp=${Math.floor(statistics.lastMs)}`,
    `llat=${Math.floor(statistics.lastLatencyMs)}`,
    'minlat=0',
    `avglat=${Math.floor(statistics.meanLatencyMs)}`,
    `maxlat=${Math.floor(statistics.maxLatencyMs)}`,
  ].join(',');
}
