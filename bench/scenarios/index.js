'use strict';

// All scenarios. A scenario is told whole in one file: what it measures, what its targets are, how
// the bench conducts it, and the jobs that it has the processes of a peer do.

/**
 * Who has all that a scenario `needs` takes part, or of those only whom it wants `beside` ours. Each
 * gets a primary and a worker on each of `cpus`; `prepare` and then round after round are conducted
 * from outside, in turn with those of the other peers.
 *
 * In a quick run the processes stay for other scenarios with the same `cpus`. A `prepare` that they
 * have in common is then done once; keys of one scenario are no keys of another.
 * @typedef {object} Scenario
 * @property {string} name as for --only: those that begin alike are a family
 * @property {string} title
 * @property {number[]} cpus
 * @property {string[]} needs
 * @property {string[]} [beside] names of peers; all, if not given
 * @property {Row[]} rows
 * @property {(stage: Stage) => Promise<unknown>} [prepare]
 * @property {(stage: Stage, round: { ms: number }) => Promise<Figures>} round whose parts last `ms`
 * @property {boolean} [fresh] whether each round has new processes: fewer rounds, no warming up
 * @property {boolean} [slow] whether a quick run leaves it out
 * @property {number} [rounds] at most
 */

/** @typedef {InstanceType<typeof import('../stage.js').Stage>} Stage */
/** What a round found. @typedef {Record<string, number>} Figures */

/**
 * A line of the table: one figure of the rounds, or the worst of them. A `detail` says more about
 * the line before it; `picture` is what a line is called in the picture, if it is in there.
 * @typedef {object} Row
 * @property {string} name
 * @property {string} figure
 * @property {Unit} unit
 * @property {boolean} [worst]
 * @property {boolean} [detail]
 * @property {string} [picture]
 * @property {Target[]} [targets]
 */
/** @typedef {'time' | 'rate' | 'memory' | 'count'} Unit in ns, a second, bytes, as it is */

/**
 * What is to be reached: at least so many times as fast, at most this share, or an absolute figure.
 * The ratio is to a peer's figure (`beside` its name or the `fastest`, perhaps of those only that
 * are `storing` objects in one way), or to the sum of other figures of the same round (`of`).
 * @typedef {object} Target
 * @property {string} [beside]
 * @property {import('../peers/index.js').Peer['stores']} [storing]
 * @property {string[]} [of]
 * @property {number} [speed]
 * @property {number} [share]
 * @property {number} [least]
 * @property {number} [most]
 */

/** The order of the table. */
const files = [
  require('./values.js'),
  require('./sync.js'),
  require('./changed.js'),
  require('./many.js'),
  require('./locks.js'),
  require('./listeners.js'),
  require('./blocked.js'),
  require('./lru.js'),
  require('./memory.js'),
  require('./growth.js'),
  require('./floors.js'),
  require('./races.js'),
  require('./crowd.js'),
];
const scenarios = files.flatMap((file) => file.scenarios);

/**
 * What a worker or a primary does with the operations of its peer.
 * @type {Record<string, (operations: any, input: any) => unknown>}
 */
const jobs = Object.assign({}, ...files.map((file) => file.jobs));
/**
 * What a primary does with its workers.
 * @type {Record<string, (host: import('../host.js').Host, input: any) => unknown>}
 */
const hostJobs = Object.assign(
  {},
  ...files.map((file) => ('hostJobs' in file ? file.hostJobs : {})),
);

module.exports = { scenarios, jobs, hostJobs };
