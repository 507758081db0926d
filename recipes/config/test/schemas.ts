import { z } from 'zod';
import type { ConfigSchema } from '../src/index.js';

/** The configuration of most tests. */
export const Pricing = z.object({
  vat: z.number().min(0).max(1),
  currency: z.string().default('EUR'),
  limits: z.object({ order: z.number(), day: z.number() }).optional(),
  regions: z.array(z.string()).optional(),
});
export type Pricing = z.infer<typeof Pricing>;

/** A schema whose answers a test gives by hand, to data `{ id }`. */
export class ManualSchema {
  /** What waits for an answer, in the order in which it was asked. */
  readonly asked: number[] = [];
  private readonly answers = new Map<number, (isValid: boolean) => void>();

  readonly schema: ConfigSchema<{ id: number }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (data) => {
        const { id } = data as { id: number };
        this.asked.push(id);
        return new Promise((resolve) => {
          this.answers.set(id, (isValid) => {
            resolve(isValid ? { value: { id } } : { issues: [{ message: `${id} is bad` }] });
          });
        });
      },
    },
  };

  answer(id: number, isValid: boolean): void {
    const answer = this.answers.get(id);
    if (answer === undefined) throw new Error(`nobody asked about ${id}`);
    answer(isValid);
  }
}
