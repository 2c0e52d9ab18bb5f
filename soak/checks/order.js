'use strict';

// The one true order of the changes of a key, and what does not fit to it.

const { KEYS } = require('../keys.js');
const { WRITES } = require('../records.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {import('./listeners.js').Listening} Listening */

class Order {
  #changes;
  /** @type {Map<number, number[]>} */
  #positions = new Map();
  /** @type {Map<number, Call>} */
  #sets = new Map();

  /** @param {number[]} changes codes; before the first change: none @param {Call[]} calls */
  constructor(changes, calls) {
    this.#changes = changes;
    changes.forEach((code, position) => {
      const positions = this.#positions.get(code);
      if (position === 0) return;
      if (positions) positions.push(position);
      else this.#positions.set(code, [position]);
    });
    for (const call of calls) {
      // A number may come of an incr as well, but for those that are only set under a lock.
      const isUnique = call.argument < 0 || KEYS[call.key].kind === 'guarded';
      if (WRITES.has(call.op) && isUnique) this.#sets.set(call.argument, call);
    }
  }

  /** What is wrong with a listening, if anything. @param {Listening} listening @returns {string[]} */
  refuse(listening) {
    const { member, key, heard, whole, skipped } = listening;
    const who = `the listener of ${member} on "${KEYS[key].name}"`;
    const last = this.#changes.length - 1;
    const latest = this.#latestStart(listening);
    if (heard.length === 0) {
      const missed = whole && skipped === 0 && latest <= last;
      return missed ? [`${who} heard nothing`] : [];
    }
    const [first] = heard;
    let furthest = { heard: 0, position: 0 };
    for (const start of this.#positions.get(first) ?? []) {
      if (!this.#isNew(start, listening) || (start > latest && skipped === 0)) continue;
      const piece = this.#follow(heard, start, skipped);
      if (piece.heard === heard.length) {
        return whole && piece.position !== last ? [`${who} did not hear of the last change`] : [];
      }
      if (piece.heard > furthest.heard) furthest = piece;
    }
    return [`${who} ${this.#explain(listening, furthest)}`];
  }

  /**
   * Nobody reads something older than what was heard. Only of values that stood there once is known
   * what is older.
   * @param {import('./listeners.js').Look} look
   * @returns {string[]}
   */
  refuseLook({ member, key, heard, read }) {
    const [heardAt, ...again] = this.#positions.get(heard) ?? [];
    const [readAt, ...more] = this.#positions.get(read) ?? [];
    if (again.length > 0 || more.length > 0 || !(readAt < heardAt)) return [];
    const what = `looked when it had heard of ${heard}, and read the older ${read}`;
    return [`the listener of ${member} on "${KEYS[key].name}" ${what}`];
  }

  /** @type {(listening: Listening, furthest: { heard: number, position: number }) => string} */
  #explain({ heard, from, skipped }, { heard: count, position }) {
    const told = heard.slice(Math.max(0, count - 2), count + 6).join(', ');
    if (count === 0) {
      return `(from ${from}) did not begin with a change that it could hear first; heard: ${told}`;
    }
    const order = this.#changes.slice(Math.max(0, position - 1), position + 7).join(', ');
    const next = this.#changes.indexOf(heard[count], position + 1);
    const missed = next < 0 ? 'the next did not come later' : `${next - position - 1} are missing`;
    return (
      `(from ${from}) heard something else than the true order behind ${count} of ` +
      `${heard.length} notices: ${missed}, the logger told of ${skipped}` +
      `\n  heard: ${told}\n  true: ${order}`
    );
  }

  /** How much of what was heard is a piece of the order that begins there. @type {(heard: number[], start: number, gaps: number) => { heard: number, position: number }} */
  #follow(heard, start, gaps) {
    let position = start;
    let left = gaps;
    for (let i = 1; i < heard.length; i += 1) {
      let next = position + 1;
      while (left > 0 && next < this.#changes.length && this.#changes[next] !== heard[i]) {
        next += 1;
        left -= 1;
      }
      if (this.#changes[next] !== heard[i]) return { heard: i, position };
      position = next;
    }
    return { heard: heard.length, position };
  }

  /** Whether a change is none that was done before the listening began. @type {(position: number, listening: Listening) => boolean} */
  #isNew(position, { from }) {
    const set = this.#sets.get(this.#changes[position]);
    return set === undefined || set.ret >= from;
  }

  /** The first change that is known to have been made after the listening began. @param {Listening} listening */
  #latestStart({ since }) {
    const position = this.#changes.findIndex(
      (code) => (this.#sets.get(code)?.call ?? Number.NEGATIVE_INFINITY) > since,
    );
    return position < 0 ? Number.POSITIVE_INFINITY : position;
  }
}

module.exports = { Order };
