'use strict';

// What goes wrong around a file: it is named wrongly, its folder is gone, or who reads it leaves
// meanwhile.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, after, before } = require('node:test');
const { start } = require('./group-family.js');
const {
  ENDS,
  MANY,
  begin,
  beginReading,
  closes,
  entriesIn,
  exit,
  getA,
  heardAt,
  makeLong,
  namesAt,
  newPlace,
  putLong,
  removeLong,
  set,
  startBusy,
  until,
} = require('./group-snapshots.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */

before(makeLong);
after(removeLong);

test('a wrong option is an error at once, and changes nothing', BRIEF, async (t) => {
  const { name, file, folder } = newPlace();
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
    const place = newPlace();
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
  const place = newPlace();
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
  const place = newPlace();
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
  const place = newPlace();
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
  const place = newPlace();
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
  const place = newPlace();
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
    const place = newPlace();
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
    const place = newPlace();
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

for (const [how, leaves] of ENDS) {
  test(
    `who reads it and goes by ${how} before it is in leaves what others left`,
    BRIEF,
    async (t) => {
      const place = newPlace();
      putLong(place);
      const { peer, goOn } = await startBusy(t, place);
      const guest = await begin(t, place);
      assert.equal(await guest.do(({ memory }) => memory.get('key 7')), 7);
      await guest.do(set, { a: 'of the guest' });
      await guest.do(closes);
      goOn();
      await leaves(peer);
      assert.deepEqual(namesAt(place), ['values']);
      assert.equal((await entriesIn(t, place.file)).a, 'of the guest');
      assert.deepEqual(heardAt(place), []);
    },
  );
}
