'use strict';

// Many who start and leave at the same time: one memory, one host, whatever was there before.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { newName, start, startAll } = require('./group-family.js');

const PROCESSES = 6;
const ROUNDS = 100;
const INCREMENTS = 12;
const UNDER_LOCK = 3;

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */
/** @typedef {import('./group-family.js').Options} Options */
/** @typedef {import('node:test').TestContext} TestContext */

/** How the members of a round leave: in all ways, and those that kill are rare since they cost. */
const WAYS = [
  'all close', // at once
  'the host closes first',
  'the host closes last',
  'all close, but the host is killed',
  'all close',
  'one is stopped while the others close, and then killed',
  'all close',
  'the host closes first',
  'all close',
  'all close, but the host is killed',
];
/** In every so many rounds, nobody lives to see the next one. */
const ALL_DIE = 20;

test('100 times, everybody starts at once: one host, and every increment counts', {
  timeout: 120_000,
}, async (t) => {
  const name = newName();
  let peers = await startAll(t, PROCESSES, { name });
  for (let round = 0; round < ROUNDS; round++) {
    const allDie = round % ALL_DIE === ALL_DIE - 1;
    const way = allDie ? 'all are killed' : WAYS[round % WAYS.length];
    const hosts = await comeTogether(peers, `round ${round}`);
    const host = /** @type {Peer} */ (peers.find(({ pid }) => pid === hosts));
    await part(
      way,
      host,
      peers.filter((peer) => peer !== host),
    );
    peers = await Promise.all(peers.map((peer) => (peer.isOver ? start(t, { name }) : peer)));
  }
});

/**
 * All join and count at once. Gives the pid of the host, of which there is one.
 * @param {Peer[]} peers
 * @param {string} what
 */
async function comeTogether(peers, what) {
  const at = Date.now() + 5;
  const input = { at, increments: INCREMENTS, underLock: UNDER_LOCK };
  await Promise.all(peers.map((peer) => peer.do(join, input)));
  const seen = await Promise.all(peers.map((peer) => peer.do(look)));
  const expected = {
    plain: peers.length * INCREMENTS,
    locked: peers.length * UNDER_LOCK,
    members: peers.map(({ pid }) => pid).sort(),
    host: seen[0].host,
  };
  for (const each of seen) assert.deepEqual(each, expected, what);
  assert.ok(expected.members.includes(expected.host), what);
  return expected.host;
}

/** @type {import('./group-peer.js').Job} */
async function join({ forget, left }, { at, increments, underLock }) {
  // Another copy of the package, since the last one has left for good.
  if (left.memory) forget();
  const memory = require('../index.js');
  left.memory = memory;
  while (Date.now() < at);
  for (let i = 0; i < increments; i++) {
    if (i % 4 === 0) {
      await memory.mutex('lock', async () => {
        await memory.set('locked', ((await memory.get('locked')) ?? 0) + 1);
      });
    }
    await memory.incr('plain');
  }
  if (increments / 4 !== underLock) throw new Error('The test counts otherwise.');
  return undefined;
}

/** @type {import('./group-peer.js').Job} */
async function look({ left }) {
  const { memory } = left;
  const { host, members } = await memory.stats();
  const pids = members.map((/** @type {{ pid: number }} */ { pid }) => pid).sort();
  return {
    plain: memory.sync.get('plain'),
    locked: await memory.get('locked'),
    members: pids,
    host,
  };
}

/** @param {Peer} peer */
function close(peer) {
  /** @type {import('./group-peer.js').Job} */
  const job = ({ left }) => left.memory.close();
  return peer.do(job);
}

/**
 * @param {string} way
 * @param {Peer} host
 * @param {Peer[]} others
 */
async function part(way, host, others) {
  const closeAll = () => Promise.all(others.map(close));
  switch (way) {
    case 'all close':
      await Promise.all([closeAll(), close(host)]);
      return;
    case 'the host closes first':
      await close(host);
      await closeAll();
      return;
    case 'the host closes last':
      await closeAll();
      await close(host);
      return;
    case 'all close, but the host is killed':
      await Promise.all([closeAll(), host.kill()]);
      return;
    case 'one is stopped while the others close, and then killed':
      await others[0].stop();
      await Promise.all([...others.slice(1), host].map(close));
      await others[0].kill();
      return;
    default:
      await Promise.all([...others, host].map((peer) => peer.kill()));
  }
}

test('while members come and go without end, a lock of the name is never held twice', {
  timeout: 120_000,
}, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-group-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const name = newName();
  const witness = path.join(folder, 'held');
  const sessions = Array.from({ length: PROCESSES }, async (_, index) => {
    let peer = await start(t, { name });
    for (let life = 0; life < 3; life++) {
      // Some are killed wherever they are, and others take their place.
      const going = peer.do(comeAndGo, { witness, sessions: 25 });
      if (index % 2 === 0) return going;
      await new Promise((resolve) => setTimeout(resolve, 50 + 60 * index));
      await Promise.all([peer.kill(), going.catch(() => {})]);
      peer = await start(t, { name });
    }
    return peer.do(comeAndGo, { witness, sessions: 5 });
  });
  const counts = await Promise.all(sessions);
  assert.deepEqual(counts, [25, 5, 25, 5, 25, 5]);
});

/**
 * Joins, holds the lock for a moment and leaves, again and again. The file tells whether anybody else
 * holds it, in whichever memory; one of a dead process is a leftover.
 * @type {import('./group-peer.js').Job}
 */
async function comeAndGo({ forget, sleep }, { witness, sessions }) {
  const fs = require('node:fs');
  let count = 0;
  const isAlive = (/** @type {number} */ pid) => fs.existsSync(`/proc/${pid}/fd/0`);
  const take = () => {
    try {
      fs.writeFileSync(witness, String(process.pid), { flag: 'wx' });
    } catch {
      const holder = Number(fs.readFileSync(witness, 'utf8'));
      if (holder !== 0 && isAlive(holder)) throw new Error(`Process ${holder} holds it too.`);
      fs.writeFileSync(witness, String(process.pid));
    }
  };
  for (let session = 0; session < sessions; session++) {
    const memory = require('../index.js');
    await memory.mutex('lock', async () => {
      take();
      await sleep(1);
      fs.unlinkSync(witness);
      count++;
    });
    await memory.close();
    forget();
    if (session % 3 === 0) await sleep(1);
  }
  return count;
}
