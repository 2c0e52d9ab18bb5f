'use strict';

// Listens to watched keys, begins and ends listening, and records what is heard.

const { isThere, keysWhere, keyName, spaceOf } = require('../keys.js');
const { brief } = require('../operator.js');
const { MARK, OP, OUTCOME } = require('../records.js');
const { toCode } = require('../values.js');
const { sleep } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */

const WATCHED = keysWhere(({ watched }) => watched);
const MOST_LISTENINGS = 4;
const PATIENCE_MS = 10_000;

class Listening {
  last = 0;
  ended = false;

  #task;
  #seq;
  #stop;

  /** @param {Task} task @param {number} key */
  constructor(task, key) {
    const { memory, recorder, round } = task;
    this.#task = task;
    this.key = key;
    this.#seq = recorder.call(OP.LISTEN, key);
    const called = recorder.now();
    this.#stop = spaceOf(memory, key).listen(keyName(round, key), this.#hear);
    recorder.returned(this.#seq, called, recorder.now(), OUTCOME.OK);
    if (typeof this.#stop !== 'function') recorder.note(`listen gave ${brief(this.#stop)}`);
  }

  end() {
    this.#task.recorder.call(OP.UNLISTEN, this.key, this.#seq);
    this.#stop();
    this.ended = true;
  }

  /** Ends listening when nothing is recorded any more. */
  forget() {
    this.#stop();
  }

  /** Waits until a value was heard. @type {(code: number) => Promise<void>} */
  async until(code) {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.last !== code && performance.now() < deadline) await sleep(5);
    if (this.last === code) return;
    const last = `heard ${this.last} last, and not ${code}`;
    this.#task.recorder.note(`listener ${this.#seq} on key ${this.key} ${last}`);
  }

  /** @param {unknown} value */
  #hear = (value) => {
    const { recorder, operator, random } = this.#task;
    // In the file of a round that is over nobody looks.
    if (this.#task.over) return;
    if (this.ended) recorder.note(`listener ${this.#seq} was called after its end`);
    const code = toCode(value);
    if (Number.isNaN(code)) recorder.note(`a listener heard ${brief(value)}`);
    recorder.mark(MARK.NOTICE, this.key, this.#seq, code);
    this.last = code;
    if (this.#task.closed || !random.chance(0.05)) return;
    operator.now({ op: OP.GET, key: this.key, argument: 0 });
    recorder.mark(MARK.LOOKED, this.key, recorder.latest, code);
  };
}

/** @param {{ all: boolean }} options whether to listen to all watched keys, all the time */
function actOnListeners({ all }) {
  return async (/** @type {Task} */ task) => {
    const { memory, random, listenings } = task;
    if (typeof memory.listen !== 'function') return;
    const watched = WATCHED.filter((key) => isThere(memory, key));
    /** Those of this actor. @type {Listening[]} */
    const own = [];
    const listen = (/** @type {number} */ key) => {
      const listening = new Listening(task, key);
      own.push(listening);
      listenings.push(listening);
    };
    if (all) watched.forEach(listen);
    while (!task.resting && !all) {
      const living = own.filter(({ ended }) => !ended);
      const begin = living.length === 0 || random.chance(0.5);
      if (!begin) random.pick(living).end();
      else if (living.length < MOST_LISTENINGS) listen(random.pick(watched));
      await sleep(random.integer(20, 400));
    }
  };
}

module.exports = { actOnListeners, WATCHED };
