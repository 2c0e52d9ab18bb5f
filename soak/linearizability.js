'use strict';

// Decides whether the operations on one key can have happened one at a time, each at some moment
// between its call and its return (linearizability: M. Herlihy, J. Wing, "Linearizability: a
// correctness condition for concurrent objects", TOPLAS 1990; that keys can be checked one by one is
// its locality theorem).
//
// The search is that of J. Wing and C. Gong ("Testing and verifying concurrent objects", JPDC 1993)
// with the memory and the just-in-time order of G. Lowe ("Testing for linearizability", CCPE 2017),
// breadth first, as the "linear" checker of Knossos does it: go through the calls and returns in
// the order of time and keep every configuration that explains what was seen so far. One is a state
// and the set of open operations that have happened in it. Only the return of an operation that has
// not happened makes others happen before it. So nothing before the last moment at which no
// operation was open is ever looked at again, and a history that cannot be explained fails at one
// return.
//
// A read happens as soon as it can: it changes nothing, so waiting never helps. An operation whose
// process died may have happened before the death, or never.

/**
 * @typedef {object} Operation
 * @property {number} call time
 * @property {number} ret time; of a lost operation, when it can happen no more
 * @property {boolean} lost whether it never returned, so that its outcome is not known
 * @property {number} op
 * @property {number} argument
 * @property {number} [expected]
 * @property {number} outcome
 * @property {number} value
 */

/**
 * @typedef {object} Model
 * @property {number} initial state
 * @property {(state: number, operation: Operation) => number | undefined} step
 *   the state behind an operation; undefined if it cannot happen with its outcome in this state
 * @property {(operation: Operation) => boolean} isRead whether it changes no state
 */

/**
 * @typedef {object} Verdict
 * @property {boolean} legal
 * @property {boolean} decided false if there were too many possibilities (`legal` says true then)
 * @property {number[]} states at the end, or before the operation that could not be explained
 * @property {number} windows stretches of time between moments at which nothing was open
 * @property {number} widest the most operations that were open at once
 * @property {number} configurations the most that were kept at once
 * @property {Operation} [culprit] the operation at whose return nothing explains the history
 * @property {Operation[]} [open] those that were open then
 */

const MOST_OPEN = 30;
const MOST_STEPS = 500_000;

class Undecided extends Error {}

class Search {
  windows = 0;
  widest = 0;
  configurations = 1;

  #model;
  /** @type {Array<Operation | undefined>} */
  #slots = [];
  /** @type {Map<Operation, number>} */
  #slotOf = new Map();
  /** The sets of what has happened, as bits of the slots, for each state. */
  #now = new Configurations();

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
    this.#now.add(model.initial, 0);
  }

  get states() {
    return this.#now.states();
  }

  get open() {
    return [...this.#slotOf.keys()];
  }

  /** @param {Operation} operation */
  call(operation) {
    let slot = this.#slots.indexOf(undefined);
    if (slot < 0) slot = this.#slots.length;
    if (slot >= MOST_OPEN) throw new Undecided();
    this.#slots[slot] = operation;
    this.#slotOf.set(operation, slot);
    this.widest = Math.max(this.widest, this.#slotOf.size);
  }

  /** Whether the history is still explained. @param {Operation} operation */
  return(operation) {
    const slot = Number(this.#slotOf.get(operation));
    const bit = 1 << slot;
    const after = new Configurations();
    const seen = new Configurations();
    this.#now.each((state, happened) => {
      if (happened & bit) {
        after.add(state, happened & ~bit);
        return;
      }
      if (operation.lost) after.add(state, happened);
      this.#expand(state, happened, slot, seen, after);
    });
    if (after.size === 0) return false;
    this.#slots[slot] = undefined;
    this.#slotOf.delete(operation);
    this.#now = after;
    this.configurations = Math.max(this.configurations, after.size);
    if (this.#slotOf.size === 0) this.windows += 1;
    return true;
  }

  /**
   * Lets open operations happen until that of the slot has.
   * @type {(state: number, before: number, slot: number, seen: Configurations, after: Configurations) => void}
   */
  #expand(state, before, slot, seen, after) {
    const happened = this.#read(state, before);
    const bit = 1 << slot;
    if (happened & bit) {
      after.add(state, happened & ~bit);
      return;
    }
    if (!seen.add(state, happened)) return;
    if (seen.size > MOST_STEPS) throw new Undecided();
    for (let i = 0; i < this.#slots.length; i += 1) {
      const operation = this.#slots[i];
      if (operation === undefined || happened & (1 << i) || this.#model.isRead(operation)) continue;
      const next = this.#model.step(state, operation);
      if (next !== undefined) this.#expand(next, happened | (1 << i), slot, seen, after);
    }
  }

  /** Lets all open reads happen that can. @type {(state: number, happened: number) => number} */
  #read(state, happened) {
    let all = happened;
    for (let i = 0; i < this.#slots.length; i += 1) {
      const operation = this.#slots[i];
      if (operation === undefined || all & (1 << i) || !this.#model.isRead(operation)) continue;
      if (this.#model.step(state, operation) !== undefined) all |= 1 << i;
    }
    return all;
  }
}

/** Pairs of a state and a set of slots, each once. */
class Configurations {
  size = 0;
  /** @type {Map<number, Set<number>>} */
  #byState = new Map();

  /** Whether it is new. @type {(state: number, happened: number) => boolean} */
  add(state, happened) {
    let sets = this.#byState.get(state);
    if (sets === undefined) {
      sets = new Set();
      this.#byState.set(state, sets);
    }
    if (sets.has(happened)) return false;
    sets.add(happened);
    this.size += 1;
    return true;
  }

  /** @param {(state: number, happened: number) => void} visit */
  each(visit) {
    for (const [state, sets] of this.#byState) {
      for (const happened of sets) visit(state, happened);
    }
  }

  states() {
    return [...this.#byState.keys()];
  }
}

/**
 * @param {Operation[]} operations
 * @param {Model} model
 * @returns {Verdict}
 */
function check(operations, model) {
  // What nobody knows the outcome of, and what changes nothing, says nothing.
  const telling = operations.filter((each) => !(each.lost && model.isRead(each)));
  const search = new Search(model);
  try {
    for (const event of timeline(telling)) {
      const operation = telling[event >> 1];
      if ((event & 1) === 0) search.call(operation);
      else if (!search.return(operation)) return verdict(search, operation);
    }
    return verdict(search);
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    return { ...verdict(search), decided: false };
  }
}

/** @type {(search: Search, culprit?: Operation) => Verdict} */
function verdict({ states, windows, widest, configurations, open }, culprit) {
  const figures = { states, windows, widest, configurations };
  if (culprit === undefined) return { legal: true, decided: true, ...figures };
  return { legal: false, decided: true, ...figures, culprit, open };
}

/**
 * All calls (2i) and returns (2i + 1) of the operations i, in the order of time. Of the same moment
 * calls come first: what may have been at once counts as being at once.
 * @param {Operation[]} operations
 */
function timeline(operations) {
  const times = new Float64Array(operations.length * 2);
  operations.forEach(({ call, ret }, i) => {
    times[2 * i] = call;
    times[2 * i + 1] = ret;
  });
  const events = Uint32Array.from(times, (_, i) => i);
  return events.sort((a, b) => times[a] - times[b] || (a & 1) - (b & 1) || a - b);
}

module.exports = { check };
