import { SUPER_PLACE } from './generator.js';
import type { Side } from './side.js';

/** What a side says of every node below and with the root: children, data, Stat and list. */
export async function wholeTree(side: Side): Promise<string[]> {
  const lines: string[] = [];
  const pending = ['/'];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const children = await side.ask(SUPER_PLACE, { op: 'getChildren', path, watch: false });
    const names = /children=(\[.*?\])$/m.exec(children)?.[1];
    if (names === undefined) throw new Error(`${side.server.kind} on ${path}: ${children}`);
    for (const name of JSON.parse(names) as string[]) {
      pending.push(path === '/' ? `/${name}` : `${path}/${name}`);
    }
    const data = await side.ask(SUPER_PLACE, { op: 'getData', path, watch: false });
    const acl = await side.ask(SUPER_PLACE, { op: 'getACL', path });
    lines.push(`${path}: ${[data, acl].map(withoutHeader).join(' ')}`);
  }
  return lines.sort();
}

/** Counts of requests are not what is compared. */
function withoutHeader(answer: string): string {
  return answer.replace(/xid=\d+ zxid=\d+/g, '').replace(/\n.*/g, '');
}
