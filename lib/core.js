'use strict';

// What all sets of keys of a thread share: how it came to the segment, what it hears of, what listens,
// and how values are stored. The seam is that a set of keys (lib/space.js) knows of the others only
// through this.

const { throwLater } = require('./errors.js');
const { Join } = require('./join.js');
const { Listeners } = require('./listeners.js');
const { News } = require('./news.js');

/** Units of text of which each set of keys keeps the values decoded; see lib/copies.js. */
const VALUE_CACHE = 8 * 2 ** 20;

/** @typedef {InstanceType<typeof import('./operations.js').Operations>} Operations */
/** @typedef {InstanceType<typeof import('./locks.js').Locks>} Locks */

class Core {
  /** @type {string | undefined} */
  mode;
  valueCache = VALUE_CACHE;
  /** Who hears of problems in the background. @type {(problem: Error) => void} */
  hearOf = () => {};

  /** @param {any} problem */
  log = (problem) => {
    try {
      this.hearOf(problem);
    } catch (error) {
      // What happens in the background goes on.
      throwLater(error);
    }
  };
  join = new Join(
    (problem) => this.log(problem),
    () => this.takeNews(),
  );
  listeners = new Listeners(this.join, () => this.look(), this.log);
  news = new News(this.join, this.listeners, this.log);
  /** @type {Operations[]} */
  #operations = [];
  /** @type {Locks[]} */
  #locks = [];

  takeNews = () => this.news.take();
  look = () => this.news.look();
  /** Whether objects are stored as structured clones. */
  advanced = () => (this.mode === undefined ? this.join.clones : this.mode === 'advanced');

  /** A set of keys of this thread. @param {Operations} operations @param {Locks} locks */
  add(operations, locks) {
    this.#operations.push(operations);
    this.#locks.push(locks);
    this.news.grantTo(locks);
  }

  /** @param {number} length of all texts of which each set of keys keeps the values */
  keepValues(length) {
    this.valueCache = length;
    for (const operations of this.#operations) operations.keepCopies(length);
  }

  close() {
    const error = this.join.close();
    if (error === undefined) return;
    for (const operations of this.#operations) operations.close();
    for (const locks of this.#locks) locks.close(error);
    this.listeners.close();
    this.join.leave();
  }
}

module.exports = { Core };
