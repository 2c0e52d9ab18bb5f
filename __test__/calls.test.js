'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run, runNode } = require('./helpers.js');

test('set and remove give OK, in the primary and in workers', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      say([await memory.set('a', 1), await memory.remove('a'), memory.sync.set('a', 1)]);
      await workers();
    },
    worker: async ({ memory, say }) => {
      say([await memory.set('a', 1), await memory.remove('a'), memory.sync.remove('a')]);
    },
  });
  assert.deepEqual(said, [
    ['OK', 'OK', 'OK'],
    ['OK', 'OK', 'OK'],
  ]);
});

test('get of a missing key is undefined, and removing it is OK', async () => {
  assert.equal(await memory.get('missing'), undefined);
  assert.equal(memory.sync.get('missing'), undefined);
  assert.equal(await memory.remove('missing'), 'OK');
});

test('has tells a missing key from one that holds undefined', async () => {
  await memory.set('held', undefined);
  assert.equal(await memory.get('held'), undefined);
  assert.equal(await memory.has('held'), true);
  await memory.remove('held');
  assert.equal(await memory.has('held'), false);
  assert.equal(memory.sync.has('held'), false);
});

test('a set replaces the value, of whatever kind', async () => {
  for (const value of [1, 'text', { a: 1 }, null, Buffer.from('b'), 2, undefined, true]) {
    await memory.set('kind', value);
    assert.deepEqual(await memory.get('kind'), value);
  }
});

test('incr counts a missing key from 0, by 1 or by what is given', async () => {
  await memory.remove('n');
  assert.equal(await memory.incr('n'), 1);
  assert.equal(await memory.incr('n', 41), 42);
  assert.equal(memory.sync.incr('n', -2), 40);
  assert.equal(await memory.incr('n', 0), 40);
  assert.equal(await memory.get('n'), 40);
});

test('incr adds to a number that was set', async () => {
  await memory.set('n', 1.5);
  assert.equal(await memory.incr('n', 0.25), 1.75);
});

test('incr of another kind of value is an error, and the value stays', async () => {
  await memory.set('n', 'text');
  await assert.rejects(memory.incr('n'), { name: 'SharedMemoryError', code: 'ERR_NOT_A_NUMBER' });
  assert.equal(await memory.get('n'), 'text');
});

test('incr beyond what is exact is a RangeError, and the number stays', async () => {
  await memory.set('n', Number.MAX_SAFE_INTEGER);
  await assert.rejects(memory.incr('n'), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  assert.equal(await memory.get('n'), Number.MAX_SAFE_INTEGER);
});

test('incr by something else than a finite number is an error', async () => {
  for (const by of /** @type {any[]} */ (['1', null, 1n, {}])) {
    await assert.rejects(memory.incr('n', by), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
  }
  for (const by of [Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(memory.incr('n', by), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  }
});

test('no increment of four workers is lost', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.set('count', 0);
      await workers(4);
      say(await memory.get('count'));
    },
    worker: async ({ memory }) => {
      for (let i = 0; i < 1000; i++) await memory.incr('count');
    },
  });
  assert.deepEqual(said, [4000]);
});

test('a callback gets the value as its only argument, once, after the call', async () => {
  assert.deepEqual(await outcomes((done) => memory.set('cb', { a: 1 }, done)), [['OK']]);
  assert.deepEqual(await outcomes((done) => memory.get('cb', done)), [[{ a: 1 }]]);
  assert.deepEqual(await outcomes((done) => memory.remove('cb', done)), [['OK']]);
  assert.deepEqual(await outcomes((done) => memory.get('cb', done)), [[undefined]]);
});

test('a call with a callback returns the promise too', async () => {
  assert.equal(await memory.set('cb', 5, () => {}), 'OK');
  assert.equal(await memory.get('cb', () => {}), 5);
  assert.equal(await memory.remove('cb', () => {}), 'OK');
});

test('the callback of a failed call gets the Error, and its promise counts as handled', async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     const show = (error) => console.log(error.code, error instanceof TypeError);
     memory.get(undefined, show);
     memory.set(null, 1, show);
     memory.remove({}, show);`,
  ]);
  assert.equal(output, 'ERR_INVALID_ARG_TYPE true\n'.repeat(3));
});

test('the promise of a failed call with a callback still rejects', async () => {
  const code = 'ERR_INVALID_ARG_TYPE';
  await assert.rejects(
    memory.get(/** @type {any} */ (undefined), () => {}),
    { code },
  );
});

test('what a callback throws is an uncaught exception', async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     process.on('uncaughtException', (error, origin) => console.log(error.message, origin));
     memory.set('a', 1, () => { throw new Error('mine'); });`,
  ]);
  assert.equal(output, 'mine uncaughtException\n');
});

test('a callback that is no function is ignored', async () => {
  await memory.set('a', 1, /** @type {any} */ (null));
  await memory.remove('b', /** @type {any} */ ('not a function'));
  assert.deepEqual(await Promise.all(['a', 'a'].map(/** @type {any} */ (memory.get))), [1, 1]);
});

test('operations of one thread happen in the order in which they were made', async () => {
  const results = await Promise.all([
    memory.set('order', 1),
    memory.get('order'),
    memory.incr('order'),
    memory.remove('order'),
    memory.has('order'),
  ]);
  assert.deepEqual(results, ['OK', 1, 2, 'OK', false]);
});

/**
 * The arguments of each call of the callback, until all is quiet.
 * @param {(done: (...args: any[]) => void) => Promise<unknown>} call
 */
async function outcomes(call) {
  /** @type {unknown[][]} */
  const seen = [];
  const promise = call((...args) => seen.push(args));
  assert.deepEqual(seen, []);
  await promise;
  await new Promise((resolve) => setTimeout(resolve, 10));
  return seen;
}
