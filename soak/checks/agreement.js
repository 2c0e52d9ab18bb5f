'use strict';

// Where nobody heard of all changes of a key: do the listeners at least agree with each other, and
// with the time? Each value that was heard is set by somebody and unique, so there must be an order
// of the values in which every listener heard its own, and in which a set that returned comes before
// one that was called later. Such an order exists if what must come before what has no cycle (A.
// Kahn, "Topological sorting of large networks", CACM 1962).

const { KEYS } = require('../keys.js');
const { WRITES } = require('../records.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {import('./listeners.js').Listening} Listening */

/** @type {(listenings: Listening[], calls: Call[]) => string[]} */
function disagreement(listenings, calls) {
  const sets = new Map(
    calls.filter(({ op, argument }) => WRITES.has(op) && argument < 0).map((c) => [c.argument, c]),
  );
  for (const { member, key, heard } of listenings) {
    const seen = new Set();
    for (const code of heard.filter((each) => each < 0)) {
      const who = `the listener of ${member} on "${KEYS[key].name}"`;
      if (seen.has(code)) return [`${who} heard of ${code} twice`];
      if (!sets.has(code)) return [`${who} heard of ${code}, which nobody set`];
      seen.add(code);
    }
  }
  const left = inCycles(listenings, sets);
  if (left.length === 0) return [];
  const { key } = listenings[0];
  const some = left.slice(0, 8).join(', ');
  return [`"${KEYS[key].name}": listeners and time disagree about the order of ${some}`];
}

/**
 * The values that no order can hold. The moments at which a set is called or returns form a chain:
 * a value comes behind the call of its set and before the return.
 * @type {(listenings: Listening[], sets: Map<number, Call>) => number[]}
 */
function inCycles(listenings, sets) {
  const graph = new Graph();
  const moments = [...sets].flatMap(([code, { call, ret }]) => [
    { code, time: call, begins: true },
    { code, time: ret, begins: false },
  ]);
  moments.sort((a, b) => a.time - b.time || Number(b.begins) - Number(a.begins));
  moments.forEach(({ code, begins }, i) => {
    const moment = `at ${i}`;
    if (i > 0) graph.edge(`at ${i - 1}`, moment);
    if (begins) graph.edge(moment, code);
    else graph.edge(code, moment);
  });
  for (const { heard } of listenings) {
    const values = heard.filter((code) => code < 0);
    for (let i = 1; i < values.length; i += 1) graph.edge(values[i - 1], values[i]);
  }
  return graph.unsorted().filter((node) => typeof node === 'number');
}

class Graph {
  /** @type {Map<number | string, Array<number | string>>} */
  #next = new Map();
  /** @type {Map<number | string, number>} */
  #before = new Map();

  /** @type {(from: number | string, to: number | string) => void} */
  edge(from, to) {
    const next = this.#next.get(from);
    if (next) next.push(to);
    else this.#next.set(from, [to]);
    this.#before.set(to, (this.#before.get(to) ?? 0) + 1);
    if (!this.#before.has(from)) this.#before.set(from, 0);
  }

  /** What is in a cycle or behind one. */
  unsorted() {
    const before = new Map(this.#before);
    const free = [...before].filter(([, count]) => count === 0).map(([node]) => node);
    for (let node = free.pop(); node !== undefined; node = free.pop()) {
      before.delete(node);
      for (const next of this.#next.get(node) ?? []) {
        const count = Number(before.get(next)) - 1;
        before.set(next, count);
        if (count === 0) free.push(next);
      }
    }
    return [...before.keys()];
  }
}

module.exports = { disagreement };
