'use strict';

// With whom a process shares: with its cluster, or with all that give the same name.

const { createHash } = require('node:crypto');
const threads = require('node:worker_threads');
const { wrongType, wrongValue } = require('./errors.js');

const VARIABLE = 'CLUSTER_SHARED_MEMORY_NAME';
/** Under this name threads learn of it from the main thread. */
const DEFAULT = 'cluster-shared-memory:name';
const NAME = /^[\w.:@-]{1,48}$/;
const EXPECTED = '1 to 48 letters, digits, or any of . _ : @ -';

/**
 * @param {unknown} name
 * @param {string} what for the error
 * @returns {string}
 */
function toGroup(name, what) {
  if (typeof name !== 'string') throw wrongType(what, 'of type string', name);
  if (!NAME.test(name)) throw wrongValue(what, EXPECTED, name);
  return name;
}

/**
 * The default of all threads of the process: what its main thread found, for others may have been
 * given another environment; or, if that has not loaded this, what the process was started with.
 * @param {boolean} isWorker whether the process is the worker of a cluster
 * @param {(name: string) => string | null | undefined} initialEnv
 * @returns {string | undefined}
 */
function groupOfProcess(isWorker, initialEnv) {
  if (!threads.isMainThread) {
    const name = threads.getEnvironmentData(DEFAULT);
    if (name !== undefined) return /** @type {string} */ (name) || undefined;
    const wanted = initialEnv(VARIABLE) ?? undefined;
    return defaultGroup({ ...process.env, [VARIABLE]: wanted }, isWorker, initialEnv);
  }
  const name = defaultGroup(process.env, isWorker, initialEnv);
  threads.setEnvironmentData(DEFAULT, name ?? '');
  return name;
}

/**
 * The name unless configure() gives one: that of the environment, or that of PM2's app, whose workers
 * have a primary that never loads this. Undefined: the process shares with its cluster.
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} isWorker whether the process is the worker of a cluster
 * @param {(name: string) => string | null | undefined} initialEnv
 * @returns {string | undefined}
 */
function defaultGroup(env, isWorker, initialEnv) {
  const wanted = env[VARIABLE];
  if (wanted) return toGroup(wanted, `environment variable ${VARIABLE}`);
  if (!isWorker || env.exec_mode !== 'cluster_mode' || env.pm_id === undefined) return undefined;
  // All that a worker of PM2 starts inherits those. This PM2 takes out before the app runs, so only
  // its own workers were started with it. Null: this process cannot tell.
  return initialEnv('pm2_env') === undefined ? undefined : groupOfPm2(env);
}

/**
 * Apps of the same name under another PM2, or in another of its namespaces, are other apps.
 * @param {NodeJS.ProcessEnv} env
 */
function groupOfPm2(env) {
  const { PM2_HOME = '', namespace = '', name = '' } = env;
  const whole = createHash('sha256').update(JSON.stringify([PM2_HOME, namespace, name]));
  const legible = name.replace(/[^\w.-]/g, '_').slice(0, 24);
  return `pm2:${legible}:${whole.digest('hex').slice(0, 16)}`;
}

module.exports = { toGroup, groupOfProcess, defaultGroup };
