import { connect } from 'node:net';

/** Asks a server a four-letter word; resolves with '' where nobody answers. */
export function fourLetterWord(word: string, address: string): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((done) => {
    let answer = '';
    const socket = connect({ host, port: Number(port) }, () => socket.end(word));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => done(answer));
  });
}
