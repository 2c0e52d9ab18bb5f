'use strict';

// What the process is to its cluster.

const cluster = require('node:cluster');
const threads = require('node:worker_threads');

/** Under these names threads learn from the main thread what only that can know. */
const ROLE = 'cluster-shared-memory:role';
const SERIALIZATION = 'cluster-shared-memory:serialization';

/**
 * The role of the process. Its main thread knows it by node:cluster. Other threads do not, for Node
 * takes the variable out of process.env at once: they ask the main thread, if it had loaded this
 * before it made them, or else the environment that the process was started with. Who cannot read
 * even that had better find no primary than share nothing in silence.
 * @param {(name: string) => string | null | undefined} initialEnv
 * @returns {'primary' | 'worker'}
 */
function findRole(initialEnv) {
  if (!threads.isMainThread) {
    const role = /** @type {any} */ (threads.getEnvironmentData(ROLE));
    return role ?? (initialEnv('NODE_UNIQUE_ID') === undefined ? 'primary' : 'worker');
  }
  const role = cluster.isWorker ? 'worker' : 'primary';
  // Another copy of the package, or of its modules, has done the rest.
  if (threads.getEnvironmentData(ROLE) === role) return role;
  threads.setEnvironmentData(ROLE, role);
  if (role === 'primary') {
    const tell = () => threads.setEnvironmentData(SERIALIZATION, cluster.settings.serialization);
    tell();
    cluster.on('setup', tell);
  }
  return role;
}

/** How a primary lets its workers write messages. @returns {unknown} */
function channelSerialization() {
  if (threads.isMainThread) return cluster.settings.serialization;
  return threads.getEnvironmentData(SERIALIZATION);
}

module.exports = { findRole, channelSerialization };
