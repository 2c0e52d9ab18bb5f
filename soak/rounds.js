'use strict';

// A round of the soak: all work on keys of the round while faults befall the workers; then all come
// to rest, hear the last changes, and what was recorded is checked and forgotten.

const fs = require('node:fs');
const path = require('node:path');
const { sleep } = require('./actors/pause.js');
const { checkRound } = require('./check.js');
const { readHistory } = require('./history.js');
const { describeCall } = require('./words.js');

const MOST_SHOWN = 20;

/**
 * Who sees to what is in the memory.
 * @typedef {object} Lead
 * @property {(where: import('./member.js').Round) => Promise<void>} begin sets up, and lets all begin
 * @property {() => Promise<void>} settle lets all come to rest and hear the last changes
 * @property {(round: number) => Promise<void>} clear
 * @property {() => Promise<Record<string, number>>} end lets all go; gives what is to be told of the run
 * @property {() => Promise<void>} close
 */
/** @typedef {{ start(): void, end(): Promise<void> }} Faults what befalls the workers */

class Rounds {
  #lead;
  #crew;
  #faults;
  #folder;
  #base;
  #number = 0;
  #file = '';

  /**
   * @param {Lead} lead
   * @param {InstanceType<typeof import('./crew.js').Crew>} crew
   * @param {Faults[]} faults
   * @param {{ folder: string, base: string }} settings the folder of all histories, the beginning of the run
   */
  constructor(lead, crew, faults, { folder, base }) {
    this.#lead = lead;
    this.#crew = crew;
    this.#faults = faults;
    this.#folder = folder;
    this.#base = BigInt(base);
  }

  /** What befalls a worker. @type {(hand: import('./crew.js').Hand, what: string) => void} */
  note({ number }, what) {
    if (this.#file === '') return;
    const time = Number(process.hrtime.bigint() - this.#base);
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
    await this.#lead.begin({ round, folder });
    for (const each of this.#faults) each.start();
    await sleep(ms);
    await Promise.all(this.#faults.map((each) => each.end()));
    await this.#lead.settle().catch((error) => {
      throw new Error(`${error.message}\n${openCalls(folder)}`);
    });
    this.#file = '';
    const began = performance.now();
    const findings = checkRound(folder);
    findings.figures.checkSeconds = (performance.now() - began) / 1000;
    await this.#lead.clear(round);
    const wrong = findings.violations.length + this.#crew.violations.length;
    if (wrong === 0) fs.rmSync(folder, { recursive: true });
    return { round, folder, ...findings };
  }
}

/** What the living have not got done, for the report of a hang. @param {string} folder */
function openCalls(folder) {
  const calls = readHistory(folder).members.flatMap(({ calls }) => [...calls.values()]);
  const open = calls.filter(({ lost, ret }) => lost && ret === Number.POSITIVE_INFINITY);
  return `still open:\n${open.slice(0, MOST_SHOWN).map(describeCall).join('\n')}`;
}

module.exports = { Rounds };
