'use strict';

// A lock is released, and a request forgotten, when whoever has it is gone, in whatever way.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** @typedef {import('./program.js').Job} Job */

/**
 * What becomes of a process or thread. Where it only lives on, it is killed or terminated.
 * @type {Record<string, Job>}
 */
const ENDS = {
  'is killed': ({ sleep }) => sleep(60_000),
  'is killed while it is busy': () => {
    for (;;);
  },
  'calls process.exit': () => process.exit(),
  closes: ({ memory }) => memory.close(),
  'dies of an exception': ({ sleep }) => {
    setTimeout(() => {
      throw new Error('This is meant.');
    });
    return sleep(60_000);
  },
};

const HOLDER_ENDS = /** @type {Array<[string, Job]>} */ ([
  ...Object.entries(ENDS),
  ['has nothing left to do', () => {}],
  [
    'closes and lives on',
    async ({ memory, sleep }) => {
      await memory.close();
      await sleep(60_000);
    },
  ],
]);

for (const [what, end] of HOLDER_ENDS) {
  test(`when a holder ${what}, the next one is granted the lock`, async () => {
    const said = await run(
      {
        primary: async ({ memory, fork, until, sleep, kill, input, say }) => {
          const holder = fork('holder');
          await until(() => memory.sync.has('held'));
          const granted = memory.getLock('a');
          await sleep(50);
          memory.sync.set('go', true);
          await sleep(50);
          if (input.kill) await kill(holder);
          const id = await granted;
          say(id !== memory.sync.get('held'));
          say(await memory.releaseLock('a', id));
          const late = await memory.releaseLock('a', String(memory.sync.get('held')));
          say(late.slice(0, 6));
          if (!holder.isDead()) await kill(holder);
        },
        holder: async ({ memory, job, until }) => {
          memory.sync.set('held', await memory.getLock('a'));
          await until(() => memory.sync.has('go'));
          await job('end');
        },
        end,
      },
      { input: { kill: what.includes('killed') } },
    );
    assert.deepEqual(said, [true, 'OK', 'Failed']);
  });
}

const EXECVE = typeof process.execve === 'function';
const skip = EXECVE ? false : 'process.execve is of Node.js 23.11 and newer';

test('when a holder becomes another program, the next one is granted the lock', {
  skip,
}, async () => {
  const said = await run({
    primary: async ({ memory, fork, until, kill, say }) => {
      const holder = fork('holder');
      await until(() => memory.sync.has('held'));
      const id = await memory.getLock('a');
      const { pid } = holder.process;
      say(require('node:fs').readFileSync(`/proc/${pid}/comm`, 'utf8'));
      say(await memory.releaseLock('a', id));
      await until(async () => (await memory.stats()).members.every((member) => member.pid !== pid));
      await kill(holder);
    },
    holder: async ({ memory, sleep }) => {
      memory.sync.set('held', await memory.getLock('a'));
      await sleep(50);
      process.execve?.('/bin/sleep', ['sleep', '60'], {});
    },
  });
  assert.deepEqual(said, ['sleep\n', 'OK']);
});

for (const [what, end] of Object.entries(ENDS)) {
  test(`when a waiter ${what}, it is skipped`, async () => {
    const said = await run({
      primary: async ({ memory, fork, ended, until, sleep, kill, say }) => {
        const id = await memory.getLock('a');
        const waiter = fork('waiter');
        await until(() => memory.sync.has('waiting'));
        const next = ended(fork('next'));
        await until(() => memory.sync.has('next waits'));
        memory.sync.set('go', true);
        await sleep(200);
        if (!waiter.isDead()) await kill(waiter);
        say(await memory.releaseLock('a', id));
        await next;
        say(memory.sync.has('granted to the waiter'));
      },
      waiter: async ({ memory, job, until }) => {
        const granted = memory.getLock('a').then(() => memory.set('granted to the waiter', true));
        granted.catch(() => {});
        await memory.set('waiting', true);
        await until(() => memory.sync.has('go'));
        await job('end');
      },
      next: async ({ memory, say }) => {
        const granted = memory.getLock('a');
        await memory.set('next waits', true);
        say(await memory.releaseLock('a', await granted));
      },
      end,
    });
    assert.deepEqual(said.map(String).sort(), ['OK', 'OK', 'false']);
  });

  test(`when a thread that holds ${what}, its locks and requests go`, async () => {
    const said = await run({
      primary: async ({ memory, startThread, until, say }) => {
        const other = await memory.getLock('b');
        const thread = startThread('holder');
        // An exception in a thread is an error event here.
        thread.on('error', () => {});
        await until(() => memory.sync.has('waits'));
        const granted = memory.getLock('a');
        const behind = memory.getLock('b');
        memory.sync.set('go', true);
        setTimeout(() => thread.terminate(), 100);
        say(await memory.releaseLock('a', await granted));
        await memory.releaseLock('b', other);
        say(await memory.releaseLock('b', await behind));
        say(await memory.mutex('a', () => memory.mutex('b', () => 'free')));
      },
      holder: async ({ memory, job, until }) => {
        await memory.getLock('a');
        memory.getLock('b').catch(() => {});
        await memory.set('waits', true);
        await until(() => memory.sync.has('go'));
        await job('end');
      },
      end,
    });
    assert.deepEqual(said, ['OK', 'OK', 'free']);
  });
}

test('when a thread that holds has nothing left to do, it ends and the next one is granted', async () => {
  const said = await run({
    primary: async ({ memory, thread, say }) => {
      await thread();
      say(await memory.mutex('a', () => 'free'));
    },
    thread: ({ memory }) => memory.getLock('a'),
  });
  assert.deepEqual(said, ['free']);
});

test('locks held by several processes are all released when these are killed', async () => {
  const said = await run({
    primary: async ({ memory, fork, until, kill, say }) => {
      const holders = [fork('holder'), fork('holder'), fork('holder')];
      await until(() => memory.sync.get('held') === 300);
      await Promise.all(holders.map(kill));
      const keys = [1, 2, 3].flatMap((id) => Array.from({ length: 100 }, (_, i) => `${id} ${i}`));
      const ids = await Promise.all(keys.map((key) => memory.getLock(key)));
      say(new Set(ids).size);
    },
    holder: async ({ memory, cluster, sleep }) => {
      for (let i = 0; i < 100; i++) await memory.getLock(`${cluster.worker?.id} ${i}`);
      memory.sync.incr('held', 100);
      await sleep(60_000);
    },
  });
  assert.deepEqual(said, [300]);
});

test('waiters survive when holder after holder is killed', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, kill, sleep, say }) => {
      const waiters = [ended(fork('waiter')), ended(fork('waiter'))];
      for (let i = 1; i <= 5; i++) {
        const holder = fork('holder');
        await until(() => memory.sync.get('held') === i);
        await sleep(20);
        await kill(holder);
      }
      memory.sync.set('stop', true);
      await Promise.all(waiters);
      say(memory.sync.get('inside') ?? 0);
    },
    waiter: async ({ memory, say }) => {
      while (!memory.sync.has('stop')) {
        await memory.mutex('a', async () => {
          if (memory.sync.incr('inside') !== 1) say('two were inside');
          memory.sync.incr('inside', -1);
        });
      }
    },
    holder: async ({ memory, sleep }) => {
      await memory.getLock('a');
      memory.sync.incr('held');
      await sleep(60_000);
    },
  });
  assert.deepEqual(said, [0]);
});

test('a holder that is stopped keeps its lock', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, sleep, say }) => {
      const holder = fork('holder');
      const end = ended(holder);
      await until(() => memory.sync.has('held'));
      process.kill(Number(holder.process.pid), 'SIGSTOP');
      let granted = false;
      const next = memory.getLock('a').then((id) => {
        granted = true;
        return id;
      });
      await sleep(1500);
      say(granted);
      process.kill(Number(holder.process.pid), 'SIGCONT');
      memory.sync.set('release', true);
      say(await memory.releaseLock('a', await next));
      await end;
    },
    holder: async ({ memory, until, say }) => {
      const id = await memory.getLock('a');
      memory.sync.set('held', true);
      await until(() => memory.sync.has('release'));
      say(await memory.releaseLock('a', id));
    },
  });
  assert.deepEqual(said, [false, 'OK', 'OK']);
});

test('the primary that closes releases, and pending requests reject with ERR_CLOSED', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      await memory.getLock('a');
      const worker = ended(fork());
      await until(() => memory.sync.has('held'));
      const pending = memory.getLock('b').catch((error) => error.code);
      const inMutex = memory.mutex('b', () => 'ran').catch((error) => error.code);
      await memory.close();
      say(await Promise.all([pending, inMutex]));
      await worker;
    },
    worker: async ({ memory, until, say }) => {
      const id = await memory.getLock('b');
      memory.sync.set('held', true);
      say(typeof (await memory.getLock('a')));
      await until(async () => (await memory.stats()).members.length === 1);
      say(await memory.releaseLock('b', id));
      say(await memory.mutex('b', () => 'free'));
    },
  });
  assert.deepEqual(
    said.map(String).sort(),
    ['ERR_CLOSED,ERR_CLOSED', 'OK', 'free', 'string'].sort(),
  );
});
