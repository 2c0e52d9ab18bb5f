'use strict';

// Listeners that cannot keep up, are stopped, or die: they slow nobody, are told what they missed,
// and leave nothing behind.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** How much longer a writer may need while its listener is stopped or dead: only not for ever. */
const FACTOR = 10;
const MARGIN_MS = 10_000;

/** @typedef {import('./program.js').Job} Job */

/**
 * Writes, and gives how long that took.
 * @type {Job}
 */
const write = ({ memory, input }) => {
  const began = performance.now();
  for (let i = 1; i <= input.writes; i++) memory.sync.set('a', `${i} ${'x'.repeat(100)}`);
  return performance.now() - began;
};

test('a listener that was stopped slows no writer, gets the newest value, and hears how many it missed', async () => {
  const writes = 10_000;
  const said = await run(
    {
      primary: async ({ memory, job, fork, ended, until, say, input }) => {
        memory.configure({ maxMemory: '16mb' });
        const alone = /** @type {number} */ (await job('write'));
        const listener = fork('listener');
        const end = ended(listener);
        await until(() => memory.sync.has('ready'));
        process.kill(Number(listener.process.pid), 'SIGSTOP');
        const stopped = /** @type {number} */ (await job('write'));
        memory.sync.set('b', 'the newest of b');
        process.kill(Number(listener.process.pid), 'SIGCONT');
        say({ alone, stopped });
        await until(() => memory.sync.has('caught up'));
        memory.sync.set('a', `${input.writes + 1} afterwards`);
        await end;
      },
      write,
      listener: async ({ memory, until, sleep, say }) => {
        const heard = /** @type {number[]} */ ([]);
        const others = /** @type {string[]} */ ([]);
        const problems = /** @type {Error[]} */ ([]);
        memory.logger = (problem) => problems.push(problem);
        memory.listen('a', (value) => heard.push(Number.parseInt(value, 10)));
        memory.listen('b', (value) => others.push(value));
        memory.sync.set('ready', true);
        await until(() => heard.at(-1) === 10_000 && others.length > 0);
        await sleep(100);
        say({ heard: [...heard], others, problems: problems.map((problem) => problem.message) });
        say(problems.every((problem) => problem instanceof Error));
        memory.sync.set('caught up', true);
        await until(() => heard.at(-1) === 10_001);
        say([heard.length, problems.length]);
      },
    },
    { input: { writes } },
  );
  const { alone, stopped } = said.find((one) => one.alone !== undefined);
  assert.ok(stopped < FACTOR * alone + MARGIN_MS, `${stopped} ms, and ${alone} ms without`);
  const { heard, others, problems } = said.find((one) => one.heard !== undefined);
  assert.ok(heard.length >= 1 && heard.length < writes, `heard ${heard.length} of ${writes}`);
  assert.equal(heard.at(-1), writes);
  assert.ok(
    heard.every((/** @type {number} */ n, /** @type {number} */ i) => i === 0 || n > heard[i - 1]),
    'in order',
  );
  assert.deepEqual(others, ['the newest of b']);
  assert.equal(problems.length, 1, problems.join('\n'));
  // Where it cannot know exactly, it does not say too few.
  const told = Number(/\d+/.exec(problems[0])?.[0]);
  const missed = writes - heard.length;
  assert.ok(told >= missed && told <= writes + 1, `${missed} missed: ${problems[0]}`);
  const last = said.filter(Array.isArray);
  assert.deepEqual(last, [[heard.length + 1, 1]]);
  assert.ok(said.includes(true));
});

test('a listener that was stopped while its key was removed hears that it is gone', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until }) => {
      memory.configure({ maxMemory: '16mb' });
      const listener = fork('listener');
      const end = ended(listener);
      await until(() => memory.sync.has('listens'));
      memory.sync.set('a', 'first');
      await until(() => memory.sync.has('heard'));
      process.kill(Number(listener.process.pid), 'SIGSTOP');
      for (let i = 0; i < 10_000; i++) memory.sync.set('a', i);
      memory.sync.remove('a');
      process.kill(Number(listener.process.pid), 'SIGCONT');
      await end;
    },
    listener: async ({ memory, until, say }) => {
      const heard = /** @type {unknown[]} */ ([]);
      let problems = 0;
      memory.logger = () => problems++;
      memory.listen('a', (value) => heard.push(value));
      memory.sync.set('listens', true);
      await until(() => heard.at(-1) === 'first');
      memory.sync.set('heard', true);
      await until(() => heard.length > 1 && heard.at(-1) === undefined);
      say(problems);
    },
  });
  assert.deepEqual(said, [1]);
});

test('a listener that was killed slows no writer, and the others hear everything', async () => {
  const said = await run(
    {
      primary: async ({ memory, job, fork, ended, kill, until, say, input }) => {
        memory.configure({ maxMemory: '256mb', log: '32mb' });
        const alone = /** @type {number} */ (await job('write'));
        const victims = [fork('victim'), fork('victim')];
        const survivor = ended(fork('survivor'));
        await until(() => memory.sync.get('ready') === 3);
        process.kill(Number(victims[0].process.pid), 'SIGKILL');
        const beside = /** @type {number} */ (await job('write'));
        await kill(victims[1]);
        const dead = /** @type {number} */ (await job('write'));
        say({ alone, beside, dead });
        memory.sync.set('end', input.writes);
        await survivor;
      },
      write,
      victim: async ({ memory, sleep }) => {
        memory.listen('a', () => {});
        await memory.incr('ready');
        await sleep(60_000);
      },
      survivor: async ({ memory, until, input, say }) => {
        let count = 0;
        memory.listen('a', () => count++);
        await memory.incr('ready');
        await until(() => count === 2 * input.writes);
        say(count);
      },
    },
    { input: { writes: 2000 } },
  );
  // In either order: two processes say it.
  const { alone, beside, dead } = said.find((one) => typeof one === 'object');
  const count = said.find(Number.isInteger);
  assert.ok(beside < FACTOR * alone + MARGIN_MS, `${beside} ms, and ${alone} ms without`);
  assert.ok(dead < FACTOR * alone + MARGIN_MS, `${dead} ms, and ${alone} ms without`);
  assert.equal(count, 4000);
});

test('a listener whose event loop is blocked hears everything that the log could hold', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until }) => {
      const listener = ended(fork('listener'));
      await until(() => memory.sync.has('ready'));
      for (let i = 0; i < 500; i++) memory.sync.set('a', i);
      memory.sync.set('written', true);
      await listener;
    },
    listener: async ({ memory, until, say }) => {
      const heard = /** @type {number[]} */ ([]);
      const problems = /** @type {Error[]} */ ([]);
      memory.logger = (problem) => problems.push(problem);
      memory.listen('a', (value) => heard.push(value));
      memory.sync.set('ready', true);
      while (!memory.sync.has('written'));
      say(heard.length);
      await until(() => heard.length === 500);
      say(heard.every((value, i) => value === i));
      say(problems.length);
    },
  });
  assert.deepEqual(said, [0, true, 0]);
});

test('a larger log holds more: nothing is skipped that fits into it', async () => {
  const said = await run(
    {
      primary: async ({ memory, job, fork, ended, until }) => {
        memory.configure({ maxMemory: '64mb', log: '16mb' });
        const listener = fork('listener');
        const end = ended(listener);
        await until(() => memory.sync.has('ready'));
        process.kill(Number(listener.process.pid), 'SIGSTOP');
        await job('write');
        process.kill(Number(listener.process.pid), 'SIGCONT');
        await end;
      },
      write,
      listener: async ({ memory, until, say }) => {
        const heard = /** @type {number[]} */ ([]);
        const problems = /** @type {Error[]} */ ([]);
        memory.logger = (problem) => problems.push(problem);
        memory.listen('a', (value) => heard.push(Number.parseInt(value, 10)));
        memory.sync.set('ready', true);
        await until(() => heard.at(-1) === 2000);
        say([heard.length, problems.length]);
      },
    },
    { input: { writes: 2000 } },
  );
  assert.deepEqual(said, [[2000, 0]]);
});

test('the listeners of a hundred workers leave nothing behind', async () => {
  const said = await run(
    {
      primary: async ({ memory, job, say }) => {
        memory.configure({ maxMemory: '64mb' });
        // The first ones fill what is kept for those that come later.
        await job('generations');
        const used = (await memory.stats()).bytes.used;
        for (let i = 0; i < 4; i++) await job('generations');
        const { bytes, members } = await memory.stats();
        say({ used, later: bytes.used });
        say(members.length);
      },
      change: ({ memory }) => {
        for (let i = 0; i < 3000; i++) memory.sync.set(i % 10, 'x'.repeat(i % 100));
      },
      clear: ({ memory }) => {
        for (let i = 0; i < 10; i++) memory.sync.remove(i);
      },
      // Twenty workers, four at a time; one of four is killed.
      generations: async ({ memory, job, fork, ended, kill, until }) => {
        for (let round = 0; round < 5; round++) {
          memory.sync.set('ready', 0);
          const victim = fork('listener', { VICTIM: 'yes' });
          const others = [1, 2, 3].map(() => ended(fork('listener')));
          await until(() => memory.sync.get('ready') === 4);
          await job('change');
          await kill(victim);
          await Promise.all(others);
          await until(async () => (await memory.stats()).members.length === 1);
          await job('change');
          await job('clear');
        }
      },
      listener: async ({ memory, sleep, until }) => {
        let heard = 0;
        const stops = Array.from({ length: 100 }, (_, i) => memory.listen(i % 10, () => heard++));
        await memory.incr('ready');
        await until(() => heard > 0);
        if (process.env.VICTIM) await sleep(60_000);
        // Half of the listeners are ended, half end with the process.
        for (const stop of stops.slice(50)) stop();
      },
    },
    { timeoutMs: 120_000 },
  );
  const [{ used, later }, members] = said;
  assert.ok(later <= used + 2 ** 20, `${used} bytes, then ${later}`);
  assert.equal(members, 1);
});

test('listeners that come and go in one place leave nothing behind', async () => {
  const said = await run({
    primary: async ({ memory, sleep, say }) => {
      memory.configure({ maxMemory: '64mb' });
      let heard = 0;
      const round = async () => {
        const stops = Array.from({ length: 5000 }, (_, i) => memory.listen(i, () => heard++));
        for (let i = 0; i < 5000; i += 50) memory.sync.set(i, i);
        await sleep(5);
        for (const stop of stops) stop();
        for (let i = 0; i < 5000; i += 50) memory.sync.remove(i);
      };
      await round();
      const { used } = (await memory.stats()).bytes;
      for (let i = 0; i < 20; i++) await round();
      say({ used, later: (await memory.stats()).bytes.used });
    },
  });
  const [{ used, later }] = said;
  assert.ok(later <= used + 2 ** 19, `${used} bytes, then ${later}`);
});
