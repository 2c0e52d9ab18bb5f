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

/** One step of what workers do beside each other. @type {Record<string, (i: number) => void>} */
const together = {
  incr: () => {
    sync.incr('together');
  },
  mixed: (i) => {
    const key = KEYS[(i * 7919) % KEYS.length];
    if (i % 10 === 0) sync.set(key, OBJECT);
    else sink = sync.get(key);
  },
};

function prepare() {
  memory.sync.set('user:1', OBJECT);
  memory.sync.set('string', 'hello');
  memory.sync.set('number', 42);
  for (const key of KEYS) memory.sync.set(key, OBJECT);
}

/**
 * Does one step again and again until a time; gives how often, and the longest that it took.
 * @param {string} name
 * @param {number} until in ms since the epoch
 */
function race(name, until) {
  const step = together[name];
  let done = 0;
  let longestMs = 0;
  let before = performance.now();
  const end = before + (until - Date.now());
  while (before < end) {
    for (let i = 0; i < 200; i += 1) step(done + i);
    done += 200;
    const now = performance.now();
    longestMs = Math.max(longestMs, now - before);
    before = now;
  }
  return { done, longestMs };
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
