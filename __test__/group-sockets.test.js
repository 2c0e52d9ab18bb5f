'use strict';

// What the system is asked for: values and free locks touch no socket, and nothing makes a file. Seen
// by strace, where there is one that may look.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { newName, startAll } = require('./group-family.js');

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', process.execPath, '-e', '0']);
const TRACED = {
  timeout: 60_000,
  skip: canTrace.status === 0 ? false : 'there is no strace, or it may trace nothing',
};

/**
 * Watches a process's main thread from now on: it alone, for calls of two threads at once come as
 * torn lines. Gives what ends that, and then the lines.
 * @param {import('node:test').TestContext} t
 * @param {number} pid
 * @param {string} calls
 */
async function trace(t, pid, calls) {
  const args = ['-y', '-e', `trace=${calls}`, '-e', 'signal=none', '-p', String(pid)];
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  const ended = new Promise((resolve) => strace.once('close', resolve));
  t.after(() => strace.kill('SIGKILL'));
  await new Promise((resolve) => {
    strace.stderr.setEncoding('latin1').on('data', (more) => {
      text += more;
      if (/attached/.test(text)) resolve(undefined);
    });
  });
  return async () => {
    strace.kill('SIGINT');
    await ended;
    return text.split('\n').filter((line) => !line.startsWith('strace: '));
  };
}

test(
  'values and free locks touch no socket, nor wait for one, while the host is killed',
  TRACED,
  async (t) => {
    const [host, member, listener] = await startAll(t, 3, { name: newName() });
    for (const peer of [host, member]) await peer.do(({ memory }) => memory.set('a', 0));
    await listener.do(({ memory, left }) => {
      memory.listen('a', (value) => {
        left.heard = value;
      });
    });
    const calls = '%network,read,write,readv,writev,poll,ppoll,select,epoll_wait,epoll_pwait,kill';
    const end = await trace(t, member.pid, calls);
    const working = member.do(async ({ memory }, former) => {
      const { sync } = memory;
      let after = 0;
      let sum = 0;
      // The mark by which the calls are found that belong to this.
      process.kill(process.pid, 0);
      while (after < 200) {
        sync.set('a', sum);
        sum += sync.get('a') === sum ? 1 : Number.NaN;
        sync.incr('b');
        await memory.mutex('lock', () => memory.set('c', { sum }));
        await memory.releaseLock('other', await memory.getLock('other'));
        await memory.setLRU('d', sum);
        await memory.getLRU('d');
        const { host } = await memory.stats();
        if (host !== former && host !== null) after++;
      }
      process.kill(process.pid, 0);
      return sum;
    }, host.pid);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await host.kill();
    const sum = await working;
    const lines = await end();
    const mark = (/** @type {string} */ line) => line.startsWith(`kill(${member.pid}, 0)`);
    const [from, to] = [lines.findIndex(mark), lines.map(mark).lastIndexOf(true)];
    assert.ok(from >= 0 && to > from, lines.join('\n'));
    // Of reads and writes, those of something else do not matter: as when the C library looks at
    // /proc/sys/vm/overcommit_memory, or Node wakes a thread of its own.
    const isOfOther = (/** @type {string} */ line) =>
      /^(read|write)v?\(/.test(line) && !line.includes('<socket:');
    assert.deepEqual(
      lines.slice(from + 1, to).filter((line) => !isOfOther(line)),
      [],
    );
    assert.ok(sum >= 200, `${sum}`);
    await listener.do(({ left, until }, sum) => until(() => left.heard === sum - 1), sum);
  },
);

test('no file is made, wherever one might be', { timeout: 60_000 }, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-files-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const env = { TMPDIR: folder, HOME: folder, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder };
  const peers = await startAll(t, 3, { name: newName(), env });
  for (const peer of peers) {
    await peer.do(({ memory }, folder) => {
      process.chdir(folder);
      return memory.set('a', 1);
    }, folder);
  }
  await peers[0].kill();
  await peers[1].do(({ memory, until }) =>
    until(async () => (await memory.stats()).host === process.pid || memory.sync.has('a')),
  );
  for (const peer of peers.slice(1)) {
    const fds = `/proc/${peer.pid}/fd`;
    const links = fs.readdirSync(fds).map((name) => linkOf(`${fds}/${name}`));
    const shared = links.filter((link) => link.startsWith('/'));
    const others = shared.filter((link) => !/^\/(dev|memfd:|proc)/.test(link));
    // What this test itself has open, it hands down.
    const ours = fs.readdirSync('/proc/self/fd').map((name) => linkOf(`/proc/self/fd/${name}`));
    assert.deepEqual(
      others.filter((link) => !ours.includes(link)),
      [],
    );
    assert.equal(links.filter((link) => link.startsWith('/memfd:')).length, 1);
  }
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('nothing is asked of the system that could make a file', TRACED, async () => {
  const calls =
    'open,openat,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat2,bind';
  const program = `
    const memory = require('./index.js');
    memory.configure({ name: '${newName()}' });
    memory.set('a', 1).then(() => memory.close());`;
  const { stderr, status } = spawnSync(
    'strace',
    [
      '-f',
      '-s',
      '200',
      '-e',
      `trace=${calls}`,
      '-e',
      'signal=none',
      process.execPath,
      '-e',
      program,
    ],
    { cwd: path.join(__dirname, '..'), encoding: 'latin1' },
  );
  assert.equal(status, 0, stderr);
  const done = stderr.split('\n').filter((line) => / (?!open)\w+\(|O_CREAT/.test(line));
  const made = done.filter(
    (line) => /\w\(.*\) += 0|= \d+$/.test(line) && !/ exited with /.test(line),
  );
  assert.ok(
    made.some((line) => line.includes('@"cluster-shared-memory.group.')),
    stderr,
  );
  // The names of such sockets are no files.
  const abstract = /bind\(\d+, \{sa_family=AF_UNIX, sun_path=@"cluster-shared-memory\./;
  for (const line of made) assert.match(line, abstract);
});

/** Empty where it has just been closed. @param {string} file */
function linkOf(file) {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}
