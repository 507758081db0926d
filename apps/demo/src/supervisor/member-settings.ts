import type { EnsembleMode, EnsembleOptions } from '@aviary/nest';

/** What the supervisor tells a member when it starts it; travels as JSON. */
export type MemberSettings = Required<
  Pick<
    EnsembleOptions,
    | 'dataDir'
    | 'serverId'
    | 'clientPort'
    | 'clientAddress'
    | 'tickTimeMs'
    | 'preAllocBytes'
    | 'ensemble'
  >
>;

/** What a member tells the supervisor, whenever it changes; null: it serves nobody. */
export interface MemberModeMessage {
  readonly mode: EnsembleMode | null;
}
