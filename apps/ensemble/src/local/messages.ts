import type { EnsembleMode } from '@aviary/nest';

/** What a member tells the process that started it. */
export type FromMember =
  | { readonly kind: 'listening' }
  | { readonly kind: 'mode'; readonly mode: EnsembleMode | null }
  /** It ends, and this is why. */
  | { readonly kind: 'failed'; readonly sentence: string; readonly status: number };

/** What it is told. */
export interface ToMember {
  readonly kind: 'stop';
}
