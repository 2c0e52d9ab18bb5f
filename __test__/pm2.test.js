'use strict';

// Apps in PM2's cluster mode, which require the package and do nothing else to share: their workers
// have PM2's daemon as their primary, which knows nothing of this package.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { after, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Pm2, ask, askAll, kill } = require('./pm2-daemon.js');

/** @typedef {import('node:test').TestContext} TestContext */
/** @typedef {import('./pm2-daemon.js').Process} Process */

const WATCHDOG = { timeout: 180_000 };
const RELOADS = 3;
const KILLS = 5;

const pm2 = new Pm2();
after(() => pm2.end(), WATCHDOG);

/**
 * Starts an app in cluster mode for as long as the test runs.
 * @param {TestContext} context
 * @param {import('./pm2-daemon.js').App} app
 */
async function start(context, app) {
  await pm2.start(context, { exec_mode: 'cluster', ...app });
  return pm2.processes(app.name);
}

/**
 * Who hosts the hub; the one who did may just have died.
 * @param {Process} where
 * @param {number} [before] who did
 * @returns {Promise<number>}
 */
const hostOf = (where, before = 0) =>
  ask(
    where,
    async ({ memory, until, input }) => {
      /** @type {number | null} */
      let host = null;
      await until(async () => {
        host = (await memory.stats()).host;
        return host !== null && host !== input;
      });
      return host;
    },
    before,
  );

/** @param {Array<{ pid: number }>} all */
const pidsOf = (all) => all.map(({ pid }) => pid).sort((a, b) => a - b);

/**
 * Lets all finish what they count, and compares it with what they noted.
 * @param {string} name
 * @param {number} kills each of which may have come between a count and its note
 */
async function checkCount(name, kills = 0) {
  const all = pm2.processes(name);
  await askAll(all, ({ rest }) => rest());
  const count = await ask(all[0], ({ memory }) => memory.get('count'));
  const notes = pm2.notesOf(name);
  assert.equal(new Set(notes).size, notes.length, 'a number was given twice');
  assert.ok(notes.every((number) => number >= 1 && number <= count));
  const missing = count - notes.length;
  assert.ok(missing >= 0 && missing <= kills, `${missing} of ${count} are missing`);
}

/**
 * Waits until the app has counted something more.
 * @param {string} name
 * @param {number} [killed] a process that may not be dead yet
 */
async function untilItCounts(name, killed) {
  const [one] = pm2.processes(name).filter(({ pid }) => pid !== killed);
  await ask(one, async ({ memory, until }) => {
    const before = (await memory.get('count')) ?? 0;
    await until(async () => (await memory.get('count')) > before);
  });
}

test('the workers of an app share their memory, whoever they are', WATCHDOG, async (context) => {
  const all = await start(context, { name: 'shared', instances: 3 });
  for (const each of all) {
    await ask(each, async ({ memory }) => {
      await memory.set(`of ${process.pid}`, [process.pid]);
      await memory.setLRU(`of ${process.pid}`, process.pid);
    });
  }
  const pids = pidsOf(all);
  for (const each of all) {
    const seen = await ask(
      each,
      async ({ memory, input }) => {
        const keys = input.map((/** @type {number} */ pid) => `of ${pid}`);
        return [await memory.getMany(keys), await Promise.all(keys.map(memory.getLRU))];
      },
      pids,
    );
    assert.deepEqual(seen, [pids.map((pid) => [pid]), pids]);
    const { members, name } = await ask(each, ({ memory }) => memory.stats());
    assert.deepEqual(pidsOf(members), pids);
    assert.match(name, /shared/);
    assert.ok(pids.includes(await hostOf(each)));
  }
});

test('they hear of changes, and wait for locks of each other', WATCHDOG, async (context) => {
  const [one, two] = await start(context, { name: 'talking', instances: 2 });
  const heard = ask(two, async ({ memory, until }) => {
    /** @type {unknown[]} */
    const values = [];
    const stop = memory.listen('news', (value) => values.push(value));
    await memory.set('listens', true);
    await until(() => values.length === 2);
    stop();
    return values;
  });
  const id = await ask(one, async ({ memory, until }) => {
    await until(() => memory.get('listens'));
    await memory.set('news', 1);
    await memory.set('news', 2);
    return memory.getLock('door');
  });
  assert.deepEqual(await heard, [1, 2]);
  const passed = ask(two, ({ memory }) => memory.mutex('door', () => memory.get('open')));
  await ask(
    one,
    async ({ memory, input }) => {
      await memory.set('open', 'yes');
      await memory.releaseLock('door', input);
    },
    id,
  );
  assert.equal(await passed, 'yes');
});

test('increments are exact over reloads', WATCHDOG, async (context) => {
  const env = { TEST_COUNTS: 'yes' };
  let all = await start(context, { name: 'reloaded', instances: 4, env });
  for (let i = 0; i < RELOADS; i += 1) {
    const before = pidsOf(all);
    await untilItCounts('reloaded');
    await pm2.run(['reload', 'reloaded']);
    all = await pm2.running('reloaded', 4);
    for (const pid of pidsOf(all)) assert.ok(!before.includes(pid));
  }
  await untilItCounts('reloaded');
  await checkCount('reloaded');
});

test('they are exact if SIGINT ends the workers at once', WATCHDOG, async (context) => {
  const env = { TEST_COUNTS: 'yes', TEST_LEAVES: 'at once' };
  await start(context, { name: 'rude', instances: 2, env });
  await untilItCounts('rude');
  await pm2.run(['reload', 'rude']);
  await untilItCounts('rude');
  await checkCount('rude', 2);
});

test('they are exact if workers are killed and PM2 starts others', WATCHDOG, async (context) => {
  await start(context, { name: 'killed', instances: 3, env: { TEST_COUNTS: 'yes' } });
  for (let i = 0; i < KILLS; i += 1) {
    await untilItCounts('killed');
    const all = pm2.processes('killed');
    const { pid } = all[i % all.length];
    kill(pid);
    await pm2.replaced('killed', [pid], 3);
  }
  await untilItCounts('killed');
  await checkCount('killed', KILLS);
});

test(
  'they are exact if the host of the hub is killed again and again',
  WATCHDOG,
  async (context) => {
    await start(context, { name: 'hosts', instances: 3, env: { TEST_COUNTS: 'yes' } });
    for (let i = 0; i < KILLS; i += 1) {
      const all = await pm2.running('hosts', 3);
      const host = await hostOf(all[0]);
      assert.ok(pidsOf(all).includes(host));
      kill(host);
      await untilItCounts('hosts', host);
      const others = await pm2.replaced('hosts', [host], 3);
      assert.ok(pidsOf(others).includes(await hostOf(others[0], host)));
    }
    await checkCount('hosts', KILLS);
  },
);

test('an app that is idle keeps its state over a reload', WATCHDOG, async (context) => {
  const listens = path.join(pm2.folder, 'idle.listen');
  // As most apps are: they say nothing to PM2, which waits until they listen.
  const app = { name: 'idle', instances: 2, wait_ready: false, env: { TEST_LISTENS: listens } };
  const [one] = await start(context, app);
  await ask(one, ({ memory }) => memory.set('kept', 'by nobody in particular'));
  await pm2.run(['reload', 'idle']);
  await pm2.run(['reload', 'idle']);
  for (const each of await pm2.running('idle', 2)) {
    assert.equal(await ask(each, ({ memory }) => memory.get('kept')), 'by nobody in particular');
  }
});

test('no request is lost over reloads, and none is counted twice', WATCHDOG, async (context) => {
  const socketPath = path.join(pm2.folder, 'http.listen');
  const env = { TEST_LISTENS: socketPath };
  await start(context, { name: 'http', instances: 3, wait_ready: false, env });
  let isOver = false;
  /** @type {number[]} */
  const answers = [];
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      answers.push(await requestNumber(socketPath));
      await sleep(1);
    }
  });
  for (let i = 0; i < RELOADS; i += 1) await pm2.run(['reload', 'http']);
  isOver = true;
  await Promise.all(clients);
  assert.ok(answers.length > 0);
  assert.deepEqual(
    answers.sort((a, b) => a - b),
    answers.map((_, i) => i + 1),
  );
});

test('workers that pm2 scale adds find what is there, and leave it', WATCHDOG, async (context) => {
  const [one] = await start(context, { name: 'scaled', instances: 1 });
  await ask(one, ({ memory }) => memory.set('kept', 'yes'));
  await pm2.run(['scale', 'scaled', '+2']);
  const all = await pm2.running('scaled', 3);
  const inAll = () => askAll(all, ({ memory }) => memory.get('kept'));
  assert.deepEqual(await inAll(), ['yes', 'yes', 'yes']);
  await pm2.run(['scale', 'scaled', '1']);
  const [left] = await pm2.running('scaled', 1);
  assert.equal(await ask(left, ({ memory }) => memory.get('kept')), 'yes');
});

test('pm2 restart keeps the state if the app says when it is ready', WATCHDOG, async (context) => {
  for (const instances of [2, 3]) {
    const name = `restarted-${instances}`;
    const all = await start(context, { name, instances });
    await ask(all[0], ({ memory }) => memory.set('kept', 'yes'));
    await pm2.run(['restart', name]);
    const found = await askAll(await pm2.running(name, instances), ({ memory }) =>
      memory.get('kept'),
    );
    assert.deepEqual(found, Array(instances).fill('yes'));
  }
});

test('an app that was stopped begins anew', WATCHDOG, async (context) => {
  const all = await start(context, { name: 'stopped', instances: 2 });
  await ask(all[0], ({ memory }) => memory.set('kept', 'yes'));
  await pm2.run(['stop', 'stopped']);
  await pm2.run(['start', 'stopped']);
  for (const each of await pm2.running('stopped', 2)) {
    assert.equal(await ask(each, ({ memory }) => memory.has('kept')), false);
  }
});

test('with a snapshot it goes on where it was stopped', WATCHDOG, async (context) => {
  const snapshot = path.join(pm2.folder, 'snapshot');
  const env = { TEST_CONFIGURATION: JSON.stringify({ snapshot }) };
  const all = await start(context, { name: 'snapshot', instances: 2, env });
  await ask(all[0], ({ memory }) => memory.set('kept', 'yes'));
  assert.equal(fs.existsSync(snapshot), false);
  await pm2.run(['stop', 'snapshot']);
  assert.equal(fs.existsSync(snapshot), true);
  await pm2.run(['start', 'snapshot']);
  for (const each of await pm2.running('snapshot', 2)) {
    assert.equal(await ask(each, ({ memory }) => memory.get('kept')), 'yes');
  }
});

/** @param {string} socketPath @returns {Promise<number>} */
function requestNumber(socketPath) {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, agent: false }, async (response) => {
      resolve(Number(Buffer.concat(await response.toArray()).toString()));
    });
    request.on('error', reject);
  });
}
