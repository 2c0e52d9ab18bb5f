'use strict';

// The same name under several users: several groups. Only root can play them all.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { newName, start, startAll } = require('./group-family.js');

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */

const USERS = [1000, 1001];
const AS_ROOT = { timeout: 60_000, skip: why() };

/** Why users cannot be played here; false if they can. */
function why() {
  if (process.getuid?.() !== 0) return 'only root can be other users';
  const program = `require(${JSON.stringify(path.join(__dirname, '..'))}); require(${JSON.stringify(require.resolve('./group-peer.js'))})`;
  for (const uid of USERS) {
    const options = { uid, gid: uid, cwd: '/' };
    if (spawnSync(process.execPath, ['-e', program], options).status !== 0) {
      return 'other users may not read this package';
    }
  }
  return false;
}

test('users who give the same name have a memory each, and their own host', AS_ROOT, async (t) => {
  const name = newName();
  const peers = /** @type {Peer[]} */ ([]);
  for (const uid of [undefined, ...USERS]) {
    peers.push(...(await startAll(t, 2, { name, uid })));
  }
  const seen = [];
  for (const peer of peers) {
    seen.push(
      await peer.do(async ({ memory }) => {
        const sum = await memory.incr('sum');
        const { name, host, members } = await memory.stats();
        return [process.getuid?.(), sum, name, host, members.length];
      }),
    );
  }
  const expected = [0, ...USERS].flatMap((uid, index) => [
    [uid, 1, name, peers[2 * index].pid, 2],
    [uid, 2, name, peers[2 * index].pid, 2],
  ]);
  assert.deepEqual(seen, expected);
});

test(
  'when the members of one user leave, those of another do not come in their place',
  AS_ROOT,
  async (t) => {
    const name = newName();
    const [mine, theirs] = [
      await start(t, { name, uid: USERS[0] }),
      await start(t, { name, uid: USERS[1] }),
    ];
    await mine.do(({ memory }) => memory.set('a', 'mine'));
    await theirs.do(({ memory }) => memory.set('a', 'theirs'));
    await mine.kill();
    const next = await start(t, { name, uid: USERS[0] });
    assert.equal(await next.do(({ memory }) => memory.get('a')), undefined);
    assert.equal(await theirs.do(({ memory }) => memory.get('a')), 'theirs');
  },
);

test('who may not read the memory of another user gets it in no other way', AS_ROOT, async (t) => {
  const name = newName();
  const [mine, theirs] = [
    await start(t, { name, uid: USERS[0] }),
    await start(t, { name, uid: USERS[1] }),
  ];
  await mine.do(({ memory }) => memory.set('a', 'mine'));
  const codes = await theirs.do(({ memory: _ }, pid) => {
    const fs = require('node:fs');
    return ['fd', 'maps', 'map_files', 'mem', 'environ'].map((name) => {
      try {
        const file = `/proc/${pid}/${name}`;
        if (name === 'fd' || name === 'map_files') fs.readdirSync(file);
        else fs.readFileSync(file);
        return 'read';
      } catch (error) {
        return /** @type {any} */ (error).code;
      }
    });
  }, mine.pid);
  for (const code of codes) assert.ok(['EACCES', 'EPERM'].includes(code), codes.join());
});
