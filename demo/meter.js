'use strict';

// A worker of the third act: times each of its operations, at the same time as all others do.

const memory = require('cluster-shared-memory');
const { NEW_SESSION, visited } = require('./pages.js');

const { sync } = memory;
const lengthMs = Number(process.env.LENGTH_MS);
const id = process.env.WORKER;
const SAMPLES = 20_000;

/** A fair choice of all times: each is as likely to be among them as any other (Vitter's algorithm R). */
class Samples {
  #times = new Float64Array(SAMPLES);
  #count = 0;

  /** @param {number} ms */
  add(ms) {
    const count = this.#count++;
    const place = count < SAMPLES ? count : Math.floor(Math.random() * (count + 1));
    if (place < SAMPLES) this.#times[place] = ms;
  }

  get count() {
    return this.#count;
  }

  get bytes() {
    return new Uint8Array(this.#times.buffer, 0, 8 * Math.min(this.#count, SAMPLES));
  }
}

/** @param {() => unknown} operation */
function timeSync(operation) {
  const samples = new Samples();
  const end = performance.now() + lengthMs;
  for (let now = 0; now < end; ) {
    const before = performance.now();
    operation();
    now = performance.now();
    samples.add(now - before);
  }
  return samples;
}

/** @param {() => Promise<unknown>} operation */
async function time(operation) {
  const samples = new Samples();
  const end = performance.now() + lengthMs;
  for (let now = 0; now < end; ) {
    const before = performance.now();
    await operation();
    now = performance.now();
    samples.add(now - before);
  }
  return samples;
}

async function addOne() {
  await memory.set('turns', (await memory.get('turns')) + 1);
}

/** @type {(name: string, samples: Samples) => void} */
function tell(name, samples) {
  sync.set(`times:${name}:${id}`, samples.bytes);
  sync.set(`count:${name}:${id}`, samples.count);
}

async function measure() {
  const session = [1, 2, 3, 4, 5].reduce(visited, NEW_SESSION);
  sync.set(`meter:${id}`, session);
  tell(
    'clock',
    timeSync(() => {}),
  );
  tell(
    'get',
    timeSync(() => sync.get('meter:1')),
  );
  tell(
    'set',
    timeSync(() => sync.set(`meter:${id}`, session)),
  );
  tell('mutex', await time(() => memory.mutex('turns', addOne)));
  process.disconnect?.();
}

// All begin together.
const end = memory.listen('begin', () => {
  end();
  measure();
});
memory.incr('ready');
