'use strict';

// examples/pm2 is run as it says, by PM2, and shows what it says.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Pm2 } = require('./pm2-daemon.js');

const ROOT = path.join(__dirname, '..');
const HEAD = fs.readFileSync(path.join(ROOT, 'examples/pm2/app.js'), 'latin1').split('\n\n')[1];
const COMMANDS = [...HEAD.matchAll(/^\/\/ {5}(.+)$/gm)].map(([, command]) => command);
const [START, RELOAD, DELETE] = COMMANDS.filter((command) => command.startsWith('pm2 '));
const ANSWER = /^visit (\d+), and (\d+) by you; process (\d+) is at your service\n$/;
const LIMIT = 20;
const WINDOW_MS = 10_000;
const WATCHDOG = { timeout: 180_000 };

const pm2 = new Pm2();
let port = 0;

/** Runs a command as it stands there. @param {string} command */
const type = (command) => pm2.run(command.split(' ').slice(1), { PORT: '0' });

before(async () => {
  await type(START);
  for (;;) {
    port = Number(/ port: (\d+)/.exec(pm2.log())?.[1] ?? 0);
    if (port !== 0) return;
    await sleep(20);
  }
}, WATCHDOG);
after(() => pm2.end(), WATCHDOG);

/** Somebody with an address and a cookie of their own, who makes a new connection each time. */
class Visitor {
  static #last = 0;
  #localAddress;
  #cookie = '';

  constructor() {
    Visitor.#last += 1;
    this.#localAddress = `127.1.${Visitor.#last >> 8}.${Visitor.#last & 255}`;
  }

  /** @returns {Promise<{ status?: number, count: number, mine: number, pid: number }>} */
  visit() {
    const headers = { cookie: this.#cookie };
    const where = { host: '127.0.0.1', port, localAddress: this.#localAddress };
    return new Promise((resolve, reject) => {
      const request = http.get({ ...where, agent: false, headers }, async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        const [, count, mine, pid] = (ANSWER.exec(text) ?? []).map(Number);
        this.#cookie = response.headers['set-cookie']?.[0].split(';')[0] ?? this.#cookie;
        resolve({ status: response.statusCode, count, mine, pid });
      });
      request.on('error', reject);
    });
  }
}

/** @param {number} length */
const upTo = (length) => Array.from({ length }, (_, i) => i + 1);

test('it names the commands that it needs', () => {
  assert.deepEqual(COMMANDS, [
    'npm install --global pm2',
    'pm2 start examples/pm2/ecosystem.config.js',
    'curl http://127.0.0.1:3080/',
    'pm2 reload shop',
    'curl http://127.0.0.1:3080/',
    'pm2 delete shop',
  ]);
});

let visits = 0;

test('its processes count visits and know sessions together', WATCHDOG, async () => {
  const [ann, tom] = [new Visitor(), new Visitor()];
  const pids = new Set();
  for (const i of upTo(9)) {
    const hers = await ann.visit();
    const his = await tom.visit();
    assert.deepEqual([hers.count, hers.mine], [2 * i - 1, i]);
    assert.deepEqual([his.count, his.mine], [2 * i, i]);
    pids.add(hers.pid).add(his.pid);
  }
  visits = 18;
  assert.equal(pids.size, 3);
});

test('they limit the rate of an address together', WATCHDOG, async () => {
  const visitor = new Visitor();
  const windowNow = () => Math.floor(Date.now() / WINDOW_MS);
  const first = windowNow();
  const answers = await Promise.all(upTo(100).map(() => visitor.visit()));
  const windows = windowNow() - first + 1;
  const allowed = answers.filter(({ status }) => status === 200).length;
  const refused = answers.filter(({ status }) => status === 429).length;
  assert.equal(allowed + refused, 100);
  assert.ok(allowed >= LIMIT && allowed <= LIMIT * windows, `${allowed} in ${windows} windows`);
  visits += allowed;
});

test('no visit is lost while they are replaced', WATCHDOG, async () => {
  const [visitor, other] = [new Visitor(), new Visitor()];
  const { pid: before } = await visitor.visit();
  const counts = /** @type {number[]} */ ([]);
  let isOver = false;
  const guests = (async () => {
    // None of them comes so often that it is refused.
    while (!isOver) {
      for (const _ of upTo(4)) counts.push((await new Visitor().visit()).count);
      await sleep(50);
    }
  })();
  await type(RELOAD);
  isOver = true;
  await guests;
  const { count, mine, pid } = await visitor.visit();
  assert.notEqual(pid, before);
  assert.equal(mine, 2);
  visits += 1;
  assert.ok(counts.length > 0);
  assert.deepEqual(
    counts,
    upTo(counts.length).map((i) => visits + i),
  );
  assert.equal(count, visits + counts.length + 1);
  assert.equal((await other.visit()).count, count + 1);
});

test('they leave when they are asked to', WATCHDOG, async () => {
  await type(DELETE);
  const log = pm2.log();
  assert.ok(!log.includes('SIGKILL'), log);
});
