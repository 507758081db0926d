import type { LinkModel, NetworkModel } from './network-model.js';

/** Which hosts can reach which, and how well. Every direction is a link of its own. */
export class Links {
  private readonly model: NetworkModel;
  private readonly cuts = new Set<string>();
  private readonly overrides = new Map<string, LinkModel>();

  constructor(model: NetworkModel) {
    this.model = model;
  }

  modelOf(from: string, to: string): LinkModel {
    if (from === to) return this.model.loopback;
    if (this.overrides.size === 0) return this.model.link;
    return this.overrides.get(`${from}>${to}`) ?? this.model.link;
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.size > 0 && from !== to && this.cuts.has(`${from}>${to}`);
  }

  /** Lets nothing through from `from` to `to`; the other direction stays as it is. */
  cut(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
  }

  restore(from: string, to: string): void {
    this.cuts.delete(`${from}>${to}`);
  }

  restoreAll(): void {
    this.cuts.clear();
  }

  /** Changes one direction; `null` gives it back the model of all. */
  setModel(from: string, to: string, model: Partial<LinkModel> | null): void {
    if (model === null) this.overrides.delete(`${from}>${to}`);
    else this.overrides.set(`${from}>${to}`, { ...this.model.link, ...model });
  }
}
