/**
 * Exists while a round is open. Curator's name and kazoo's; everything else in the directory is a
 * member.
 */
export const READY = 'ready';

/**
 * The last part of the names of our members. Curator and kazoo do not look at names, except to
 * sort.
 */
export const MEMBER = 'member';

/**
 * The members among the children of a double barrier, lowest name first, as Curator and kazoo sort.
 */
export function membersAmong(children: readonly string[]): readonly string[] {
  return children.filter((name) => name !== READY).sort();
}
