'use strict';

// The soak without a primary: plain processes that know each other by a name, and the one that hosts
// the hub is killed again and again. This process only starts, orders and kills: if it were a member,
// it could host the hub, and would never be killed. What needs the memory, one of the workers does.

const { fork } = require('node:child_process');
const fs = require('node:fs');
const { Crew, PROGRAM } = require('./crew.js');
const { Faults } = require('./faults.js');
const { Hosts, spread } = require('./hosts.js');

const VARIABLE = 'CLUSTER_SHARED_MEMORY_NAME';
const SOCKETS = '/proc/net/unix';

/** @typedef {import('./member.js').Round} Round */
/** @typedef {import('./crew.js').Hand} Hand */

class Group {
  #crew;
  #hosts;
  #name;

  /**
   * @param {InstanceType<typeof Crew>} crew
   * @param {InstanceType<typeof Hosts>} hosts
   * @param {string} name that all give
   */
  constructor(crew, hosts, name) {
    this.#crew = crew;
    this.#hosts = hosts;
    this.#name = name;
  }

  /**
   * One begins before all others: what it hears, it hears from before the first change.
   * @param {Round} where
   */
  async begin(where) {
    await this.#crew.until(() => this.#crew.starting.length === 0, 'join');
    await this.#ask('setUp', where);
    await this.#crew.beginWith(this.#one, where);
  }

  async settle() {
    await this.#crew.rest();
    await this.#crew.finish(await this.#ask('changeLast'));
    this.#expectOneSegment();
  }

  /** @param {number} round */
  async clear(round) {
    await this.#ask('cleanUp', { round });
  }

  /** Lets all go; gives what is to be told of the whole run. */
  async end() {
    const crew = this.#crew;
    const last = this.#one;
    await crew.dismiss(last);
    const { figures, name, problem } = await this.#ask('lookOver');
    if (problem) crew.violations.push(problem);
    else if (name !== this.#name) crew.violations.push(`the name was ${name}, not ${this.#name}`);
    await crew.dismiss();
    await this.#expectNothingLeft();
    const joins = crew.arrivals.map(({ joinMs }) => joinMs);
    return { ...figures, joins: joins.length, ...spread('join', joins), ...this.#hosts.figures };
  }

  async close() {}

  /** Who does what the primary of a cluster does. */
  get #one() {
    const [hand] = this.#crew.working;
    if (hand === undefined) throw new Error('No worker is left.');
    return hand;
  }

  /** Has the first do something that can. @type {(name: string, details?: object) => Promise<any>} */
  async #ask(name, details) {
    for (const { desk } of this.#crew.working) {
      let ended = false;
      const answer = desk.order(name, details);
      answer.then(() => {
        ended = true;
      });
      await this.#crew.until(() => ended, name);
      const given = await answer;
      if (given !== undefined) return given;
    }
    throw new Error(`No worker could ${name}.`);
  }

  /** As long as one member lived there was never another segment. */
  #expectOneSegment() {
    const segments = new Set(this.#crew.arrivals.map(({ segment }) => segment));
    if (segments.size < 2) return;
    this.#crew.violations.push(`there were segments of these makers: ${[...segments].join(', ')}`);
  }

  /** The last has taken the segment with it, and the name is free. */
  async #expectNothingLeft() {
    const crew = this.#crew;
    if (fs.readFileSync(SOCKETS, 'latin1').includes(this.#name)) {
      crew.violations.push(`a socket of "${this.#name}" is left when all have ended`);
    }
    const { number, segment } = await crew.hireOne();
    if (segment !== String(number)) {
      crew.violations.push(`a newcomer found the segment of ${segment} when all had ended`);
    }
    await crew.dismiss();
  }
}

/** @param {import('./run.js').Parts} parts */
function withoutPrimary({ settings, workers, random, note, hostKillMs }) {
  const mode = random.pick(['json', 'advanced']);
  const log = random.pick(['1mb', '64mb', '64mb']);
  const name = `soak-${process.pid}-${settings.seed}-${Date.now().toString(36)}`;
  const configured = { maxMemory: '512mb', mode, log };
  /** Some have the name from the environment, some give it themselves. @type {(env: Record<string, string>, number: number) => import('node:child_process').ChildProcess} */
  const start = (env, number) => {
    const how = number % 2 === 0 ? { [VARIABLE]: name } : { SOAK_NAME: name };
    return fork(PROGRAM, { env: { ...process.env, ...env, ...how } });
  };
  const crew = new Crew(workers, { ...settings, configured }, start, note);
  const faults = new Faults(crew, random, { least: 200, most: 800 }, note);
  const hosts = new Hosts(crew, random, hostKillMs, settings.base);
  const lead = new Group(crew, hosts, name);
  return { chosen: { name, ...configured }, crew, faults: [faults, hosts], lead };
}

module.exports = { withoutPrimary };
