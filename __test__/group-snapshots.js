'use strict';

// What the tests of snapshots share: a place for the file of a group, processes that begin with it and
// leave it, a file that takes long, and entries of every kind. The processes themselves load this too.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { newName, start } = require('./group-family.js');
const { runNode } = require('./helpers.js');

/** So many entries take a while to read and to write. */
const MANY = 200_000;
const HOUR_MS = 3_600_000;

/** @typedef {typeof import('../index.js')} Memory */
/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */
/** @typedef {import('./group-peer.js').Job} Job */
/** @typedef {import('node:test').TestContext} TestContext */
/** @typedef {{ name: string, folder: string, file: string, log: string }} Place */

/** Folders, until no process writes there any more. @type {string[]} */
const roots = [];
process.once('exit', () => {
  for (const root of roots) fs.rmSync(root, { recursive: true, force: true });
});

/**
 * A name, and a folder for its file: nothing else is in there.
 * @returns {Place}
 */
function newPlace() {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-snapshot-'));
  const folder = path.join(root, 'folder');
  fs.mkdirSync(folder);
  roots.push(root);
  return {
    name: newName(),
    folder,
    file: path.join(folder, 'values'),
    log: path.join(root, 'log'),
  };
}

/**
 * Starts a process that shares by the name of a place, and has its file unless the options say
 * otherwise. What its logger hears outlives it.
 * @param {TestContext} t
 * @param {Place} place
 * @param {import('../index.js').Options} [options]
 */
async function begin(t, place, options) {
  const peer = await start(t);
  await configure(peer, place, options);
  return peer;
}

/**
 * Has a process load the package, anew if it has done so before, as `begin` does.
 * @param {Peer} peer
 * @param {Place} place
 * @param {import('../index.js').Options} [options]
 */
function configure(peer, { name, file, log }, options) {
  /** @type {Job} */
  const job = (tools, [options, log]) => {
    tools.forget();
    const { appendFileSync } = require('node:fs');
    tools.memory.logger = (problem) => {
      const said = { ...problem, pid: process.pid, message: problem.message };
      appendFileSync(log, `${JSON.stringify(said)}\n`);
    };
    tools.memory.configure(options);
  };
  return peer.do(job, [{ name, snapshot: file, ...options }, log]);
}

/**
 * What loggers have heard at that place.
 * @param {Place} place
 * @returns {any[]}
 */
function heardAt({ log }) {
  if (!fs.existsSync(log)) return [];
  const lines = fs.readFileSync(log, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

/** @param {() => unknown} condition */
async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The names of the files there. @param {Place} place */
function namesAt({ folder }) {
  return fs.readdirSync(folder).sort();
}

/**
 * All entries of a file, as a process finds them that begins with it alone. The file stays as it is.
 * @param {TestContext} t
 * @param {string} file
 * @returns {Promise<Record<string, any>>}
 */
async function entriesIn(t, file) {
  const reader = await start(t);
  /** @type {Job} */
  const read = async ({ memory }, options) => {
    memory.configure(options);
    const entries = /** @type {[string, any][]} */ ([]);
    for await (const entry of memory.entries()) entries.push(entry);
    /** @type {any} */ (memory)[Symbol.for('cluster-shared-memory.verify')]();
    return Object.fromEntries(entries);
  };
  const entries = await reader.do(read, { name: newName(), snapshot: file });
  await reader.kill();
  return entries;
}

/** @type {Job} */
const closes = ({ memory }) => memory.close();
/** @type {Job} */
const getA = ({ memory }) => memory.get('a');
/** @type {Job} */
const set = ({ memory }, entries) => memory.setMany(entries);
/** @type {Job} */
const size = ({ memory }) => memory.size();

/** A moment that all processes know. */
const soon = () => Date.now() + 30;
/** @type {Job} */
const closesAt = ({ memory }, at) => {
  while (Date.now() < at);
  return memory.close();
};

/** Has a process call process.exit(). @param {Peer} peer */
async function exit(peer, code = 0) {
  const ends = peer.do((_, code) => process.exit(code), code);
  await assert.rejects(ends, { message: `The process ended with ${code}.` });
}

/** Has a process end because there is nothing left to do. @param {Peer} peer */
async function endNaturally(peer) {
  await peer.do(() => {
    process.removeAllListeners('disconnect');
  });
  assert.equal(await peer.end(), 0);
}

/** @type {[string, (peer: Peer) => Promise<unknown>][]} */
const ENDS = [
  ['close()', (peer) => peer.do(closes)],
  ['the natural end', endNaturally],
  ['process.exit()', exit],
];

/**
 * A file with these entries, at a place where nobody is.
 * @param {TestContext} t
 * @param {Place} place
 * @param {Record<string, unknown>} entries
 */
async function leave(t, place, entries) {
  const peer = await begin(t, { ...place, name: newName() });
  await peer.do(set, entries);
  await peer.do(closes);
  return fs.readFileSync(place.file);
}

/** A file that takes a while to be read, where `makeLong` has made it. */
const long = { folder: '', file: '' };

async function makeLong() {
  long.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-snapshot-'));
  long.file = path.join(long.folder, 'values');
  await runNode([
    '-e',
    `const memory = require('./index.js');
     memory.configure({ name: '${newName()}', snapshot: ${JSON.stringify(long.file)} });
     require('./__test__/group-snapshots.js').fillLong(memory);`,
  ]);
}

function removeLong() {
  fs.rmSync(long.folder, { recursive: true });
}

/** Puts it at a place. @param {Place} place */
function putLong({ file }) {
  fs.copyFileSync(long.file, file);
  fs.chmodSync(file, 0o600);
}

/**
 * Has a process begin, and wait for a value of a file that takes long; returns when it has heard that
 * the file is being read, or waits no more.
 * @type {Job}
 */
const beginReading = ({ memory, left }, options) =>
  new Promise((/** @type {(value?: any) => void} */ resolve) => {
    left.news = [];
    const progress = (/** @type {any} */ news) => {
      left.news.push(news);
      resolve();
    };
    memory.configure({ ...options, progress });
    left.first = memory.get('key 7');
    left.first.then(resolve, resolve);
  });

/**
 * Has a process begin, and be busy from when it has heard that the file is being read until it may go on.
 * @type {Job}
 */
const beginBusily = ({ memory }, [options, busy]) => {
  const fs = require('node:fs');
  const word = new Int32Array(new SharedArrayBuffer(4));
  const progress = () => {
    if (fs.existsSync(`${busy}-since`)) return;
    fs.writeFileSync(`${busy}-since`, '');
    while (!fs.existsSync(`${busy}-until`)) Atomics.wait(word, 0, 0, 5);
  };
  memory.configure({ ...options, progress });
};

/**
 * Starts a process that has a file read which takes long, and lets others in as soon as it is read, but
 * is too busy to be in itself.
 * @param {TestContext} t
 * @param {Place} place
 */
async function startBusy(t, { name, file, log }) {
  const [peer, busy] = [await start(t), `${log}-busy`];
  await peer.do(beginBusily, [{ name, snapshot: file }, busy]);
  await until(() => fs.existsSync(`${busy}-since`));
  return { peer, goOn: () => fs.writeFileSync(`${busy}-until`, '') };
}

/** @type {[string, unknown][]} */
const PLAIN = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['false', false],
  ['zero', 0],
  ['minus zero', -0],
  ['not a number', Number.NaN],
  ['without end', Number.NEGATIVE_INFINITY],
  ['fraction', 0.1],
  ['text', 'text'],
  ['no text', ''],
  ['latin', '\u00e4'],
  ['wide', '\u4e16\ud83d\ude00'],
  ['half a character', '\ud800'],
  ['long text', 'long '.repeat(100_000)],
  ['bytes', Buffer.from([0, 255, 10])],
  ['no bytes', Buffer.alloc(0)],
  ['other bytes', Uint8Array.of(1, 2)],
  ['object', { a: [1, { b: null }] }],
  ['', 'the empty key'],
  ['__proto__', 'a key as others'],
  ['\0', 'a key of one byte'],
  ['\u043a\u043b\u044e\u0447', 'a wide key'],
  ['\udc00', 'half a key'],
  ['k'.repeat(2000), 'a long key'],
  ['\u4e16'.repeat(2000), 'a long wide key'],
];
const CYCLE = /** @type {{ self?: unknown }} */ ({});
CYCLE.self = CYCLE;
/** @type {[string, unknown][]} */
const CLONES = [
  ['date', new Date(0)],
  ['map', new Map([['a', new Set([1n])]])],
  ['pattern', /a/g],
  ['cycle', CYCLE],
];
const BOUND = 2 ** 20;

/** Puts entries of every kind into a memory. @param {Memory} memory */
async function fill(memory) {
  await memory.setMany(PLAIN);
  memory.configure({ mode: 'advanced' });
  await memory.setMany(CLONES);
  await memory.set('ends', 1, { ttl: HOUR_MS });
  await memory.set('removed', 1);
  await memory.remove('removed');
  await memory.namespace('of ours').setMany(PLAIN);
  await memory.namespace('\u4e16').set('ends', 2, { ttl: 2 * HOUR_MS });
  await memory.namespace('bound', { maxMemory: BOUND }).set('a', 'of the bound one');
  await memory.namespace('empty').size();
}

/** Whether all of that is in a memory, and nothing else. @param {Memory} memory */
async function check(memory) {
  for (const [key, value] of [...PLAIN, ...CLONES]) {
    assert.ok(await memory.has(key), key);
    assert.deepStrictEqual(await memory.get(key), value, key);
    assert.equal(await memory.ttl(key), Number.POSITIVE_INFINITY);
  }
  const ours = memory.namespace('of ours');
  for (const [key, value] of PLAIN) assert.deepStrictEqual(await ours.get(key), value, key);
  for (const [space, hours] of /** @type {const} */ ([
    [memory, 1],
    [memory.namespace('\u4e16'), 2],
  ])) {
    assert.equal(await space.get('ends'), hours);
    const leftMs = Number(await space.ttl('ends'));
    assert.ok(leftMs > (hours - 1) * HOUR_MS && leftMs < hours * HOUR_MS, `${leftMs} ms`);
  }
  assert.equal(await memory.namespace('bound').get('a'), 'of the bound one');
  const { entries, namespaces } = await memory.stats();
  assert.equal(entries, 2 * PLAIN.length + CLONES.length + 3);
  const spaces = namespaces.map(({ name, entries }) => [name, entries]).sort();
  const [one, all] = [1, PLAIN.length];
  assert.deepEqual(spaces, [
    ['bound', one],
    ['empty', 0],
    ['of ours', all],
    ['\u4e16', one],
  ]);
  const { maximum } = /** @type {any} */ (namespaces.find(({ name }) => name === 'bound'));
  assert.equal(maximum, BOUND);
  /** @type {any} */ (memory)[Symbol.for('cluster-shared-memory.verify')]();
}

/** Sets as many keys as take a while. @param {Memory} memory */
async function fillLong(memory) {
  const many = 10_000;
  for (let from = 0; from < MANY; from += many) {
    const numbers = Array.from({ length: many }, (_, i) => from + i);
    await memory.setMany(Object.fromEntries(numbers.map((number) => [`key ${number}`, number])));
  }
}

module.exports = {
  ENDS,
  MANY,
  begin,
  beginReading,
  check,
  closes,
  closesAt,
  configure,
  entriesIn,
  exit,
  fill,
  fillLong,
  getA,
  heardAt,
  leave,
  long,
  makeLong,
  namesAt,
  newPlace,
  putLong,
  removeLong,
  set,
  size,
  soon,
  startBusy,
  until,
};
