export { DirectoryClaim, DirectoryTakenError } from './directory-claim.js';
export { NodeDisk } from './node-disk.js';
export { NodeNetwork } from './node-network.js';
export { SystemClock } from './system-clock.js';
export { SystemRandom } from './system-random.js';
