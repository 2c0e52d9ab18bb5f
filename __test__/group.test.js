'use strict';

// Who shares with whom: by a name that processes give, or with their cluster.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { newName, start, startAll } = require('./group-family.js');
const { runNode } = require('./helpers.js');

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */

const BRIEF = { timeout: 60_000 };

test('processes that give the same name share, and each sees who hosts', BRIEF, async (t) => {
  const name = newName();
  const [one, other] = await startAll(t, 2, { name });
  await one.do(({ memory }) => memory.set('a', { from: 'one' }));
  assert.deepEqual(await other.do(({ memory }) => memory.get('a')), { from: 'one' });
  for (const peer of [one, other]) {
    const stats = await peer.do(({ memory }) => memory.stats());
    assert.equal(stats.name, name);
    assert.equal(stats.host, one.pid);
    assert.deepEqual(pidsIn(stats), [one.pid, other.pid].sort());
  }
});

test('two plain processes share by the variable', BRIEF, async () => {
  const env = { CLUSTER_SHARED_MEMORY_NAME: newName() };
  const program = (/** @type {string} */ own, /** @type {string} */ others) => `
    const memory = require('./index.js');
    (async () => {
      await memory.set('${own}', process.pid);
      while (!(await memory.has('${others}'))) await new Promise((go) => setTimeout(go, 2));
      const { name, members } = await memory.stats();
      const id = await memory.getLock('both');
      await memory.releaseLock('both', id);
      console.log(name === process.env.CLUSTER_SHARED_MEMORY_NAME, members.length);
      // Nobody leaves before the other one has looked.
      memory.sync.incr('done');
      while (memory.sync.get('done') < 2) await new Promise((go) => setTimeout(go, 2));
    })();`;
  const both = [program('a', 'b'), program('b', 'a')].map((text) => runNode(['-e', text], { env }));
  const outputs = (await Promise.all(both)).map(({ output }) => output);
  assert.deepEqual(outputs, ['true 2\n', 'true 2\n']);
});

test('processes of two names do not meet', BRIEF, async (t) => {
  const [one, other] = [await start(t, { name: newName() }), await start(t, { name: newName() })];
  await one.do(({ memory }) => memory.set('a', 1));
  assert.equal(await other.do(({ memory }) => memory.get('a')), undefined);
  for (const peer of [one, other]) {
    const stats = await peer.do(({ memory }) => memory.stats());
    assert.deepEqual([stats.host, pidsIn(stats)], [peer.pid, [peer.pid]]);
  }
});

test('names of which one begins like the other do not meet', BRIEF, async (t) => {
  const name = newName();
  const peers = [];
  for (const end of ['', '.0', '.1', '.0.0']) peers.push(await start(t, { name: name + end }));
  for (const peer of peers) {
    assert.equal(await peer.do(({ memory }) => memory.add('a', 1)), true);
  }
});

test('a process without a name is alone, and says so', BRIEF, async (t) => {
  const peer = await start(t);
  const { name, host } = await peer.do(({ memory }) => memory.stats());
  assert.deepEqual([name, host], [null, peer.pid]);
});

test('configure goes before the variable, and scope "tree" turns it off', BRIEF, async (t) => {
  const [name, other] = [newName(), newName()];
  const env = { CLUSTER_SHARED_MEMORY_NAME: name };
  const [plain, named, tree] = [
    await start(t, { env }),
    await start(t, { env, name: other }),
    await start(t, { env }),
  ];
  await tree.do(({ memory }) => memory.configure({ scope: 'tree' }));
  const names = [];
  for (const peer of [plain, named, tree]) {
    names.push(await peer.do(async ({ memory }) => (await memory.stats()).name));
  }
  assert.deepEqual(names, [name, other, null]);
});

test('an empty variable is none', BRIEF, async (t) => {
  const peer = await start(t, { env: { CLUSTER_SHARED_MEMORY_NAME: '' } });
  assert.equal(await peer.do(async ({ memory }) => (await memory.stats()).name), null);
});

test('the threads of a member are members', BRIEF, async (t) => {
  const name = newName();
  const [one, other] = await startAll(t, 2, { name });
  await one.do(({ memory }) => memory.set('a', 1));
  const said = await other.do(({ memory, thread }) => {
    const job = `
      const id = await memory.getLock('lock');
      const { name, host, members } = await memory.stats();
      say({ a: await memory.get('a'), sum: await memory.incr('sum'), name, host,
            self: members.find(({ self }) => self).pid });
      await memory.releaseLock('lock', id);`;
    memory.sync.incr('sum');
    return Promise.all([thread(job), thread(job)]);
  });
  said.sort((/** @type {any} */ left, /** @type {any} */ right) => left.sum - right.sum);
  const each = { a: 1, name, host: one.pid, self: other.pid };
  assert.deepEqual(said, [
    { ...each, sum: 2 },
    { ...each, sum: 3 },
  ]);
});

test(
  'a thread that comes first joins for its process, and the process is in as long as one of them',
  BRIEF,
  async (t) => {
    const name = newName();
    const [one, other] = await startAll(t, 2, { name });
    await one.do(async ({ thread, memory }) => {
      await thread("say(await memory.set('a', 'of a thread'));");
      // Now the main thread alone keeps it.
      await memory.get('a');
    });
    assert.equal(await other.do(({ memory }) => memory.get('a')), 'of a thread');
  },
);

test('a cluster follows its primary into the group', BRIEF, async (t) => {
  const name = newName();
  const primary = await start(t, { name });
  const plain = await start(t, { name });
  await plain.do(({ memory }) => memory.set('a', 'of a plain process'));
  const said = await primary.do(async ({ fork, ask, memory }) => {
    const workers = [await fork(), await fork()];
    const found = [];
    for (const worker of workers) {
      const seen = await ask(worker, async ({ memory, cluster }) => {
        await memory.mutex('lock', () => memory.incr('sum'));
        const { name, host } = await memory.stats();
        return [cluster.isWorker, await memory.get('a'), name, host];
      });
      found.push(seen);
    }
    return [...found, memory.sync.get('sum')];
  });
  const each = [true, 'of a plain process', name, primary.pid];
  assert.deepEqual(said, [each, each, 2]);
  const stats = await plain.do(({ memory }) => memory.stats());
  assert.equal(stats.members.length, 4);
});

test('a worker may name what its primary has not, and is apart from it', BRIEF, async (t) => {
  const name = newName();
  const [primary, plain] = [await start(t), await start(t, { name })];
  await plain.do(({ memory }) => memory.set('a', 1));
  const said = await primary.do(async ({ fork, ask, memory }, name) => {
    await memory.set('a', 2);
    const job = async (/** @type {any} */ { memory }, /** @type {any} */ name) => {
      if (name) memory.configure({ name });
      return memory.get('a');
    };
    return [await ask(await fork(), job, name), await ask(await fork(), job)];
  }, name);
  assert.deepEqual(said, [1, 2]);
});

test('a cluster in scope "tree" leaves the name of the variable to others', BRIEF, async (t) => {
  const env = { CLUSTER_SHARED_MEMORY_NAME: newName() };
  const [primary, plain] = [await start(t, { env }), await start(t, { env })];
  await plain.do(({ memory }) => memory.set('a', 'of the group'));
  const said = await primary.do(async ({ fork, ask, memory }) => {
    memory.configure({ scope: 'tree' });
    await memory.set('a', 'of the tree');
    const worker = await fork();
    return ask(worker, async ({ memory }) => {
      memory.configure({ scope: 'tree' });
      return [await memory.get('a'), (await memory.stats()).name];
    });
  });
  assert.deepEqual(said, ['of the tree', null]);
});

test('a wrong name is an error at once, and changes nothing', BRIEF, async (t) => {
  const name = newName();
  const peer = await start(t, { name });
  const codes = await peer.do(async ({ memory, failure }) => {
    const { configure } = /** @type {any} */ (memory);
    const wrong = ['', 'a'.repeat(49), 'a b', 'a/b', '\u00e4', 'a\n', 'a\0', 7, null, {}];
    const found = [];
    for (const name of wrong) found.push((await failure(() => configure({ name }))).code);
    found.push((await failure(() => configure({ scope: 'group' }))).code);
    found.push((await failure(() => configure({ scope: 'tree', name: 'a' }))).code);
    return found;
  });
  const [value, type] = ['ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_TYPE'];
  assert.deepEqual(codes, [...Array(7).fill(value), type, type, type, value, value]);
  assert.equal(await peer.do(async ({ memory }) => (await memory.stats()).name), name);
});

test('the longest name, of all letters there may be, is one', BRIEF, async (t) => {
  const name = `aZ09._:@-${process.pid}`.padEnd(48, '-');
  const [one, other] = await startAll(t, 2, { name });
  await one.do(({ memory }) => memory.set('a', 1));
  assert.equal(await other.do(({ memory }) => memory.get('a')), 1);
});

test('a wrong name in the variable is an error of the first call', BRIEF, async (t) => {
  const peer = await start(t, { env: { CLUSTER_SHARED_MEMORY_NAME: 'a b' } });
  const { code, message } = await peer.do(({ failure }) =>
    failure(() => require('../index.js').set('a', 1)),
  );
  assert.equal(code, 'ERR_INVALID_ARG_VALUE');
  assert.match(message, /CLUSTER_SHARED_MEMORY_NAME/);
});

test(
  'a name can be said again, in any thread, but another one only before the first use',
  BRIEF,
  async (t) => {
    const name = newName();
    const peer = await start(t);
    const said = await peer.do(async ({ memory, failure, thread }, name) => {
      memory.configure({ name: 'another' });
      memory.configure({ name });
      await memory.set('a', 1);
      memory.configure({ name });
      await thread(`memory.configure({ name: ${JSON.stringify(name)} }); say(1);`);
      const inThread = await thread(`
      try { memory.configure({ name: 'another' }); } catch (error) { say(error.code); }`);
      return [
        inThread,
        (await failure(() => memory.configure({ name: 'another' }))).code,
        (await failure(() => memory.configure({ scope: 'tree' }))).code,
        (await memory.stats()).name,
        await memory.get('a'),
      ];
    }, name);
    assert.deepEqual(said, [...Array(3).fill('ERR_ALREADY_OPEN'), name, 1]);
  },
);

test('a process alone cannot take a name once it has been used', BRIEF, async (t) => {
  const peer = await start(t);
  const { code } = await peer.do(async ({ memory, failure }, name) => {
    await memory.set('a', 1);
    return failure(() => memory.configure({ name }));
  }, newName());
  assert.equal(code, 'ERR_ALREADY_OPEN');
});

test(
  'who comes with other sizes goes on with what is there, and its logger hears once',
  BRIEF,
  async (t) => {
    const name = newName();
    const [one, other] = [await start(t), await start(t)];
    await one.do(({ memory }, name) => {
      memory.configure({ name, maxMemory: '32mb' });
      return memory.set('a', 1);
    }, name);
    const maximumOf = async (/** @type {Peer} */ peer) => {
      const stats = await peer.do(({ memory }) => memory.stats());
      return stats.bytes.maximum;
    };
    const [messages, value] = await other.do(async ({ memory, sleep }, name) => {
      const heard = /** @type {string[]} */ ([]);
      memory.logger = (problem) => heard.push(problem.message);
      memory.configure({ name, maxMemory: '64mb' });
      const value = await memory.get('a');
      await sleep(50);
      await memory.get('a');
      return [heard, value];
    }, name);
    assert.equal(value, 1);
    assert.equal(await maximumOf(other), await maximumOf(one));
    assert.equal(messages.length, 1, messages.join());
    // The same, or none at all: nothing to be heard of.
    for (const sizes of [{ maxMemory: '32mb' }, {}]) {
      const peer = await start(t);
      const heard = await peer.do(
        async ({ memory, sleep }, options) => {
          const heard = /** @type {string[]} */ ([]);
          memory.logger = (problem) => heard.push(problem.message);
          memory.configure(options);
          await memory.get('a');
          await sleep(20);
          return heard;
        },
        { name, ...sizes },
      );
      assert.deepEqual(heard, []);
    }
  },
);

/** @param {{ members: { pid: number }[] }} stats */
function pidsIn({ members }) {
  return members.map(({ pid }) => pid).sort();
}
