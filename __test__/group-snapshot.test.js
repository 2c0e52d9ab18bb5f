'use strict';

// A file keeps what a group has while nobody is there: the last to leave writes it, the first to come
// reads it, and nobody loses one that was not read.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, after, before } = require('node:test');
const { newName, start } = require('./group-family.js');
const {
  MANY,
  begin,
  configure,
  entriesIn,
  heardAt,
  namesAt,
  newPlace,
  until,
} = require('./group-snapshots.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */
/** @typedef {import('./group-peer.js').Job} Job */
/** @typedef {import('./group-snapshots.js').Place} Place */
/** @typedef {import('node:test').TestContext} TestContext */

/** @type {Job} */
const closes = ({ memory }) => memory.close();
/** @type {Job} */
const getA = ({ memory }) => memory.get('a');
/** @type {Job} */
const set = ({ memory }, entries) => memory.setMany(entries);
/** @type {Job} */
const size = ({ memory }) => memory.size();

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

/** Has a process put entries of every kind into its memory. @param {Peer} peer */
function fill(peer) {
  return peer.do(({ memory }) => require('./group-snapshots.js').fill(memory));
}

/** Has a process see whether they are there. @param {Peer} peer */
function check(peer) {
  return peer.do(({ memory }) => require('./group-snapshots.js').check(memory));
}

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

/** A file that takes a while to be read, made once. */
const long = { folder: '', file: '' };
before(async () => {
  long.folder = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'csm-snapshot-'));
  long.file = path.join(long.folder, 'values');
  const { runNode } = require('./helpers.js');
  await runNode([
    '-e',
    `const memory = require('./index.js');
     memory.configure({ name: '${newName()}', snapshot: ${JSON.stringify(long.file)} });
     require('./__test__/group-snapshots.js').fillLong(memory);`,
  ]);
});
after(() => fs.rmSync(long.folder, { recursive: true }));

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

/** @type {[string, (peer: Peer) => Promise<unknown>][]} */
const ENDS = [
  ['close()', (peer) => peer.do(closes)],
  ['the natural end', endNaturally],
  ['process.exit()', exit],
];

for (const [how, leaves] of ENDS) {
  test(`entries of every kind, their ends and namespaces survive ${how}`, BRIEF, async (t) => {
    const place = newPlace(t);
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
    const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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

test('who is killed while it writes leaves the file that was there', BRIEF, async (t) => {
  const place = newPlace(t);
  putLong(place);
  const peer = await begin(t, place);
  await peer.do(set, { a: 1 });
  const closing = peer.do(closes).catch(() => {});
  await until(() => namesAt(place).length > 1 || peer.isOver);
  await peer.kill();
  await closing;
  const next = await begin(t, place);
  const found = await next.do(size);
  assert.ok(found === MANY || found === MANY + 1, `${found} entries`);
  // What the dead one had begun to write is gone.
  assert.deepEqual(namesAt(place), ['values']);
});

test(
  'only its user may read the file, whatever the umask and the former one say',
  BRIEF,
  async (t) => {
    const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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

/** A moment that all processes know. */
const soon = () => Date.now() + 30;
/** @type {Job} */
const closesAt = ({ memory }, at) => {
  while (Date.now() < at);
  return memory.close();
};

test('two that leave at the same moment leave one whole file', BRIEF, async (t) => {
  const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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
    const place = newPlace(t);
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
    const place = newPlace(t);
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
  const place = newPlace(t);
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
  const place = newPlace(t);
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

/** @type {[string, (bytes: Buffer) => Buffer][]} */
const DAMAGES = [
  ['flipped in the middle', (bytes) => flipped(bytes, bytes.length >> 1)],
  ['flipped at the front', (bytes) => flipped(bytes, 0)],
  ['flipped at the end', (bytes) => flipped(bytes, bytes.length - 1)],
  ['half', (bytes) => bytes.subarray(0, bytes.length >> 1)],
  ['too long', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
  ['empty', () => Buffer.alloc(0)],
];

/** @param {Buffer} bytes @param {number} at */
function flipped(bytes, at) {
  const other = Buffer.from(bytes);
  other[at] ^= 1;
  return other;
}

test('a damaged file is told of once, and kept; the memory begins empty', BRIEF, async (t) => {
  const place = newPlace(t);
  const bytes = await leave(t, place, { a: 1, b: 'two' });
  const peer = await start(t);
  for (const [index, [damage, of]] of DAMAGES.entries()) {
    fs.writeFileSync(place.file, of(bytes), { mode: 0o600 });
    const said = await peer.do(
      async (tools, options) => {
        tools.forget();
        const { memory, failure } = tools;
        memory.logger = () => {
          throw new Error('Who has asked is told.');
        };
        memory.configure(options);
        const error = await failure(() => (options.isSync ? memory.sync.size() : memory.size()));
        const found = await memory.size();
        await memory.set('a', 'new');
        await memory.close();
        return { error, found };
      },
      { name: place.name, snapshot: place.file },
    );
    const kept = `${place.file}.damaged-${index + 1}`;
    const { code, name, message, file } = said.error;
    assert.deepEqual([code, name, file], ['ERR_SNAPSHOT', 'SharedMemoryError', place.file], damage);
    assert.equal(said.error.kept, kept);
    assert.ok(message.includes(place.file) && message.includes(kept), message);
    assert.equal(said.found, 0);
    assert.deepEqual(fs.readFileSync(kept), of(bytes));
    assert.equal(namesAt(place).length, index + 2);
  }
  assert.deepEqual(await entriesIn(t, place.file), { a: 'new' });
});

test('where nobody asks, the logger hears of the damage, and then who asks', BRIEF, async (t) => {
  const place = newPlace(t);
  fs.writeFileSync(place.file, '', { mode: 0o600 });
  const peer = await begin(t, place);
  await until(() => heardAt(place).length > 0);
  const error = await peer.do(({ memory, failure }) => failure(() => memory.sync.get('a')));
  assert.equal(error.code, 'ERR_SNAPSHOT');
  assert.equal(await peer.do(size), 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const heard = heardAt(place).map(({ code, file, kept }) => [code, file, kept]);
  assert.deepEqual(heard, [['ERR_SNAPSHOT', place.file, `${place.file}.damaged-1`]]);
  assert.equal(error.kept, heard[0][2]);
});

test('of two that come to a damaged file one is told, and both share', BRIEF, async (t) => {
  const place = newPlace(t);
  fs.writeFileSync(place.file, 'csm-snap', { mode: 0o600 });
  const peers = await Promise.all([start(t), start(t)]);
  const codes = await Promise.all(
    peers.map((peer) =>
      peer.do(
        async ({ memory }, options) => {
          memory.configure(options);
          const code = await memory.incr('sum').catch((error) => error.code);
          if (code === 'ERR_SNAPSHOT') await memory.incr('sum');
          return code;
        },
        { name: place.name, snapshot: place.file },
      ),
    ),
  );
  assert.equal(codes.filter((code) => code === 'ERR_SNAPSHOT').length, 1, codes.join());
  assert.equal(await peers[0].do(({ memory }) => memory.get('sum')), 2);
  assert.deepEqual(namesAt(place), ['values.damaged-1']);
});

test(
  'somebody is told of the damage where who reads the file closes meanwhile',
  BRIEF,
  async (t) => {
    const place = newPlace(t);
    const bytes = fs.readFileSync(long.file);
    fs.writeFileSync(place.file, flipped(bytes, bytes.length - 1), { mode: 0o600 });
    const [reader, next] = await Promise.all([start(t), start(t)]);
    await reader.do(beginReading, { name: place.name, snapshot: place.file });
    await reader.do(closes);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await configure(next, place);
    const code = await next.do(({ memory }) => memory.size().catch((error) => error.code));
    assert.equal(code, 'ERR_SNAPSHOT');
  },
);

test('what is no snapshot is neither moved nor written over', BRIEF, async (t) => {
  const place = newPlace(t);
  const elsewhere = path.join(place.folder, 'elsewhere');
  const bytes = await leave(t, place, { a: 1 });
  fs.renameSync(place.file, elsewhere);
  const peer = await begin(t, place);
  assert.equal(await peer.do(getA), undefined);
  await peer.do(closes);
  fs.rmSync(place.file);
  const { file } = place;
  /** @type {[string, () => void][]} */
  const kinds = [
    ['a text', () => fs.writeFileSync(file, '{"a":1}', { mode: 0o600 })],
    ['a folder', () => fs.mkdirSync(file)],
    ['a link', () => fs.symlinkSync(elsewhere, file)],
    [
      'what anybody may have written',
      () => {
        fs.copyFileSync(elsewhere, file);
        fs.chmodSync(file, 0o602);
      },
    ],
  ];
  for (const [kind, put] of kinds) {
    put();
    const [before, names] = [fs.lstatSync(file), namesAt(place)];
    await configure(peer, place);
    const errors = await peer.do(async ({ memory, failure }) => {
      const errors = [await failure(() => memory.size()), await failure(() => memory.sync.size())];
      await memory.close();
      return errors;
    });
    for (const error of errors) {
      assert.deepEqual([error.code, error.file, error.kept], ['ERR_SNAPSHOT', file, null], kind);
    }
    assert.deepEqual(namesAt(place), names);
    const after = fs.lstatSync(file);
    assert.deepEqual(
      [after.ino, after.mtimeMs, after.mode],
      [before.ino, before.mtimeMs, before.mode],
    );
    fs.rmSync(file, { recursive: true });
  }
  assert.deepEqual(fs.readFileSync(elsewhere), bytes);
  await configure(peer, place);
  assert.equal(await peer.do(size), 0);
});

test('a memory that is full comes back with the size that it had', BRIEF, async (t) => {
  const place = newPlace(t);
  const full = await begin(t, place, { maxMemory: '16mb' });
  const entries = await full.do(async ({ memory }) => {
    let random = 1;
    const next = () => {
      random = (random * 48271) % 0x7fffffff;
      return random / 0x7fffffff;
    };
    for (let i = 0, failed = 0; failed < 100; i++) {
      const length = next() < 0.02 ? 200_000 : 500;
      const value = 'x'.repeat(next() * length);
      await memory.set(i, value).catch(() => failed++);
    }
    const entries = await memory.size();
    await memory.close();
    return entries;
  });
  const next = await begin(t, place, { maxMemory: '16mb' });
  assert.equal(await next.do(size), entries);
});

test('a file that does not fit stays as it is, for whoever has more room', BRIEF, async (t) => {
  const place = newPlace(t);
  const first = await begin(t, place, { maxMemory: '64mb' });
  await first.do(({ memory }) => {
    const entries = Array.from({ length: 100 }, (_, i) => [`key ${i}`, 'x'.repeat(300_000)]);
    return memory.setMany(/** @type {[string, string][]} */ (entries));
  });
  await first.do(closes);
  const former = fs.readFileSync(place.file);
  const small = await begin(t, place, { maxMemory: '16mb' });
  for (let tries = 0; tries < 2; tries++) {
    const error = await small.do(({ memory, failure }) => failure(() => memory.size()));
    assert.deepEqual([error.code, error.file, error.kept], ['ERR_SNAPSHOT', place.file, null]);
  }
  await small.do(closes);
  assert.deepEqual(namesAt(place), ['values']);
  assert.ok(fs.readFileSync(place.file).equals(former));
  const large = await begin(t, place, { maxMemory: '256mb' });
  assert.equal(await large.do(size), 100);
});

for (const [how, leaves] of ENDS) {
  const place = (/** @type {TestContext} */ t) => ({ ...newPlace(t), other: newPlace(t) });
  /** @param {TestContext} t @param {ReturnType<typeof place>} where */
  const run = async (t, where) => {
    const bytes = await leave(t, where.other, { a: 'of another' });
    const peer = await begin(t, where);
    await peer.do(set, { a: 'of the memory' });
    fs.copyFileSync(where.other.file, where.file);
    await leaves(peer);
    return { peer, bytes };
  };

  test(`a file that appears later is kept at ${how}`, BRIEF, async (t) => {
    const where = place(t);
    const { bytes } = await run(t, where);
    assert.deepEqual(namesAt(where), ['values', 'values.replaced-1']);
    assert.deepEqual(fs.readFileSync(`${where.file}.replaced-1`), bytes);
    assert.deepEqual(await entriesIn(t, where.file), { a: 'of the memory' });
  });

  test(`the logger hears of such a file at ${how}`, BRIEF, async (t) => {
    const where = place(t);
    const { peer } = await run(t, where);
    await until(() => heardAt(where).length > 0 || peer.isOver);
    const heard = heardAt(where).map(({ message }) => message.includes(`${where.file}.replaced-1`));
    assert.deepEqual(heard, [true]);
  });
}

test(
  'a file that a memory has not begun with is kept, and who names it hears',
  BRIEF,
  async (t) => {
    const place = newPlace(t);
    const bytes = await leave(t, place, { a: 'of the file' });
    const one = await start(t, { name: place.name });
    await one.do(set, { a: 'of the memory' });
    const other = await begin(t, place);
    assert.equal(await other.do(getA), 'of the memory');
    await until(() => heardAt(place).length > 0);
    assert.ok(heardAt(place)[0].message.includes(place.file));
    await one.do(closes);
    assert.deepEqual(fs.readFileSync(place.file), bytes);
    await other.do(closes);
    await until(() => heardAt(place).length > 1);
    assert.ok(heardAt(place)[1].message.includes(`${place.file}.replaced-1`));
    assert.deepEqual(fs.readFileSync(`${place.file}.replaced-1`), bytes);
    assert.deepEqual(await entriesIn(t, place.file), { a: 'of the memory' });
  },
);

test('two names with one file lose nothing of each other', BRIEF, async (t) => {
  const place = newPlace(t);
  await leave(t, place, { both: 1 });
  const one = await begin(t, place);
  const other = await begin(t, { ...place, name: newName() });
  await one.do(set, { a: 'of one' });
  await other.do(set, { a: 'of the other' });
  await one.do(closes);
  await other.do(closes);
  await until(() => heardAt(place).length > 0);
  assert.ok(heardAt(place)[0].message.includes(`${place.file}.replaced-1`));
  assert.deepEqual(await entriesIn(t, place.file), { both: 1, a: 'of the other' });
  assert.deepEqual(await entriesIn(t, `${place.file}.replaced-1`), { both: 1, a: 'of one' });
  assert.deepEqual(namesAt(place), ['values', 'values.replaced-1']);
});

test('nor if they leave at the same moment', BRIEF, async (t) => {
  const place = newPlace(t);
  const peers = [await begin(t, place), await begin(t, { ...place, name: newName() })];
  for (const [index, peer] of peers.entries()) {
    await peer.do(({ memory }, index) => {
      const many = Array.from({ length: 20_000 }, (_, i) => /** @type {const} */ ([i, i]));
      return memory.setMany([['who', index], ...many]);
    }, index);
  }
  const at = soon();
  await Promise.all(peers.map((peer) => peer.do(closesAt, at)));
  assert.deepEqual(namesAt(place), ['values', 'values.replaced-1']);
  const both = await Promise.all(
    namesAt(place).map((name) => entriesIn(t, path.join(place.folder, name))),
  );
  assert.deepEqual(both.map(({ who }) => who).sort(), [0, 1]);
});

test('a wrong option is an error at once, and changes nothing', BRIEF, async (t) => {
  const { name, file, folder } = newPlace(t);
  const peer = await start(t);
  const said = await peer.do(
    async ({ memory, failure, left }, [name, file, folder]) => {
      const { configure } = /** @type {any} */ (memory);
      const codeOf = async (/** @type {unknown} */ options) =>
        (await failure(() => configure(options))).code;
      const types = [7, null, {}, Buffer.from(file)];
      const values = ['', `${file}\0`, `/${'a'.repeat(1024)}`, `/${'\u00e4'.repeat(512)}`];
      left.codes = [];
      for (const snapshot of [...types, ...values]) {
        left.codes.push(await codeOf({ name: `${name}:wrong`, snapshot }));
      }
      left.codes.push(await codeOf({ name, snapshot: file, progress: 7 }));
      left.codes.push(await codeOf({ snapshot: file }));
      left.codes.push(await codeOf({ scope: 'tree', snapshot: file }));
      // Of the turn in which the package was loaded nothing is left; so it has joined nobody.
      const before = await memory.stats();
      return [left.codes, before.name, require('node:fs').readdirSync(folder)];
    },
    [name, file, folder],
  );
  const [type, value] = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'];
  const codes = [...Array(4).fill(type), ...Array(4).fill(value), type, value, value];
  assert.deepEqual(said, [codes, null, []]);
});

test(
  'a name that is too long for the files beside it is an error at the beginning',
  BRIEF,
  async (t) => {
    const place = newPlace(t);
    const file = path.join(place.folder, 'n'.repeat(250));
    const peer = await start(t);
    const { code } = await peer.do(
      ({ memory, failure }, options) =>
        failure(() => {
          memory.configure(options);
          return memory.set('a', 1);
        }),
      { name: place.name, snapshot: file },
    );
    assert.ok(['ERR_SNAPSHOT', 'ERR_INVALID_ARG_VALUE'].includes(code), code);
  },
);

test('a file that is named too late is an error; the same one again is none', BRIEF, async (t) => {
  const place = newPlace(t);
  const peer = await begin(t, place);
  await peer.do(set, { a: 1 });
  const codes = await peer.do(
    async ({ memory, failure }, { name, file }) => {
      memory.configure({ name, snapshot: file });
      memory.configure({ snapshot: file });
      const late = await failure(() => memory.configure({ snapshot: `${file}.other` }));
      await memory.close();
      const closed = await failure(() => memory.configure({ snapshot: file }));
      return [late.code, closed.code];
    },
    { ...place },
  );
  assert.deepEqual(codes, ['ERR_ALREADY_OPEN', 'ERR_CLOSED']);
  assert.deepEqual(namesAt(place), ['values']);
});

test('who names another file than others hears where it goes', BRIEF, async (t) => {
  const place = newPlace(t);
  const one = await begin(t, place);
  await one.do(set, { a: 1 });
  const other = await begin(t, place, { snapshot: `${place.file}.other` });
  assert.equal(await other.do(getA), 1);
  await until(() => heardAt(place).length > 0);
  await one.do(closes);
  await other.do(closes);
  const heard = heardAt(place);
  assert.deepEqual(
    heard.map(({ pid, message }) => [pid, message.includes(place.file)]),
    [[other.pid, true]],
  );
  assert.deepEqual(namesAt(place), ['values']);
});

test('a path counts from where it was named, whatever characters it has', BRIEF, async (t) => {
  const place = newPlace(t);
  const peer = await start(t);
  await peer.do(
    async ({ memory }, { name, folder }) => {
      process.chdir(folder);
      memory.configure({ name, snapshot: './a \u4e16 "file"' });
      process.chdir('/');
      await memory.set('a', 1);
      await memory.close();
    },
    { ...place },
  );
  assert.deepEqual(namesAt(place), ['a \u4e16 "file"']);
  assert.deepEqual(await entriesIn(t, path.join(place.folder, 'a \u4e16 "file"')), { a: 1 });
});

test('a folder that is missing at the beginning is an error', BRIEF, async (t) => {
  const place = newPlace(t);
  fs.rmdirSync(place.folder);
  const peer = await begin(t, place);
  const error = await peer.do(({ memory, failure }) => failure(() => memory.get('a')));
  assert.deepEqual([error.code, error.file, error.kept], ['ERR_SNAPSHOT', place.file, null]);
  fs.mkdirSync(place.folder);
  await until(() => peer.do(({ memory }) => memory.set('a', 1).catch(() => false)));
  await peer.do(closes);
  assert.deepEqual(namesAt(place), ['values']);
});

test('where the folder is gone at the end, close() rejects, and closes', BRIEF, async (t) => {
  const place = newPlace(t);
  const peer = await begin(t, place);
  await peer.do(set, { a: 1 });
  fs.rmdirSync(place.folder);
  const said = await peer.do(async ({ memory, failure }) => {
    const error = await failure(() => memory.close());
    const late = await failure(() => memory.get('a'));
    return [error.code, error.file, late.code, await memory.close()];
  });
  assert.deepEqual(said, ['ERR_SNAPSHOT', place.file, 'ERR_CLOSED', undefined]);
  // The name is free: whoever comes begins a new memory.
  const next = await start(t, { name: place.name });
  assert.equal(await next.do(getA), undefined);
  const { host } = await next.do(({ memory }) => memory.stats());
  assert.equal(host, next.pid);
});

for (const [how, leaves] of ENDS.slice(1)) {
  test(`where the folder is gone at ${how}, the logger hears`, BRIEF, async (t) => {
    const place = newPlace(t);
    const peer = await begin(t, place);
    await peer.do(set, { a: 1 });
    fs.rmdirSync(place.folder);
    await leaves(peer);
    const heard = heardAt(place).map(({ code, file }) => [code, file]);
    assert.deepEqual(heard, [['ERR_SNAPSHOT', place.file]]);
  });
}

/** @type {[string, number, (peer: Peer) => Promise<unknown>][]} */
const LEAVING = [
  ['closes', 0, (peer) => peer.do(closes)],
  ['calls process.exit()', 60, exit],
  ['is killed', 200, (peer) => peer.kill()],
];

for (const [how, afterMs, leaves] of LEAVING) {
  test(`when who reads the file ${how} meanwhile, the others find all`, BRIEF, async (t) => {
    const place = newPlace(t);
    putLong(place);
    const options = { name: place.name, snapshot: place.file };
    const [reader, ...others] = await Promise.all([1, 2, 3].map(() => start(t)));
    await reader.do(beginReading, options);
    const waiting = others.map((peer) =>
      peer.do(({ memory }, options) => {
        memory.configure(options);
        return memory.size();
      }, options),
    );
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await leaves(reader);
    if (how === 'closes') {
      // It may have been let in before.
      const outcome = await reader.do(({ left }) =>
        left.first.catch((/** @type {any} */ error) => error.code),
      );
      assert.ok([7, 'ERR_CLOSED'].includes(outcome), outcome);
    }
    assert.deepEqual(await Promise.all(waiting), [MANY, MANY]);
    assert.deepEqual(namesAt(place), ['values']);
    await others[0].do(set, { a: 1 });
    for (const peer of others) await peer.do(closes);
    assert.deepEqual(namesAt(place), ['values']);
    // So many entries, says its head.
    assert.equal(fs.readFileSync(place.file).readBigUInt64LE(24), BigInt(MANY + 1));
    assert.deepEqual(heardAt(place), []);
  });
}
