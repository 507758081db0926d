/** What an instance tells the other members of the group. */
export interface MemberFacts {
  /** The id of its process. */
  readonly process: number;
  /** Since when it leads, in ISO 8601; null: it does not. */
  readonly leadsSince: string | null;
}
