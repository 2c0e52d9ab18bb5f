'use strict';

// Kills the process that hosts the hub, again and again, and measures until another does. Which one
// it is, members are asked: the process that kills is none.

const { once } = require('node:events');
const { clearTimeout, setTimeout } = require('node:timers');
const { sleep } = require('./actors/pause.js');
const { outcomeOfError } = require('./operator.js');
const { OUTCOME } = require('./records.js');

/** @typedef {import('./crew.js').Hand} Hand */
/** What a member saw: who hosts the hub, and when it looked. @typedef {{ host: number, time: number }} Sight */

/** How long nobody may host the hub before that counts as a failure. */
const PATIENCE_MS = 10_000;
/** How long one member looks before others are asked. */
const LOOK_MS = 300;
/** So many are asked at once, for some are busy. */
const ASKED = 3;
const MS = 1e6;

class Hosts {
  /** After how many ms another hosted the hub. @type {{ kill: number[], death: number[] }} */
  #since = { kill: [], death: [] };
  /** How often there would have been nobody left to take over. */
  #spared = 0;
  #crew;
  #random;
  #everyMs;
  #base;
  #running = false;
  #done = Promise.resolve();

  /**
   * @param {InstanceType<typeof import('./crew.js').Crew>} crew
   * @param {InstanceType<typeof import('./random.js').Random>} random
   * @param {number} everyMs
   * @param {string} base the beginning of the run
   */
  constructor(crew, random, everyMs, base) {
    this.#crew = crew;
    this.#random = random;
    this.#everyMs = everyMs;
    this.#base = BigInt(base);
  }

  start() {
    this.#running = true;
    this.#done = this.#run();
  }

  async end() {
    this.#running = false;
    await this.#done;
  }

  /** @returns {Record<string, number>} */
  get figures() {
    const { kill, death } = this.#since;
    const counts = { hostKills: kill.length, spared: this.#spared };
    return { ...counts, ...spread('sinceKill', kill), ...spread('sinceDeath', death) };
  }

  async #run() {
    while (this.#running) {
      const next = this.#now() + this.#everyMs * MS;
      const done = await this.#strike();
      if (this.#running) await sleep(Math.max(1, done ? (next - this.#now()) / MS : 0));
    }
  }

  /** Kills the host; gives whether there was one to be killed. */
  async #strike() {
    const sight = await this.#see();
    const hand = sight && this.#crew.byPid(sight.host);
    // It ended by itself, or of another fault, while we heard of it.
    if (hand === undefined || hand.state === 'killed') return false;
    if (this.#crew.canSpare(hand)) await this.#kill(hand);
    else this.#spared += 1;
    return true;
  }

  /** @param {Hand} hand */
  async #kill(hand) {
    const { pid } = hand.child;
    const ended = once(hand.child, 'exit').then(() => this.#now());
    const killed = this.#now();
    this.#crew.kill(hand);
    const sight = await this.#see(pid);
    if (sight === undefined) return;
    this.#since.kill.push((sight.time - killed) / MS);
    this.#since.death.push(Math.max(0, sight.time - (await ended)) / MS);
  }

  /** Who hosts the hub, other than one. @param {number} [other] @returns {Promise<Sight | undefined>} */
  async #see(other = 0) {
    const deadline = this.#now() + PATIENCE_MS * MS;
    while (this.#now() < deadline) {
      const sight = await first(this.#some().map(({ desk }) => desk.order('see', { other })));
      if (sight) return sight;
      await sleep(1);
    }
    const after = other > 0 ? ` after ${other} was killed` : '';
    this.#crew.violations.push(`nobody hosted the hub for ${PATIENCE_MS} ms${after}`);
    this.#running = false;
    return undefined;
  }

  /** Some that can answer. */
  #some() {
    const free = [...this.#crew.free];
    while (free.length > ASKED) free.splice(this.#random.integer(0, free.length - 1), 1);
    return free;
  }

  #now() {
    return Number(process.hrtime.bigint() - this.#base);
  }
}

/** What the first of some answers; undefined if none does in time. @param {Array<Promise<any>>} answers */
async function first(answers) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const given = answers.map(async (answer) => (await answer) ?? Promise.reject(new Error('Gone.')));
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 2 * LOOK_MS);
  });
  try {
    return await Promise.race([Promise.any(given), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Looks until another than one hosts the hub; gives nothing if that takes too long.
 * @type {(memory: any, other: number, base: string) => Promise<Sight | undefined>}
 */
async function see(memory, other, base) {
  const deadline = performance.now() + LOOK_MS;
  while (performance.now() < deadline) {
    const host = await hostOf(memory);
    const time = Number(process.hrtime.bigint() - BigInt(base));
    if (host > 0 && host !== other) return { host, time };
    await sleep(1);
  }
  return undefined;
}

/** The pid of the host, or 0. @param {any} memory @returns {Promise<number>} */
async function hostOf(memory) {
  try {
    return (await memory.stats()).host ?? 0;
  } catch (error) {
    // This process leaves, or another is stopped in the middle of a change.
    if (outcomeOfError(error) !== OUTCOME.WRONG) return 0;
    throw error;
  }
}

/** The middle of some figures, and the largest. @type {(name: string, list: number[]) => Record<string, number>} */
function spread(name, list) {
  const sorted = [...list].sort((a, b) => a - b);
  const [middle = 0, largest = 0] = [sorted[sorted.length >> 1], sorted[sorted.length - 1]];
  return { [`${name}Ms`]: middle, [`${name}LongestMs`]: largest };
}

module.exports = { Hosts, see, spread };
