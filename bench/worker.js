'use strict';

// What a worker of the bench does: the floors and the operations, alone or beside another worker.

const memory = require('..');
const { inTurns } = require('./measure.js');

const OBJECT = { name: 'Tom', age: 10 };
const TEXT = JSON.stringify(OBJECT);
const KEYS = Array.from({ length: 10_000 }, (_, index) => `key:${index}`);

const { sync } = memory;
const engine = require('../binding.js').open({
  role: 'worker',
  thread: 0,
  status: new Uint32Array(4),
  makeError: Error,
  warn() {},
});
let sink;

/** @type {Record<string, (calls: number) => void | Promise<void>>} */
const floors = {
  'empty Node-API call': (calls) => {
    for (let i = 0; i < calls; i += 1) engine.nothing();
  },
  'JSON.parse': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = JSON.parse(TEXT);
  },
  'JSON.stringify': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = JSON.stringify(OBJECT);
  },
  'await a resolved promise': async (calls) => {
    const promise = Promise.resolve(OBJECT);
    for (let i = 0; i < calls; i += 1) sink = await promise;
  },
};

/** @type {Record<string, (calls: number) => void | Promise<void>>} */
const operations = {
  'sync get object': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = sync.get('user:1');
  },
  'sync set object': (calls) => {
    for (let i = 0; i < calls; i += 1) sync.set('user:1', OBJECT);
  },
  'await get object': async (calls) => {
    for (let i = 0; i < calls; i += 1) sink = await memory.get('user:1');
  },
  'await set object': async (calls) => {
    for (let i = 0; i < calls; i += 1) await memory.set('user:1', OBJECT);
  },
  'sync get string': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = sync.get('string');
  },
  'sync get number': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = sync.get('number');
  },
  'sync incr': (calls) => {
    for (let i = 0; i < calls; i += 1) sink = sync.incr('alone');
  },
};

let seed = process.pid;

/** A number below 2^31, from a sequence that each worker begins elsewhere (xorshift32). */
function random() {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 1;
}

/** One step of what workers do beside each other. @type {Record<string, () => void>} */
const together = {
  incr: () => {
    sync.incr('together');
  },
  mixed: () => {
    const chance = random();
    const key = KEYS[chance % KEYS.length];
    if (chance % 100_003 < 10_000) sync.set(key, OBJECT);
    else sink = sync.get(key);
  },
};

function prepare() {
  memory.sync.set('user:1', OBJECT);
  memory.sync.set('string', 'hello');
  memory.sync.set('number', 42);
  for (const key of KEYS) memory.sync.set(key, OBJECT);
}

/** On the clock that all processes of a machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/**
 * Does one step again and again until a time; gives how often, and the longest pause in it.
 * @param {string} name
 * @param {number} until in ms since the epoch
 */
function race(name, until) {
  const step = together[name];
  let done = 0;
  let pause = { from: 0, to: 0 };
  let from = now();
  const end = from + (until - Date.now());
  while (from < end) {
    for (let i = 0; i < 200; i += 1) step();
    done += 200;
    const to = now();
    if (to - from > pause.to - pause.from) pause = { from, to };
    from = to;
  }
  return { done, pause };
}

/** @type {Record<string, (order: any) => any>} */
const orders = {
  prepare,
  alone: ({ rounds }) => inTurns({ ...floors, ...operations }, rounds),
  race: ({ name, from, until }) => {
    while (Date.now() < from);
    return race(name, until);
  },
};

process.on('message', async (/** @type {any} */ order) => {
  const result = await orders[order.do](order);
  process.send?.({ result, sink: sink === undefined });
});
