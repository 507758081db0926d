import type { Delay } from '../delay.js';

/** How one direction between two hosts behaves. */
export interface LinkModel {
  /** From the sender's kernel to the receiver's. */
  readonly delay: Delay;
  /** How often a segment is lost; TCP sends it again, so it and all behind it come late. */
  readonly lossProbability: number;
  /** How fast bytes leave; Infinity: no limit. */
  readonly bytesPerSecond: number;
}

/** How the whole network behaves. */
export interface NetworkModel {
  readonly link: LinkModel;
  /** Between two processes of one host, and of a process with itself. */
  readonly loopback: LinkModel;
  /** What the kernels on both sides hold of one direction before `write` must wait. */
  readonly windowBytes: number;
  /** How often the bytes of a write are cut into segments that arrive apart. */
  readonly cutProbability: number;
  /** How often a read hands over less than has arrived. */
  readonly shortReadProbability: number;
  /** How often a write waits although there is room, as when a socket is briefly busy. */
  readonly deferProbability: number;
  /** Wait before the first repetition of a lost segment; it doubles each time up to the maximum. */
  readonly retransmitMs: number;
  readonly retransmitMaxMs: number;
  /** After so long without an answer a kernel gives the connection up: ETIMEDOUT. */
  readonly giveUpMs: number;
}

/** A quiet local network: short delays, rare cuts, no loss. */
export const defaultNetworkModel: NetworkModel = {
  link: { delay: { minMs: 0.1, maxMs: 1 }, lossProbability: 0, bytesPerSecond: Infinity },
  loopback: { delay: { minMs: 0.02, maxMs: 0.1 }, lossProbability: 0, bytesPerSecond: Infinity },
  windowBytes: 256 * 1024,
  cutProbability: 0.1,
  shortReadProbability: 0.1,
  deferProbability: 0.02,
  retransmitMs: 200,
  retransmitMaxMs: 30_000,
  giveUpMs: 900_000,
};

/** How long a kernel waits before it sends a segment once more, after `tries` repetitions. */
export function retransmitUs(model: NetworkModel, tries: number): number {
  return Math.round(Math.min(model.retransmitMs * 2 ** tries, model.retransmitMaxMs) * 1000);
}
