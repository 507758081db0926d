/** Where things of the demo stand in the ensemble. */

/** Where locks stand. */
export const LOCK_ROOT = '/aviary-demo';
/** The lock around the till. */
export const TILL_LOCK = 'till';

export const LEADERS_ROOT = '/aviary-demo/leaders';
/** Where records of what the leader does at certain times stand. */
export const CRON_ROOT = '/aviary-demo/cron';
/** The role of the instance that closes the books. */
export const BOOKS_ROLE = 'books';

export const CONFIG_ROOT = '/aviary-demo/config';
export const CONFIG_RECORDS_ROOT = '/aviary-demo/config-records';
/** The configuration that all instances follow. */
export const ORDERS_CONFIG = 'orders';

export const GROUPS_ROOT = '/aviary-demo/groups';
/** The group of the instances that run. */
export const INSTANCES_GROUP = 'instances';

export const SERVICES_ROOT = '/aviary-demo/services';
/** As which the instances are found. */
export const ORDERS_SERVICE = 'orders';

/** What a process of an instance is called among those that are found: another one each time. */
export function serviceIdOf(name: string, pid: number): string {
  return `${name}-${pid}`;
}
