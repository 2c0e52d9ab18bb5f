'use strict';

// A file keeps what a group has while nobody is there: the last to leave writes it, and the first to
// come reads it, while others wait.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test, after, before } = require('node:test');
const { start } = require('./group-family.js');
const {
  ENDS,
  MANY,
  begin,
  beginReading,
  closes,
  closesAt,
  configure,
  entriesIn,
  exit,
  getA,
  heardAt,
  leave,
  makeLong,
  namesAt,
  newPlace,
  putLong,
  removeLong,
  set,
  size,
  soon,
  until,
} = require('./group-snapshots.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */

before(makeLong);
after(removeLong);

/** Has a process put entries of every kind into its memory. @param {Peer} peer */
function fill(peer) {
  return peer.do(({ memory }) => require('./group-snapshots.js').fill(memory));
}

/** Has a process see whether they are there. @param {Peer} peer */
function check(peer) {
  return peer.do(({ memory }) => require('./group-snapshots.js').check(memory));
}

for (const [how, leaves] of ENDS) {
  test(`entries of every kind, their ends and namespaces survive ${how}`, BRIEF, async (t) => {
    const place = newPlace();
    const peer = await begin(t, place);
    await fill(peer);
    assert.deepEqual(namesAt(place), []);
    await leaves(peer);
    assert.deepEqual(namesAt(place), ['values']);
    // What was read is written again.
    const next = await begin(t, place);
    await check(next);
    await leaves(next);
    await check(await begin(t, place));
    assert.deepEqual(namesAt(place), ['values']);
    assert.deepEqual(heardAt(place), []);
  });
}

/** @type {[string, boolean, string, (peer: Peer) => Promise<unknown>][]} */
const THREADS = [
  ['the process of a thread calls process.exit()', false, 'setInterval(() => {}, 1000);', exit],
  ['main thread and thread share, and the former does', true, 'setInterval(() => {}, 1000);', exit],
  ['a thread calls process.exit()', false, 'setImmediate(() => process.exit());', async () => {}],
  ['a thread ends by itself', false, '', async () => {}],
];

for (const [how, isMainIn, goesOn, leaves] of THREADS) {
  test(`entries survive where ${how}`, BRIEF, async (t) => {
    const place = newPlace();
    const peer = isMainIn ? await begin(t, place) : await start(t);
    if (isMainIn) await peer.do(size);
    await peer.do(
      ({ thread }, [name, snapshot, goesOn]) =>
        thread(`memory.configure(${JSON.stringify({ name, snapshot })});
          await require(${JSON.stringify(require.resolve('./group-snapshots.js'))}).fill(memory);
          say('filled');
          ${goesOn}`),
      [place.name, place.file, goesOn],
    );
    await leaves(peer);
    await until(() => namesAt(place).join() === 'values');
    await check(await begin(t, place));
  });
}

test('what has ended while nobody was there is gone', BRIEF, async (t) => {
  const place = newPlace();
  const peer = await begin(t, place);
  await peer.do(async ({ memory }) => {
    await memory.set('soon', 1, { ttl: 400 });
    await memory.set('late', 1, { ttl: 60_000 });
    await memory.close();
  });
  const [next] = await Promise.all([start(t), new Promise((resolve) => setTimeout(resolve, 400))]);
  await configure(next, place);
  const said = await next.do(async ({ memory }) => [
    await memory.get('soon'),
    await memory.size(),
    await memory.ttl('late'),
  ]);
  assert.deepEqual(said.slice(0, 2), [undefined, 1]);
  // The time of the machine may have been set meanwhile, but by little.
  assert.ok(said[2] > 0 && said[2] <= 60_000 - 400 + 50, `${said[2]} ms`);
});

test('who is ended by a signal writes nothing', BRIEF, async (t) => {
  const place = newPlace();
  const bytes = await leave(t, place, { a: 'of the file' });
  for (const signal of ['SIGKILL', 'SIGTERM']) {
    const peer = await begin(t, place);
    assert.equal(await peer.do(getA), 'of the file');
    await peer.do(set, { a: 'newer' });
    const ends = peer.do((_, signal) => {
      process.kill(process.pid, signal);
      return new Promise(() => {});
    }, signal);
    await assert.rejects(ends, { message: `The process ended with ${signal}.` });
    assert.deepEqual(namesAt(place), ['values']);
    assert.deepEqual(fs.readFileSync(place.file), bytes);
  }
});

test(
  'only its user may read the file, whatever the umask and the former one say',
  BRIEF,
  async (t) => {
    const place = newPlace();
    for (const mode of [undefined, 0o644]) {
      if (mode !== undefined) fs.chmodSync(place.file, mode);
      const peer = await begin(t, place);
      await peer.do(async ({ memory }) => {
        process.umask(0);
        await memory.set('a', 1);
        await memory.close();
      });
      assert.equal(fs.statSync(place.file).mode & 0o777, 0o600);
    }
    assert.deepEqual(namesAt(place), ['values']);
  },
);

test('the cache, locks and listeners are not in it', BRIEF, async (t) => {
  const place = newPlace();
  const peer = await begin(t, place);
  await peer.do(async ({ memory, left }) => {
    await memory.setLRU('cached', 1);
    left.id = await memory.getLock('lock');
    memory.getLock('lock').catch(() => {});
    left.heard = 0;
    memory.listen('a', () => left.heard++);
    await memory.set('other', 1);
    await memory.close();
  });
  await configure(peer, place);
  const said = await peer.do(async ({ memory, left, sleep }) => {
    const cached = await memory.getLRU('cached');
    const released = await memory.releaseLock('lock', left.id);
    const lock = await memory.getLock('lock');
    await memory.set('a', 1);
    await sleep(20);
    const { entries, namespaces } = await memory.stats();
    return [cached, released === 'OK', lock === left.id, left.heard, entries, namespaces];
  });
  assert.deepEqual(said, [undefined, false, false, 0, 2, []]);
});

test('versions never come back', BRIEF, async (t) => {
  const place = newPlace();
  const peer = await start(t);
  let highest = 0;
  let stale = 0;
  for (let round = 0; round < 4; round++) {
    await configure(peer, place);
    const said = await peer.do(async ({ memory }, stale) => {
      const isSet = await memory.compareAndSet('a', stale, 'of one who was away');
      const lowest = (await memory.getWithVersion('kept')).version;
      for (let i = 0; i < 100; i++) await memory.set('a', i);
      const before = await memory.getWithVersion('a');
      await memory.set('removed', 1);
      const { version } = await memory.getWithVersion('removed');
      await memory.remove('removed');
      await memory.set('kept', 1);
      const kept = await memory.getWithVersion('kept');
      await memory.close();
      const versions = [before.version, version, kept.version];
      return { isSet, lowest, stale: before.version, highest: Math.max(...versions) };
    }, stale);
    assert.equal(said.isSet, round === 0);
    if (round > 0) assert.ok(said.lowest > 0);
    assert.ok(said.stale > highest, `${said.stale} after ${highest}`);
    ({ stale, highest } = said);
  }
});

test('two that leave at the same moment leave one whole file', BRIEF, async (t) => {
  const place = newPlace();
  const peers = [await start(t), await start(t)];
  const rounds = 8;
  for (let round = 0; round < rounds; round++) {
    await Promise.all(peers.map((peer) => configure(peer, place)));
    // They come at once, too.
    await Promise.all(
      peers.map((peer, index) =>
        peer.do(async ({ memory }, key) => {
          await memory.set(key, 1);
          return memory.incr('sum');
        }, `${round} of ${index}`),
      ),
    );
    const at = soon();
    await Promise.all(peers.map((peer) => peer.do(closesAt, at)));
    assert.deepEqual(namesAt(place), ['values']);
  }
  const { sum, ...others } = await entriesIn(t, place.file);
  assert.equal(sum, 2 * rounds);
  assert.equal(Object.keys(others).length, 2 * rounds);
  assert.deepEqual(heardAt(place), []);
});

test('two that call process.exit() at the same moment do so too', BRIEF, async (t) => {
  const place = newPlace();
  const rounds = 3;
  for (let round = 0; round < rounds; round++) {
    const peers = await Promise.all([begin(t, place), begin(t, place)]);
    for (const peer of peers) await peer.do(({ memory }) => memory.incr('sum'));
    const at = soon();
    const ends = peers.map((peer) =>
      peer.do((_, at) => {
        while (Date.now() < at);
        process.exit();
      }, at),
    );
    await Promise.all(ends.map((end) => assert.rejects(end, /ended with 0/)));
    assert.deepEqual(namesAt(place), ['values']);
  }
  assert.deepEqual(await entriesIn(t, place.file), { sum: 2 * rounds });
  assert.deepEqual(heardAt(place), []);
});

test('who comes at the moment in which the last one leaves finds everything', BRIEF, async (t) => {
  const place = newPlace();
  const peers = [await begin(t, place), await start(t)];
  const rounds = 8;
  for (let round = 0; round < rounds; round++) {
    const [last, first] = round % 2 === 0 ? peers : [...peers].reverse();
    assert.equal(await last.do(({ memory }) => memory.incr('sum')), round + 1);
    const at = soon();
    const leaving = last.do(closesAt, at);
    // From a little before to a little after.
    while (Date.now() < at - 4 + round);
    await configure(first, place);
    assert.equal(await first.do(({ memory }) => memory.get('sum')), round + 1);
    await leaving;
  }
});

test('of three the last one writes it, whoever that is', BRIEF, async (t) => {
  const place = newPlace();
  const peers = await Promise.all([start(t), start(t), start(t)]);
  for (let round = 0; round < 3; round++) {
    for (const peer of peers) await configure(peer, place);
    for (const peer of peers) await peer.do(({ memory }) => memory.incr('sum'));
    const before = round === 0 ? undefined : fs.readFileSync(place.file);
    const [last, ...others] = [...peers.slice(round), ...peers.slice(0, round)];
    for (const peer of others) {
      await peer.do(closes);
      const now = round === 0 ? undefined : fs.readFileSync(place.file);
      assert.deepEqual([now, namesAt(place)], [before, before ? ['values'] : []]);
    }
    await last.do(set, { last: round });
    await last.do(closes);
    assert.deepEqual(await entriesIn(t, place.file), { sum: 3 * (round + 1), last: round });
  }
});

test('a member that has never named the file writes it too', BRIEF, async (t) => {
  const place = newPlace();
  await leave(t, place, { b: 0 });
  const one = await begin(t, place);
  await one.do(set, { a: 1 });
  const other = await start(t, { name: place.name });
  await other.do(set, { b: 2 });
  await one.do(closes);
  assert.deepEqual(await entriesIn(t, place.file), { b: 0 });
  await other.do(closes);
  assert.deepEqual(await entriesIn(t, place.file), { a: 1, b: 2 });
});

test('who names a file for a memory that has none has it written', BRIEF, async (t) => {
  const place = newPlace();
  const one = await start(t, { name: place.name });
  await one.do(set, { a: 1 });
  const other = await begin(t, place);
  assert.equal(await other.do(getA), 1);
  await other.do(closes);
  assert.deepEqual(namesAt(place), []);
  await one.do(closes);
  assert.deepEqual(await entriesIn(t, place.file), { a: 1 });
  assert.deepEqual(heardAt(place), []);
});

test(
  "a cluster's worker that leaves after its primary writes the file of that",
  BRIEF,
  async (t) => {
    const place = newPlace();
    const primary = await begin(t, place);
    const found = await primary.do(async ({ fork, ask, memory }) => {
      const workers = [await fork(), await fork()];
      for (const worker of workers) await ask(worker, ({ memory }) => memory.incr('sum'));
      const sum = await memory.get('sum');
      await memory.close();
      for (const worker of workers) await ask(worker, ({ memory }) => memory.incr('sum'));
      return sum;
    });
    assert.deepEqual([found, namesAt(place)], [2, []]);
    // Its workers end with it, each by process.exit().
    assert.equal(await primary.end(), 0);
    await until(() => namesAt(place).join() === 'values');
    assert.deepEqual(await entriesIn(t, place.file), { sum: 4 });
  },
);

test(
  'who comes while the file is read waits, hears how far it is, and finds all',
  BRIEF,
  async (t) => {
    const place = newPlace();
    putLong(place);
    const [reader, newcomer, plain] = await Promise.all([1, 2, 3].map(() => start(t)));
    const options = { name: place.name, snapshot: place.file };
    await reader.do(beginReading, options);
    const waiting = [
      newcomer.do(({ memory }, options) => {
        memory.configure(options);
        return memory.size();
      }, options),
      plain.do(
        ({ memory }, options) => {
          memory.configure(options);
          return memory.size();
        },
        { name: place.name },
      ),
    ];
    const [first, news] = await reader.do(async ({ left }) => [await left.first, left.news]);
    assert.equal(first, 7);
    assert.ok(news.length > 0);
    for (const { entries, total } of news) {
      assert.ok(total === 0 ? entries === 0 : total === MANY && entries <= MANY);
    }
    assert.deepEqual(await Promise.all(waiting), [MANY, MANY]);
    const stats = await newcomer.do(({ memory }) => memory.stats());
    assert.equal(stats.members.length, 3);
    assert.deepEqual(heardAt(place), []);
  },
);

test('a synchronous call waits for it as well', BRIEF, async (t) => {
  const place = newPlace();
  putLong(place);
  const [reader, sync] = await Promise.all([start(t), start(t)]);
  const options = { name: place.name, snapshot: place.file };
  await reader.do(beginReading, options);
  const found = await sync.do(({ memory }, options) => {
    memory.configure(options);
    return memory.sync.size();
  }, options);
  assert.equal(found, MANY);
});

test('who comes while the file is written waits, and finds all', BRIEF, async (t) => {
  const place = newPlace();
  putLong(place);
  const [last, newcomer] = [await begin(t, place), await start(t)];
  await last.do(set, { a: 'the last' });
  const closing = last.do(closes);
  await until(() => namesAt(place).length > 1);
  await configure(newcomer, place);
  assert.deepEqual(await newcomer.do(({ memory }) => memory.getMany(['a', 'key 7'])), [
    'the last',
    7,
  ]);
  assert.equal(await newcomer.do(size), MANY + 1);
  await closing;
  assert.deepEqual(namesAt(place), ['values']);
  assert.deepEqual(heardAt(place), []);
});
