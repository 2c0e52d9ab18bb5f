'use strict';

// The demo, run shortly and not on a terminal; and that it would say so if something were lost.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { report } = require('../demo/report.js');

const DEMO = path.join(__dirname, '..', 'demo', 'run.js');
const WATCHDOG_MS = 120_000;

/** @param {string[]} args */
const runDemo = (args) =>
  spawnSync(process.execPath, [DEMO, ...args], { encoding: 'utf8', timeout: WATCHDOG_MS });

test('the demo kills workers, loses nothing and ends by itself', () => {
  const { stdout: output, stderr, status } = runDemo(['--seconds', '2', '--count', '100000']);
  assert.equal(status, 0, output + stderr);
  assert.equal(stderr, '');
  assert.match(output, /^ {2}counted +100,00[01] by 8 processes in [\d.]+ s/m);
  assert.match(output, /^ {2}cut off +\d+ requests? by 1 kill, \d+ of them already counted$/m);
  assert.match(output, /^ {2}sessions +64 read back/m);
  for (const timed of ['HTTP request', 'notice', 'sync.get', 'sync.set', 'mutex']) {
    assert.match(
      output,
      new RegExp(`^ {2}${timed} .* [\\d.]+ (ns|us|ms) +[\\d.]+ (ns|us|ms) `, 'm'),
    );
  }
  assert.match(output, /^Lost: nothing\./m);
  // Not a terminal: nothing is written over.
  for (const control of ['\r', '\u001b']) assert.ok(!output.includes(control));
  for (const line of output.split('\n')) assert.ok(line.length < 80, line);
});

const WRONG = [
  ['--seconds', 'long'],
  ['--seconds', '0'],
  ['--workers', '1'],
  ['--workers', '2.5'],
  ['--count', ''],
  ['--port', '65536'],
  ['--speed', '2'],
  ['more'],
];

test('wrong options end it with 2 and a usage line', () => {
  for (const args of WRONG) {
    const { status, stdout, stderr } = runDemo(args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^usage: npm start -- \[--seconds N\] \[--workers N\]/m);
  }
});

/** Acts in which all is right. */
function acts() {
  const times = { p50Ns: 1000, p99Ns: 2000 };
  const seen = { answered: 90, highest: 91, cut: 2, wrong: 0, pauseMs: 5, sessions: 64 };
  return {
    counting: { expected: 1000, counted: 1001, noted: 1000, kills: 1, ms: 100 },
    serving: {
      seen: { ...times, ...seen, problems: /** @type {string[]} */ ([]) },
      counted: 91,
      made: 9,
      notices: 10,
      kills: 1,
      inOrder: true,
      notice: times,
      ms: 100,
    },
    speeds: {
      get: { ...times, count: 10 },
      set: { ...times, count: 10 },
      mutex: { ...times, count: 10 },
      turns: 10,
      workers: 2,
      lengthMs: 100,
    },
  };
}

/** @type {Record<string, (all: ReturnType<typeof acts>) => void>} */
const LOSSES = {
  'a count': ({ counting }) => {
    counting.counted = 999;
  },
  'a count that nobody noted': ({ counting }) => {
    counting.noted = 999;
  },
  'more counts than processes were killed': ({ counting }) => {
    counting.counted = 1002;
  },
  'a request': ({ serving }) => {
    serving.counted = 89;
  },
  'a request counted twice': ({ serving }) => {
    serving.counted = 93;
  },
  'a number that was not counted': ({ serving }) => {
    serving.seen.highest = 92;
  },
  'a session': ({ serving }) => {
    serving.seen.wrong = 1;
  },
  'a notice': ({ serving }) => {
    serving.inOrder = false;
  },
  'a turn of the mutex': ({ speeds }) => {
    speeds.turns = 9;
  },
};

test('nothing is wrong where nothing was lost', { timeout: 10_000 }, () => {
  const { lines, isRight } = report(acts());
  assert.ok(isRight, lines.join('\n'));
});

for (const [name, lose] of Object.entries(LOSSES)) {
  test(`the demo notices the loss: ${name}`, { timeout: 10_000 }, () => {
    const all = acts();
    lose(all);
    const { lines, isRight } = report(all);
    assert.equal(isRight, false);
    assert.match(lines.join('\n'), /SOMETHING IS WRONG:\n {2}\S/);
  });
}
