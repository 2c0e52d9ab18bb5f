'use strict';

// A round of the soak: all work on keys of the round while faults befall the workers; then all come
// to rest, hear the last changes, and what was recorded is checked and forgotten.

const fs = require('node:fs');
const path = require('node:path');
const { sleep } = require('./actors/pause.js');
const { WATCHED } = require('./actors/listeners.js');
const { SPACE: NOISE } = require('./actors/noise.js');
const { clearScanned, setStaying } = require('./actors/scans.js');
const { checkRound } = require('./check.js');
const { KEYS, isThere, keysWhere, keyName, spaceOf } = require('./keys.js');
const { readHistory } = require('./history.js');
const { OP } = require('./records.js');
const { KIND } = require('./values.js');
const { describeCall } = require('./words.js');

const COUNTED = keysWhere(({ kind }) => kind === 'count' || kind === 'guarded');

const MOST_SHOWN = 20;

/** @typedef {import('./member.js').Task} Task */

class Rounds {
  #memory;
  #crew;
  #faults;
  #primary;
  #folder;
  #number = 0;
  #file = '';

  /**
   * @param {any} memory
   * @param {InstanceType<typeof import('./crew.js').Crew>} crew
   * @param {InstanceType<typeof import('./faults.js').Faults>} faults
   * @param {InstanceType<typeof import('./member.js').Member>} primary
   * @param {string} folder of all histories
   */
  constructor(memory, crew, faults, primary, folder) {
    this.#memory = memory;
    this.#crew = crew;
    this.#faults = faults;
    this.#primary = primary;
    this.#folder = folder;
  }

  /** What befalls a worker. @type {(hand: import('./crew.js').Hand, what: string) => void} */
  note({ number }, what) {
    const time = this.#primary.task?.recorder.now();
    if (time === undefined) return;
    fs.appendFileSync(this.#file, `${JSON.stringify({ worker: number, what, time })}\n`);
  }

  /**
   * Gives what the check found; the records stay if it found something wrong.
   * @param {number} ms
   */
  async run(ms) {
    this.#number += 1;
    const round = this.#number;
    const folder = path.join(this.#folder, `round-${round}`);
    fs.mkdirSync(folder);
    this.#file = path.join(folder, 'faults.jsonl');
    this.#memory.setLRUOptions?.({ max: 10_000, maxAge: 0 });
    setStaying(this.#memory, round);
    this.#primary.begin({ round, folder });
    await this.#crew.begin({ round, folder });
    this.#faults.start();
    await sleep(ms);
    await this.#faults.end();
    await this.#settle().catch((error) => {
      throw new Error(`${error.message}\n${openCalls(folder)}`);
    });
    const began = performance.now();
    const findings = checkRound(folder);
    findings.figures.checkSeconds = (performance.now() - began) / 1000;
    this.#clear(round);
    const wrong = findings.violations.length + this.#crew.violations.length;
    if (wrong === 0) fs.rmSync(folder, { recursive: true });
    return { round, folder, ...findings };
  }

  async #settle() {
    await this.#crew.rest();
    await this.#primary.rest();
    const lasts = await this.#lastChanges();
    await this.#crew.finish(lasts);
    await this.#primary.finish(lasts);
  }

  /** Changes each watched key for a last time, so that all listeners know when they have heard all. */
  async #lastChanges() {
    const { operator, maker } = /** @type {Task} */ (this.#primary.task);
    /** @type {Record<number, number>} */
    const lasts = {};
    for (const key of WATCHED.filter((each) => isThere(this.#memory, each))) {
      const { kind } = KEYS[key];
      let code = maker.code(kind === 'numbers' ? KIND.NUMBER : KIND.SHORT);
      if (kind === 'guarded') code = 1 + (await operator.surely({ op: OP.GET, key, argument: 0 }));
      await operator.surely({ op: OP.SET, key, argument: code });
      lasts[key] = code;
    }
    for (const key of COUNTED.filter((each) => isThere(this.#memory, each)))
      await operator.surely({ op: OP.GET, key, argument: 0 });
    return lasts;
  }

  /** @param {number} round */
  #clear(round) {
    KEYS.forEach(({ kind }, key) => {
      if (!isThere(this.#memory, key)) return;
      const name = keyName(round, key);
      if (kind !== 'lru') spaceOf(this.#memory, key).sync.remove(name);
      if (kind === 'lru' || kind === 'noise') this.#memory.removeLRU?.(name);
    });
    clearScanned(this.#memory, round);
    this.#memory.namespace?.(NOISE).sync.clear();
  }
}

/** What the living have not got done, for the report of a hang. @param {string} folder */
function openCalls(folder) {
  const calls = readHistory(folder).members.flatMap(({ calls }) => [...calls.values()]);
  const open = calls.filter(({ lost, ret }) => lost && ret === Number.POSITIVE_INFINITY);
  return `still open:\n${open.slice(0, MOST_SHOWN).map(describeCall).join('\n')}`;
}

module.exports = { Rounds };
