'use strict';

// The soak of a cluster: the primary leads the rounds and takes part in them.

const cluster = require('node:cluster');
const { actOnEnds } = require('./actors/ends.js');
const { actOnExchanges } = require('./actors/exchanges.js');
const { actOnListeners } = require('./actors/listeners.js');
const { actOnLocks } = require('./actors/locks.js');
const { actOnScans } = require('./actors/scans.js');
const { actOnLru, actOnValues } = require('./actors/values.js');
const { changeLast, cleanUp, lastFigures, setUp } = require('./chores.js');
const { Crew, PROGRAM } = require('./crew.js');
const { Faults } = require('./faults.js');
const { Member } = require('./member.js');

/** @typedef {import('./member.js').Task} Task */
/** @typedef {import('./member.js').Round} Round */

/** What the primary does, gently, for it has the faults to see to. */
const ACTORS = [
  actOnListeners({ all: true }),
  actOnValues({ most: 16, pauseMs: 40 }),
  actOnLru({ most: 4, pauseMs: 40 }),
  actOnLocks({ pauseMs: 60 }),
  actOnExchanges({ most: 8, pauseMs: 40 }),
  actOnEnds({ pauseMs: 40 }),
  actOnScans({ pauseMs: 80 }),
];

class Primary {
  #memory;
  #crew;
  #member;

  /**
   * @param {any} memory
   * @param {InstanceType<typeof Crew>} crew
   * @param {InstanceType<typeof Member>} member
   */
  constructor(memory, crew, member) {
    this.#memory = memory;
    this.#crew = crew;
    this.#member = member;
  }

  /** @param {Round} where */
  async begin(where) {
    setUp(this.#memory, where.round);
    this.#member.begin(where);
    await this.#crew.begin(where);
  }

  async settle() {
    await this.#crew.rest();
    await this.#member.rest();
    const lasts = await changeLast(/** @type {Task} */ (this.#member.task));
    await this.#crew.finish(lasts);
    await this.#member.finish(lasts);
  }

  /** @param {number} round */
  async clear(round) {
    cleanUp(this.#memory, round);
  }

  /** Lets all go; gives what is to be told of the whole run. */
  async end() {
    await this.#crew.dismiss();
    return lastFigures(this.#memory);
  }

  async close() {
    await this.#memory.close();
  }
}

/** @param {import('./run.js').Parts} parts */
function withPrimary({ settings, workers, random, note }) {
  const memory = require(settings.module);
  const chosen = configure(memory, random);
  cluster.setupPrimary({ exec: PROGRAM });
  const crew = new Crew(workers, settings, (env) => cluster.fork(env).process, note);
  const faults = new Faults(crew, random, { least: 50, most: 300 }, note);
  const identity = { ...settings, worker: 0, thread: 0 };
  const member = new Member(memory, identity, ACTORS, faults.undisturbed);
  return { chosen, crew, faults: [faults], lead: new Primary(memory, crew, member) };
}

/** @type {(memory: any, random: InstanceType<typeof import('./random.js').Random>) => object} */
function configure(memory, random) {
  const mode = random.pick(['json', 'advanced']);
  const log = random.pick(['1mb', '64mb', '64mb']);
  for (const chosen of [
    { maxMemory: '512mb', mode, log },
    { maxMemory: '512mb', mode },
  ]) {
    try {
      memory.configure(chosen);
      return chosen;
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'ERR_INVALID_ARG_VALUE') throw error;
    }
  }
  throw new Error('The memory takes no configuration.');
}

module.exports = { withPrimary };
