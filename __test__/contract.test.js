'use strict';

// index.d.ts against what it describes: each thing that the one has, the other has. That the types of
// the methods fit as well is what `npm run types` checks (types.ts).

const assert = require('node:assert/strict');
const { test } = require('node:test');
const fs = require('node:fs');
const path = require('node:path');
const memory = require('cluster-shared-memory');

const ROOT = path.join(__dirname, '..');
/** Codes of Node that lib/ looks for. */
const OF_NODE = ['ERR_DLOPEN_DISABLED'];

const read = (/** @type {string} */ file) => fs.readFileSync(path.join(ROOT, file), 'utf8');
const contract = read('index.d.ts');

/** What stands between two texts. @type {(text: string, begin: string, end: string) => string} */
function between(text, begin, end) {
  const [, rest] = text.split(begin, 2);
  assert.notEqual(rest, undefined, `no ${begin}`);
  return rest.split(end, 1)[0];
}

/** All that a pattern finds, once each, sorted. @type {(text: string, pattern: RegExp) => string[]} */
function all(text, pattern) {
  return [...new Set([...text.matchAll(pattern)].map(([whole, part]) => part ?? whole))].sort();
}

/** @param {string} name of an interface */
const bodyOf = (name) =>
  between(contract.replace('Versioned<T>', 'Versioned'), `  interface ${name} `, '\n  }\n');

/** @param {string} name of an interface */
const membersOf = (name) => all(bodyOf(name), /^ {4}(?:readonly )?(\w+)[?<(:]/gm);

test('each code that an error can have is in the contract, and the other way round', () => {
  const codes = all(between(contract, 'type ErrorCode =', ';'), /ERR_\w+/g);
  const sources = fs.readdirSync(path.join(ROOT, 'lib')).map((file) => read(`lib/${file}`));
  const inCode = all([...sources, read('src/node/errors.rs')].join(), /['"](ERR_\w+)['"]/g);
  assert.deepEqual(
    inCode.filter((code) => !OF_NODE.includes(code)),
    codes,
  );
});

test('the contract says of each code what to do about it, once', () => {
  const codes = all(between(contract, 'type ErrorCode =', ';'), /ERR_\w+/g);
  const list = between(contract, 'Every code that `error.code` may have', '*/');
  const listed = [...list.matchAll(/- `(ERR_\w+)`/g)].map(([, code]) => code);
  assert.deepEqual(listed.sort(), codes);
});

test('the README names no code that there is not, and links the list', () => {
  const codes = all(between(contract, 'type ErrorCode =', ';'), /ERR_\w+/g);
  const unknown = all(read('README.md'), /ERR_\w+/g).filter((code) => !codes.includes(code));
  assert.deepEqual(unknown, []);
  assert.match(read('README.md'), /index\.d\.ts/);
});

test('each figure that an error can have is in the contract, and the other way round', () => {
  const details = between(read('src/node/errors.rs'), 'fn details', '\n}\n');
  const figures = all(details, /"(\w+)":/g);
  assert.deepEqual([...figures, 'code'].sort(), membersOf('SharedMemoryError'));
});

test('each method is in the contract, and the other way round', () => {
  const space = membersOf('Space');
  const sorted = (/** @type {string[]} */ ...names) => [...new Set(names)].sort();
  assert.deepEqual(Object.keys(memory).sort(), sorted(...space, ...membersOf('SharedMemory')));
  const namespace = memory.namespace('contract');
  assert.deepEqual(Object.keys(namespace).sort(), sorted(...space, ...membersOf('Namespace')));
  for (const { sync } of [memory, namespace]) {
    assert.deepEqual(Object.keys(sync).sort(), membersOf('Sync'));
  }
});

test('what can be imported by name is what the types of import say', async () => {
  const exported = between(read('index.d.mts'), 'export {', '}');
  assert.deepEqual(
    Object.keys(await import('cluster-shared-memory')).sort(),
    all(exported, /\w+/g),
  );
});

test('each figure of stats is in the contract, and the other way round', async () => {
  assert.deepEqual(Object.keys(await memory.stats()).sort(), membersOf('Stats'));
});

test('each option of configure is in the contract', () => {
  for (const option of membersOf('Options')) {
    const options = /** @type {any} */ ({ [option]: {} });
    assert.throws(
      () => memory.configure(options),
      (/** @type {any} */ { message }) => message.includes(`"${option}" option`),
    );
  }
});

test('everything in the contract is explained to who reads it in an editor', () => {
  for (const name of [
    ...['Space', 'Namespace', 'SharedMemory', 'Sync', 'Options', 'NamespaceOptions'],
    ...['LRUOptions', 'Lifetime', 'KeyOptions', 'Versioned', 'Stats'],
  ]) {
    const lines = bodyOf(name)
      .split('\n')
      .filter((line) => !line.includes('biome-ignore'));
    lines.forEach((line, i) => {
      if (/^ {4}(?:readonly )?\w+[?<(:]/.test(line)) assert.match(lines[i - 1], /\*\/$/, line);
    });
  }
});
