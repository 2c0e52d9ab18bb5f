'use strict';

// Each example is run as its head comment says, and shows what it says it shows.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { runNode } = require('./helpers.js');

const EXAMPLES = path.join(__dirname, '..', 'examples');

/** @param {string} name @returns {Promise<string[]>} the lines that it prints */
async function linesOf(name) {
  const { output, errors } = await runNode([`examples/${name}`]);
  assert.equal(errors, '');
  return output.trim().split('\n');
}

/** @type {Record<string, () => Promise<void>>} */
const checks = {
  async 'broadcast.js'() {
    const lines = await linesOf('broadcast.js');
    for (const worker of ['worker 1', 'worker 2', 'worker 3']) {
      const told = lines.filter((line) => line.startsWith(worker));
      assert.deepEqual(told, [
        `${worker} begins with: {"newCheckout":false,"closing":false}`,
        `${worker} hears: {"newCheckout":true,"closing":false}`,
        `${worker} hears: {"newCheckout":true,"closing":true}`,
      ]);
    }
    assert.equal(lines.length, 9);
  },

  async 'cache.js'() {
    assert.deepEqual(await linesOf('cache.js'), [
      '200 questions of 4 workers were answered',
      '3 reports were made, one for each city',
    ]);
  },

  async 'counter-http.js'() {
    const [answered, different, counted] = await linesOf('counter-http.js');
    assert.match(answered, /^100 requests were answered by [123] workers$/);
    assert.match(different, /^100 different answers, such as: request \d+, answered by worker \d$/);
    assert.equal(counted, 'counted: 100');
  },

  async 'rate-limit.js'() {
    let all = 0;
    for (const line of await linesOf('rate-limit.js')) {
      const [requests, allowed, refused] = (line.match(/\d+/g) ?? []).map(Number);
      assert.equal(line, `${requests} requests: ${allowed} allowed, ${refused} refused`);
      // A busy machine may let a worker come late, into another window.
      assert.deepEqual([allowed, refused], [Math.min(10, requests), Math.max(0, requests - 10)]);
      all += requests;
    }
    assert.equal(all, 180);
  },

  async 'sessions.js'() {
    const lines = await linesOf('sessions.js');
    const shown = lines.map((line) => line.replace(/^worker \d: (.{12})/, (_, did) => did.trim()));
    assert.match(shown[0], /^login \{"id":"[\w-]{36}"\}$/);
    assert.match(shown[6], /^login \{"id":"[\w-]{36}"\}$/);
    assert.deepEqual(
      shown.filter((_, i) => i !== 0 && i !== 6),
      [
        'buy tea {"user":"tom","cart":["tea"]}',
        'buy cups {"user":"tom","cart":["tea","cups"]}',
        'buy milk {"user":"tom","cart":["tea","cups","milk"]}',
        'logout "OK"',
        'buy sugar "no such session"',
        '2000 ms later',
        'buy bread "no such session"',
      ],
    );
  },
};

for (const name of fs.readdirSync(EXAMPLES).filter((name) => name.endsWith('.js'))) {
  test(`examples/${name} shows what it is for`, { timeout: 90_000 }, () => {
    assert.ok(Object.hasOwn(checks, name), 'there is no check for it');
    return checks[name]();
  });

  test(`examples/${name} says in its head how to run it`, { timeout: 10_000 }, () => {
    const text = fs.readFileSync(path.join(EXAMPLES, name), 'latin1');
    assert.match(
      text,
      new RegExp(`^// {5}node examples/${name}$|^// {5}node examples/${name} `, 'm'),
    );
  });
}
