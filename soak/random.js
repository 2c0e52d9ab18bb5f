'use strict';

// Random choices that follow from a seed (mulberry32). Each thread has a sequence of its own,
// derived from the seed of the run, so that one printed number brings back all choices; how the
// processes interleave it cannot bring back.

class Random {
  #state;

  /** @param {number[]} seeds */
  constructor(...seeds) {
    this.#state = seeds.reduce((state, seed) => mix(state ^ (seed + 0x9e3779b9)), 0);
  }

  /** A number in [0, 1). */
  fraction() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    return (mix(this.#state) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`, both included. @type {(least: number, most: number) => number} */
  integer(least, most) {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  /** @param {number} probability */
  chance(probability) {
    return this.fraction() < probability;
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  pick(list) {
    return list[this.integer(0, list.length - 1)];
  }

  /**
   * One of some things by their weights.
   * @template T
   * @param {ReadonlyArray<readonly [number, T]>} weighted
   * @returns {T}
   */
  weigh(weighted) {
    const total = weighted.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.fraction() * total;
    for (const [weight, thing] of weighted) {
      left -= weight;
      if (left < 0) return thing;
    }
    return weighted[weighted.length - 1][1];
  }
}

/** @param {number} number */
function mix(number) {
  let t = number | 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return t ^ (t >>> 14);
}

module.exports = { Random };
