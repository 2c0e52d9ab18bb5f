'use strict';

// All scenarios. A scenario is told whole in one file: what it measures, what its targets are, how
// the bench conducts it, and the jobs that it has the processes of a peer do.

/**
 * A peer has what a scenario `needs`, or is left out of it. It gets a primary and a worker on each
 * of `cpus`; `prepare` and then round after round are conducted from outside, in turn with those of
 * the other peers.
 * @typedef {object} Scenario
 * @property {string} name
 * @property {number[]} cpus
 * @property {string[]} needs
 * @property {Row[]} rows
 * @property {(stage: Stage) => Promise<unknown>} [prepare]
 * @property {(stage: Stage, round: { ms: number }) => Promise<Figures>} round whose parts last `ms`
 * @property {boolean} [fresh] whether each round has new processes: fewer rounds, no warming up
 * @property {number} [rounds] at most
 */

/** @typedef {InstanceType<typeof import('../stage.js').Stage>} Stage */
/** What a round found. @typedef {Record<string, number>} Figures */

/**
 * A line of the table: one figure of the rounds. `target` is for this package alone, `beside` for
 * the comparison with each peer.
 * @typedef {{ name: string, figure: string, unit: Unit, worst?: boolean } & Targets} Row
 * @typedef {{ target?: Target, beside?: Record<string, Target> }} Targets
 * @typedef {'time' | 'rate' | 'memory' | 'count'} Unit in ns, a second, bytes, as it is
 */

/**
 * What is to be reached: at least so many times as fast, at most this share, or an absolute figure.
 * The ratio is to the sum of other figures of the same round (`of`), or to the peer's figure.
 * @typedef {object} Target
 * @property {number} [speed]
 * @property {number} [share]
 * @property {number} [least]
 * @property {number} [most]
 * @property {string[]} [of]
 */

/** The order of the table. */
const beside = [
  require('./values.js'),
  require('./locks.js'),
  require('./listeners.js'),
  require('./blocked.js'),
  require('./lru.js'),
  require('./memory.js'),
];
const alone = [require('./floors.js'), require('./races.js')];

/** @param {{ scenarios: Scenario[] }[]} files */
const scenariosOf = (files) => files.flatMap(({ scenarios }) => scenarios);

/**
 * What a worker or a primary does with the operations of its peer.
 * @type {Record<string, (operations: any, input: any) => unknown>}
 */
const jobs = Object.assign({}, ...[...beside, ...alone].map((file) => file.jobs));
/**
 * What a primary does with its workers.
 * @type {Record<string, (host: import('../host.js').Host, input: any) => unknown>}
 */
const hostJobs = Object.assign(
  {},
  ...alone.map((file) => ('hostJobs' in file ? file.hostJobs : {})),
);

module.exports = { beside: scenariosOf(beside), alone: scenariosOf(alone), jobs, hostJobs };
