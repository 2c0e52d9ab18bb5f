'use strict';

// Which member hosts is nobody's concern: it may leave, die or stand still, and nothing is lost.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { hostOf, newName, start, startAll } = require('./group-family.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */
/** @typedef {import('node:test').TestContext} TestContext */

/**
 * Members, of which the first is the host.
 * @param {TestContext} t
 * @param {number} count
 */
async function group(t, count) {
  const name = newName();
  const peers = await startAll(t, count, { name });
  for (const peer of peers) await peer.do(({ memory }) => memory.has('anything'));
  return { name, peers };
}

/**
 * Processes that shall join, and need not have when this returns.
 * @param {TestContext} t
 * @param {number} count
 * @param {string} name
 */
function startUnwaited(t, count, name) {
  return Promise.all(Array.from({ length: count }, () => start(t, { name })));
}

/** Waits until somebody else hosts. @param {Peer} peer @param {Peer} former */
function nextHost(peer, former) {
  /** @type {import('./group-peer.js').Job} */
  const wait = async ({ memory, until }, former) => {
    const host = async () => (await memory.stats()).host;
    await until(async () => ![former, null].includes(await host()));
    return host();
  };
  return peer.do(wait, former.pid);
}

for (const [how, leave] of /** @type {[string, (host: Peer) => Promise<unknown>][]} */ ([
  ['is killed', (host) => host.kill()],
  ['ends', (host) => host.end()],
  ['closes', (host) => host.do(({ memory }) => memory.close())],
])) {
  test(
    `when the host ${how}, nothing of the others is lost, and what is pending goes on`,
    BRIEF,
    async (t) => {
      const { name, peers } = await group(t, 4);
      const [host, holder, ...waiters] = peers;
      await host.do(async ({ memory }) => {
        await memory.set('object', { of: ['the', 'host'] });
        await memory.set('bytes', Buffer.alloc(300_000, 7));
        await memory.namespace('other').set('object', 1);
        for (let i = 0; i < 100; i++) await memory.setLRU(`lru ${i}`, i);
        await memory.getLock('of the host');
      });
      const version = await holder.do(async ({ memory, left }) => {
        left.id = await memory.getLock('held');
        left.ofHost = memory.getLock('of the host');
        left.heard = [];
        memory.listen('told', (value) => left.heard.push(value));
        return (await memory.getWithVersion('object')).version;
      });
      for (const [index, waiter] of waiters.entries()) {
        await waiter.do(async ({ memory, left, sleep }, index) => {
          left.lock = memory.getLock('held').then((id) => {
            memory.sync.set('order', [...(memory.sync.get('order') ?? []), index]);
            return id;
          });
          await sleep(20);
        }, index);
      }
      const pending = holder.do(({ memory }) => memory.mutex('of the host', () => 'mine'));

      await leave(host);
      const next = await nextHost(holder, host);
      assert.ok(peers.slice(1).some(({ pid }) => pid === next));

      const said = await holder.do(async ({ memory, left, until }) => {
        const before = memory.sync.has('order');
        await memory.set('told', 1);
        await until(() => left.heard.length > 0);
        await memory.releaseLock('of the host', await left.ofHost);
        const released = await memory.releaseLock('held', left.id);
        const { value, version } = await memory.getWithVersion('object');
        const bytes = await memory.get('bytes');
        const cached = [];
        for (let i = 0; i < 100; i++) cached.push(await memory.getLRU(`lru ${i}`));
        return {
          before,
          heard: left.heard,
          released,
          value,
          version,
          bytes: bytes.length,
          ofOther: await memory.namespace('other').get('object'),
          cached,
        };
      });
      assert.deepEqual(said, {
        before: false,
        heard: [1],
        released: 'OK',
        value: { of: ['the', 'host'] },
        version,
        bytes: 300_000,
        ofOther: 1,
        cached: Array.from({ length: 100 }, (_, index) => index),
      });
      assert.equal(await pending, 'mine');
      for (const waiter of waiters) {
        const released = await waiter.do(async ({ memory, left }) =>
          memory.releaseLock('held', await left.lock),
        );
        assert.equal(released, 'OK');
      }
      const newcomer = await start(t, { name });
      const order = await newcomer.do(({ memory }) => memory.get('order'));
      assert.deepEqual(order, [0, 1]);
    },
  );
}

test('hosts are killed one after the other, down to the last member', BRIEF, async (t) => {
  const { peers } = await group(t, 5);
  await peers[0].do(({ memory }) => memory.set('a', 1));
  let left = peers;
  while (left.length > 1) {
    const { host, others } = await hostOf(left);
    await host.kill();
    await nextHost(others[0], host);
    const sum = await others[0].do(({ memory }) => memory.incr('a'));
    assert.equal(sum, 7 - left.length);
    left = others;
  }
  const members = await left[0].do(async ({ memory }) => (await memory.stats()).members.length);
  assert.equal(members, 1);
});

test('the host and all others but one are killed at once', BRIEF, async (t) => {
  const { name, peers } = await group(t, 5);
  const last = peers[3];
  await peers[0].do(({ memory }) => memory.set('a', 1));
  await Promise.all(peers.map((peer) => (peer === last ? undefined : peer.kill())));
  await nextHost(last, peers[0]);
  const newcomer = await start(t, { name });
  assert.equal(await newcomer.do(({ memory }) => memory.get('a')), 1);
  const seen = await last.do(async ({ memory, until }) => {
    await until(async () => (await memory.stats()).members.length === 2);
    return memory.getLock('free');
  });
  assert.equal(typeof seen, 'string');
});

test('members are replaced one by one under load, and every increment counts', BRIEF, async (t) => {
  const { name, peers } = await group(t, 3);
  /** @type {import('./group-peer.js').Job} */
  const load = ({ memory, left }) => {
    left.count = 0;
    left.going = (async () => {
      while (!left.isEnough) {
        await memory.mutex('lock', async () => {
          await memory.set('sum', ((await memory.get('sum')) ?? 0) + 1);
        });
        await memory.incr('plain');
        left.count++;
        // A lock that is free is granted without a turn of the event loop.
        await new Promise(setImmediate);
      }
    })();
  };
  /** @type {import('./group-peer.js').Job} */
  const leave = async ({ memory, left, until }) => {
    await until(() => left.count >= 20);
    left.isEnough = true;
    await left.going;
    await memory.close();
    return left.count;
  };
  for (const peer of peers) await peer.do(load);
  let sum = 0;
  for (let replaced = 0; replaced < 6; replaced++) {
    const newcomer = await start(t, { name });
    await newcomer.do(load);
    const oldest = /** @type {Peer} */ (peers.shift());
    sum += await oldest.do(leave);
    await oldest.end();
    peers.push(newcomer);
  }
  const watcher = await start(t, { name });
  await watcher.do(({ memory }) => memory.get('sum'));
  for (const peer of peers) sum += await peer.do(leave);
  const seen = await watcher.do(({ memory }) => memory.getMany(['sum', 'plain']));
  assert.deepEqual(seen, [sum, sum]);
});

test(
  'a stopped host stops nobody else; who comes is told, and comes in when it goes on',
  BRIEF,
  async (t) => {
    const { name, peers } = await group(t, 3);
    const [host, one, other] = peers;
    await host.do(({ memory }) => memory.set('a', 1));
    await host.stop();
    const said = await one.do(async ({ memory, left }) => {
      left.heard = [];
      memory.listen('b', (value) => left.heard.push(value));
      await memory.setLRU('cached', 1);
      const id = await memory.getLock('lock');
      return [await memory.incr('a'), typeof id, (await memory.stats()).host, id];
    });
    assert.deepEqual(said.slice(0, 3), [2, 'string', host.pid]);
    await other.do(async ({ memory, left }) => {
      left.lock = memory.getLock('lock');
      await memory.set('b', await memory.getLRU('cached'));
    });
    await one.do(({ memory }, id) => memory.releaseLock('lock', id), said[3]);
    await other.do(({ left }) => left.lock);
    assert.deepEqual(
      await one.do(async ({ left, until }) => {
        await until(() => left.heard.length > 0);
        return left.heard;
      }),
      [1],
    );

    const newcomer = await start(t, { name });
    const [atOnce, late, waitedMs] = await newcomer.do(async ({ memory, failure }) => {
      const atOnce = await failure(() => memory.sync.get('a'));
      const began = performance.now();
      const late = await failure(() => memory.get('a'));
      return [atOnce, late, performance.now() - began];
    });
    assert.deepEqual([atOnce.code, late.code], ['ERR_NO_HOST', 'ERR_NO_HOST']);
    assert.ok(late.message.includes(name), late.message);
    assert.ok(waitedMs >= 5000, `${waitedMs} ms`);

    const waiting = newcomer.do(({ memory }) => memory.get('a'));
    host.goOn();
    assert.equal(await waiting, 2);
    const ends = await Promise.all(
      [host, one, other, newcomer].map((peer) =>
        peer.do(async ({ memory }) => {
          const { host, members } = await memory.stats();
          return [await memory.incr('ends'), host, members.length];
        }),
      ),
    );
    for (const [, pid, members] of ends) assert.deepEqual([pid, members], [host.pid, 4]);
    assert.deepEqual(ends.map(([sum]) => sum).sort(), [1, 2, 3, 4]);
  },
);

test(
  'who waits for a stopped host is let in by the next one when that is killed',
  BRIEF,
  async (t) => {
    const { name, peers } = await group(t, 2);
    const [host, other] = peers;
    await host.do(({ memory }) => memory.set('a', 1));
    await host.stop();
    const newcomers = await startUnwaited(t, 3, name);
    const waiting = newcomers.map((peer) => peer.do(({ memory }) => memory.get('a')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await host.kill();
    assert.deepEqual(await Promise.all(waiting), [1, 1, 1]);
    assert.equal(await nextHost(newcomers[0], host), other.pid);
  },
);

test(
  'a host that was stopped and is alone when it goes on has kept everything',
  BRIEF,
  async (t) => {
    const { name, peers } = await group(t, 3);
    const [host, ...others] = peers;
    await host.stop();
    await others[0].do(({ memory }) => memory.set('a', 'kept'));
    await others[0].do(({ memory }) => memory.close());
    await others[1].kill();
    // Its memory is not gone: nobody makes another one meanwhile.
    const newcomer = await start(t, { name });
    const { code } = await newcomer.do(({ memory, failure }) =>
      failure(() => memory.sync.get('a')),
    );
    assert.equal(code, 'ERR_NO_HOST');
    host.goOn();
    assert.equal(await newcomer.do(({ memory }) => memory.get('a')), 'kept');
    assert.equal(await host.do(({ memory }) => memory.get('a')), 'kept');
  },
);

test(
  'a stopped guest that is alone keeps the memory too, and hosts when it goes on',
  BRIEF,
  async (t) => {
    const { name, peers } = await group(t, 2);
    const [host, guest] = peers;
    await host.do(({ memory }) => memory.set('a', 'kept'));
    await guest.stop();
    await host.kill();
    const newcomers = await startUnwaited(t, 2, name);
    const { code } = await newcomers[0].do(({ memory, failure }) =>
      failure(() => memory.sync.get('a')),
    );
    assert.equal(code, 'ERR_NO_HOST');
    const waiting = newcomers.map((peer) => peer.do(({ memory }) => memory.get('a')));
    guest.goOn();
    assert.deepEqual(await Promise.all(waiting), ['kept', 'kept']);
    assert.equal(await nextHost(newcomers[0], host), guest.pid);
  },
);

test('when the stopped last one is killed, who waits gets a new memory', BRIEF, async (t) => {
  const { name, peers } = await group(t, 2);
  const [host, guest] = peers;
  await host.do(({ memory }) => memory.set('a', 'of the old one'));
  await guest.stop();
  await host.kill();
  const newcomers = await startUnwaited(t, 2, name);
  const waiting = newcomers.map((peer) => peer.do(({ memory }) => memory.get('a')));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await guest.kill();
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
  await newcomers[0].do(({ memory }) => memory.set('a', 'of the new one'));
  assert.equal(await newcomers[1].do(({ memory }) => memory.get('a')), 'of the new one');
});

test('the last to leave takes the memory along', BRIEF, async (t) => {
  const { name, peers } = await group(t, 2);
  await peers[0].do(({ memory }) => memory.set('a', 1));
  for (const peer of peers) await peer.do(({ memory }) => memory.close());
  const newcomer = await start(t, { name });
  assert.equal(await newcomer.do(({ memory }) => memory.get('a')), undefined);
});

test(
  'a process whose main thread closes stays for its other threads, and hosts',
  BRIEF,
  async (t) => {
    const { name, peers } = await group(t, 1);
    const [host] = peers;
    await host.do(async ({ memory, left }) => {
      const { Worker } = require('node:worker_threads');
      await memory.set('a', 1);
      left.thread = new Worker(
        `const memory = require(${JSON.stringify(require.resolve('../index.js'))});
       const { parentPort } = require('node:worker_threads');
       memory.get('a').then((value) => parentPort.postMessage(value));
       parentPort.once('message', () => process.exit());`,
        { eval: true },
      );
      await new Promise((resolve) => left.thread.once('message', resolve));
      await memory.close();
    });
    const newcomer = await start(t, { name });
    const [value, pid] = await newcomer.do(async ({ memory }) => [
      await memory.get('a'),
      (await memory.stats()).host,
    ]);
    assert.deepEqual([value, pid], [1, host.pid]);
    // Now the last of its threads leaves, and the process with it.
    await host.do(({ left }) => {
      left.thread.postMessage(0);
      return new Promise((resolve) => left.thread.once('exit', resolve));
    });
    assert.equal(await nextHost(newcomer, host), newcomer.pid);
  },
);

test('members that have left hold no descriptor and no thread for it', BRIEF, async (t) => {
  const { peers } = await group(t, 3);
  const [, ...others] = peers;
  /** @type {import('./group-peer.js').Job} */
  const counted = async ({ forget, until }) => {
    const fs = require('node:fs');
    const count = () =>
      ['fd', 'task'].map((folder) => fs.readdirSync(`/proc/self/${folder}`).length);
    const counts = /** @type {number[][]} */ ([]);
    for (let round = 0; round < 6; round++) {
      forget();
      const memory = require('../index.js');
      await memory.set('a', round);
      await memory.close();
      counts.push(count());
    }
    // The first ones may have started what stays, as Node's own threads.
    await until(() => count().every((now, index) => now <= counts[2][index]));
  };
  for (const peer of others) await peer.do(({ memory }) => memory.close());
  for (const peer of others) await peer.do(counted);
});
