import {
  DEFAULT_MODULE,
  Marks,
  durationOptionMs,
  markedMethodOf,
  returnKindOf,
  type Duration,
} from '@aviary/nest';
import type { Observable } from 'rxjs';
import { definitionOf, type ShareOut } from '../core/group-record.js';
import type { Partition } from '../core/partition.js';
import { RUNNERS } from './partition-runner.js';
import { PartitionSetupError } from './partition-setup-error.js';

/** Which items a method under {@link Partitioned} works on. */
export interface PartitionedOptions {
  /** The path of the group, below the module's root. All processes that share say the same. */
  readonly group: string;
  /** How many items there are (`0`, `1`, ...), or their names. All processes must say the same. */
  readonly items: number | readonly string[];
  /** Who owns what; see `JoinOptions.strategy`. Default: `rendezvous`. */
  readonly strategy?: 'rendezvous' | ShareOut | undefined;
  /** How long the method may take to end when an item moves. Default: that of the module. */
  readonly grace?: Duration | undefined;
  /**
   * How long the members must have been the same before items move. Default: that of the module.
   */
  readonly settle?: Duration | undefined;
  /** The `name` of the `PartitionModule` that is meant. */
  readonly partitions?: string | undefined;
}

/** A marked method as its decorator describes it. */
export interface PartitionedMark {
  readonly group: string;
  readonly items: number | readonly string[];
  readonly strategy: 'rendezvous' | ShareOut | undefined;
  readonly graceMs: number | undefined;
  readonly settleMs: number | undefined;
  readonly module: string;
}

/** Methods under `@Partitioned()`. */
export const PARTITIONED_MARKS = new Marks<PartitionedMark>();

type OwnMethod = (
  partition: Partition,
  signal: AbortSignal,
) => Promise<unknown> | Observable<unknown>;

/**
 * Calls the method for each item that this process owns, and only for those: the items are shared
 * out among all processes with the same group, and each has one owner at a time.
 *
 * The method works on the item until its signal aborts, and then ends: the next owner begins when
 * its promise has settled, or its grace is over. If it returns an Observable, that is subscribed to
 * until then. If it returns before, the item stays ours, and nothing is done with it. If it throws,
 * it is called again after a pause.
 *
 * For providers and controllers of which there is one object; others stop the start. So do options
 * that mean nothing, and a method that answers at once.
 *
 * @throws {PartitionSetupError} when the class is defined.
 *
 * @example
 * \@Partitioned({ group: 'workers', items: 64 })
 * async own(partition: Partition, signal: AbortSignal): Promise<void> {
 *   for await (const order of this.orders.of(partition.index, { signal })) {
 *     partition.assertHeld();
 *     await this.store.settle(order, { fence: partition.token });
 *   }
 * }
 */
export function Partitioned(
  options: PartitionedOptions,
): <M extends OwnMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return (target, key, descriptor) => {
    const { name } = markedMethodOf(
      {
        decorator: '@Partitioned()',
        SetupError: PartitionSetupError,
        whyNotStatic: 'a static method has no application that could own items',
        whyNotGenerator: 'a generator would only be made, and nobody would run it',
      },
      target,
      key,
      descriptor,
    );
    const mark = markOf(options, (problem) => {
      throw new PartitionSetupError(`@Partitioned() on ${name}: ${problem}`);
    });
    const returned = returnKindOf(target, key);
    if (returned.kind === 'immediate') {
      throw new PartitionSetupError(
        `@Partitioned() on ${name}: it returns ${returned.type}, so nobody could know when its ` +
          'work has ended: let it return a Promise or an Observable',
      );
    }
    RUNNERS.require(target, { decorator: '@Partitioned()', method: name, module: mark.module });
    PARTITIONED_MARKS.add(target, key, mark);
  };
}

function markOf(options: PartitionedOptions, refuse: (problem: string) => never): PartitionedMark {
  const { group, items, strategy, grace, settle, partitions = DEFAULT_MODULE } = options;
  if (typeof group !== 'string' || group === '') {
    return refuse('its group must be a string, and not empty');
  }
  try {
    definitionOf(items, strategy);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const graceMs = durationOptionMs('grace', grace, refuse);
  const settleMs = durationOptionMs('settle', settle, refuse);
  return { group, items, strategy, graceMs, settleMs, module: partitions };
}
