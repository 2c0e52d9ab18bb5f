'use strict';

// What a process does that waits for the memory of its group: for a file to be read, or for a host that
// is stopped. It loses nothing to whoever gives up, and takes nothing that nobody waits for.

const assert = require('node:assert/strict');
const { test, after, before } = require('node:test');
const { newName, start } = require('./group-family.js');
const {
  MANY,
  beginReading,
  closes,
  heardAt,
  makeLong,
  newPlace,
  putLong,
  removeLong,
} = require('./group-snapshots.js');

const BRIEF = { timeout: 60_000 };
const PACKAGE = require.resolve('../index.js');

before(makeLong);
after(removeLong);

/** A place with a file that takes long, and what a process begins with there. */
function longPlace() {
  const place = newPlace();
  putLong(place);
  return { place, options: { name: place.name, snapshot: place.file } };
}

test('threads that come, say the same and go have nothing read anew', BRIEF, async (t) => {
  const { place, options } = longPlace();
  const peer = await start(t);
  await peer.do(
    async ({ left }, source) => {
      const { Worker } = require('node:worker_threads');
      left.threads = Array.from({ length: 4 }, () => new Worker(source, { eval: true }));
      const ready = left.threads.map(
        (/** @type {any} */ thread) => new Promise((resolve) => thread.once('message', resolve)),
      );
      await Promise.all(ready);
    },
    `const { parentPort } = require('node:worker_threads');
     const memory = require(${JSON.stringify(PACKAGE)});
     parentPort.once('message', (isToAsk) => {
       memory.configure(${JSON.stringify(options)});
       if (isToAsk) memory.get('a').catch(() => {});
       setTimeout(() => process.exit(), 5);
     });
     parentPort.postMessage('ready');`,
  );
  await peer.do(beginReading, options);
  const { news, readers, first } = await peer.do(async ({ memory, left, until }, options) => {
    const { readdirSync, readFileSync } = require('node:fs');
    const threadsNamed = (/** @type {string} */ name) =>
      readdirSync('/proc/self/task').filter((id) => {
        try {
          return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === name;
        } catch {
          return false;
        }
      }).length;
    let running = left.threads.length;
    for (const [index, thread] of left.threads.entries()) {
      thread.once('exit', () => running--).postMessage(index % 2 === 0);
    }
    memory.configure(options);
    await until(() => running === 0);
    const readers = threadsNamed('csm-snapshot');
    return { first: await left.first, news: left.news, readers };
  }, options);
  assert.equal(first, 7);
  assert.ok(readers <= 1, `${readers} at once`);
  const entries = /** @type {number[]} */ (news.map((/** @type {any} */ { entries }) => entries));
  assert.deepEqual(
    entries,
    [...entries].sort((a, b) => a - b),
  );
  assert.deepEqual(heardAt(place), []);
});

test('who hears of the progress may ask for more', BRIEF, async (t) => {
  const { options } = longPlace();
  const peer = await start(t);
  const said = await peer.do(async ({ memory }, options) => {
    const asked = /** @type {Promise<any>[]} */ ([]);
    const progress = () => {
      asked.push(memory.get('key 7'));
    };
    memory.configure({ ...options, progress });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const size = await memory.size();
    clearInterval(timer);
    const found = [...new Set(await Promise.all(asked))];
    return { size, found, turns, isAsked: asked.length > 0, exits: process.listenerCount('exit') };
  }, options);
  assert.deepEqual([said.size, said.found, said.isAsked], [MANY, [7], true]);
  assert.ok(said.turns > 3, `${said.turns} turns`);
  assert.equal(said.exits, 1);
});

test('a worker chooses options of the cache while the file is read', BRIEF, async (t) => {
  const { place, options } = longPlace();
  const primary = await start(t);
  await primary.do(async ({ fork, left, memory }, options) => {
    memory.configure(options);
    left.worker = await fork();
  }, options);
  const name = await primary.do(({ ask, left }) =>
    ask(left.worker, async ({ memory }) => {
      memory.setLRUOptions({ max: 2 });
      return (await memory.stats()).name;
    }),
  );
  assert.equal(name, place.name);
});

test('what somebody gives up waiting for is not kept from others', BRIEF, async (t) => {
  const name = newName();
  const host = await start(t, { name });
  await host.do(({ memory }) => memory.set('a', 1));
  // One has a thread alone that loads the package, the other a worker that asks its primary.
  const other = await start(t, { env: { CLUSTER_SHARED_MEMORY_NAME: name } });
  const primary = await start(t, { name });
  await primary.do(async ({ fork, left, memory }) => {
    await memory.get('a');
    left.worker = await fork();
  });
  await host.stop();
  const codes = await Promise.all([
    primary.do(({ ask, left }) =>
      ask(left.worker, ({ memory, failure }) => failure(() => memory.get('a'))),
    ),
    other.do(({ thread }) =>
      thread(`
        setInterval(() => {}, 1000);
        try {
          memory.sync.get('a');
        } catch (error) {
          say({ code: error.code });
        }`),
    ),
  ]);
  host.goOn();
  assert.deepEqual(
    codes.map(({ code }) => code),
    ['ERR_NO_HOST', 'ERR_NO_HOST'],
  );
  for (const peer of [host, primary]) await peer.do(closes);
  const newcomer = await start(t, { name });
  await newcomer.do(({ memory }) => memory.set('a', 2));
  assert.equal(await newcomer.do(({ memory }) => memory.get('a')), 2);
});

test(
  'a call that is refused when it has asked for the memory waits for nothing',
  BRIEF,
  async (t) => {
    const name = newName();
    const host = await start(t, { name });
    await host.do(({ memory }) => memory.set('a', 1));
    const other = await start(t, { env: { CLUSTER_SHARED_MEMORY_NAME: name } });
    await host.stop();
    const code = await other.do(({ thread }) =>
      thread(`
      setInterval(() => {}, 1000);
      memory.set('a', () => {}).catch(({ code }) => setTimeout(() => say(code), 10));`),
    );
    host.goOn();
    assert.equal(code, 'ERR_INVALID_ARG_TYPE');
    await host.do(closes);
    const newcomer = await start(t, { name });
    await newcomer.do(({ memory }) => memory.set('a', 2));
  },
);
