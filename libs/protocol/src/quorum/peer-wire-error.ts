/**
 * A server sent bytes that are not the language of servers, or a number that this server cannot
 * hold. What the peer sent is data: close the connection and log the message.
 */
export class PeerWireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}
