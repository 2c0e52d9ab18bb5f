'use strict';

// A file that cannot be read, or is none of theirs, or does not fit, is told of; and no file is written
// over that was not read.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, after, before } = require('node:test');
const { newName, start } = require('./group-family.js');
const {
  ENDS,
  MANY,
  begin,
  beginReading,
  closes,
  closesAt,
  configure,
  entriesIn,
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
} = require('./group-snapshots.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {import('node:test').TestContext} TestContext */

before(makeLong);
after(removeLong);

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

/** As a later version of the package may write it. @param {Buffer} bytes */
function newer(bytes) {
  const other = flipped(bytes, 20);
  other[8] = 2;
  return other;
}

test('a damaged file is told of once, and kept; the memory begins empty', BRIEF, async (t) => {
  const place = newPlace();
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
  const place = newPlace();
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
  const place = newPlace();
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
    const place = newPlace();
    const bytes = fs.readFileSync(long.file);
    fs.writeFileSync(place.file, flipped(bytes, bytes.length - 1), { mode: 0o600 });
    const [reader, next] = await Promise.all([start(t), start(t)]);
    await reader.do(beginReading, { name: place.name, snapshot: place.file });
    // Where the machine is fast, it has been told already.
    const told = await reader.do(async ({ memory, left }) => {
      await memory.close();
      return left.first.catch((/** @type {any} */ error) => error.code);
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await configure(next, place);
    const code = await next.do(({ memory }) => memory.size().catch((error) => error.code));
    // Met in the very moment of the closing, it is written to stderr.
    const isKept = told === 'ERR_CLOSED' && namesAt(place).includes('values.damaged-1');
    assert.ok([told, code].includes('ERR_SNAPSHOT') || isKept, `${told}, ${code}`);
  },
);

test(
  'nobody waits without end for one that is too busy to hear of the damage',
  BRIEF,
  async (t) => {
    const place = newPlace();
    const bytes = fs.readFileSync(long.file);
    fs.writeFileSync(place.file, flipped(bytes, bytes.length - 1), { mode: 0o600 });
    const [{ goOn }, guest] = await Promise.all([startBusy(t, place), start(t)]);
    const codes = await guest.do(
      async ({ memory, failure }, options) => {
        memory.configure(options);
        const outcomes = [await failure(() => memory.get('a'))];
        outcomes.push(await failure(() => memory.sync.get('a')));
        return outcomes.map(({ code }) => code);
      },
      { name: place.name, snapshot: place.file },
    );
    assert.deepEqual(codes, ['ERR_NO_HOST', 'ERR_NO_HOST']);
    assert.deepEqual(namesAt(place), ['values.damaged-1']);
    goOn();
    assert.equal(await guest.do(getA), undefined);
  },
);

test('what is no snapshot is neither moved nor written over', BRIEF, async (t) => {
  const place = newPlace();
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
    ['a newer format', () => fs.writeFileSync(file, newer(bytes), { mode: 0o600 })],
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

test('who is killed while it writes leaves the file that was there', BRIEF, async (t) => {
  const place = newPlace();
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
  // What the dead one had begun to write is gone; if it was whole, it may be kept.
  const names = namesAt(place).filter((name) => name !== 'values.replaced-1');
  assert.deepEqual(names, ['values']);
});

test('a memory that is always full comes back life after life', BRIEF, async (t) => {
  const place = newPlace();
  let entries = 0;
  const areas = [];
  for (let life = 0; life < 5; life++) {
    const peer = await begin(t, place, { maxMemory: '16mb' });
    assert.equal(await peer.do(size), entries);
    areas.push((await peer.do(({ memory }) => memory.stats())).bytes.maximum);
    entries = await peer.do(async ({ memory }, life) => {
      let random = life + 1;
      const next = () => {
        random = (random * 48271) % 0x7fffffff;
        return random / 0x7fffffff;
      };
      for (let i = 0, failed = 0; failed < 100; i++) {
        const length = next() < 0.02 ? 200_000 : 500;
        const value = 'x'.repeat(next() * length);
        await memory.set(`${life} ${i}`, value).catch(() => failed++);
      }
      const entries = await memory.size();
      await memory.close();
      return entries;
    }, life);
  }
  const [first, last] = [areas[0], areas[4]];
  assert.ok(last > first && last < 2 * first, areas.join());
  // Who has chosen the size hears each time that it is another.
  const heard = heardAt(place).map(({ message }) => message.includes('needs more'));
  assert.deepEqual(heard, Array(areas.filter((area) => area > first).length).fill(true));
});

test('a file that does not fit stays as it is, for whoever has more room', BRIEF, async (t) => {
  const place = newPlace();
  const first = await begin(t, place, { maxMemory: '64mb' });
  await first.do(({ memory }) => {
    // More than twice what the next one may take.
    const entries = Array.from({ length: 150 }, (_, i) => [`key ${i}`, 'x'.repeat(300_000)]);
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
  assert.equal(await large.do(size), 150);
});

for (const [how, leaves] of ENDS) {
  const place = () => ({ ...newPlace(), other: newPlace() });
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
    const where = place();
    const { bytes } = await run(t, where);
    assert.deepEqual(namesAt(where), ['values', 'values.replaced-1']);
    assert.deepEqual(fs.readFileSync(`${where.file}.replaced-1`), bytes);
    assert.deepEqual(await entriesIn(t, where.file), { a: 'of the memory' });
  });

  test(`the logger hears of such a file at ${how}`, BRIEF, async (t) => {
    const where = place();
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
    const place = newPlace();
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

test('one that may not be written over stays, and who names it hears at once', BRIEF, async (t) => {
  const place = newPlace();
  const bytes = newer(await leave(t, place, { a: 1 }));
  fs.writeFileSync(place.file, bytes);
  const one = await start(t, { name: place.name });
  await one.do(set, { a: 2 });
  const other = await begin(t, place);
  assert.equal(await other.do(getA), 2);
  await until(() => heardAt(place).length > 0);
  assert.match(heardAt(place)[0].message, /values has format 2, and this build .* reads 1$/);
  await one.do(closes);
  const error = await other.do(({ memory, failure }) => failure(() => memory.close()));
  assert.deepEqual([error.code, error.file, error.kept], ['ERR_SNAPSHOT', place.file, null]);
  assert.deepEqual(namesAt(place), ['values']);
  assert.deepEqual(fs.readFileSync(place.file), bytes);
});

test('two names with one file lose nothing of each other', BRIEF, async (t) => {
  const place = newPlace();
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
  const place = newPlace();
  const peers = [await begin(t, place), await begin(t, { ...place, name: newName() })];
  for (const [index, peer] of peers.entries()) {
    await peer.do(({ memory }, index) => {
      const many = Array.from({ length: 20_000 }, (_, i) => /** @type {const} */ ([i, i]));
      return memory.setMany([['who', index], ...many]);
    }, index);
  }
  const at = soon();
  await Promise.all(peers.map((peer) => peer.do(closesAt, at)));
  // While both have a name to be kept by, the one that is kept in the end may be the second.
  assert.equal(namesAt(place).length, 2);
  assert.match(namesAt(place)[1], /^values\.replaced-[12]$/);
  const both = await Promise.all(
    namesAt(place).map((name) => entriesIn(t, path.join(place.folder, name))),
  );
  assert.deepEqual(both.map(({ who }) => who).sort(), [0, 1]);
});
