'use strict';

// The name that a process shares by unless configure() gives one: see lib/scope.js.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { defaultGroup, toGroup } = require('../lib/scope.js');

const PM2 = { PM2_HOME: '/home/a/.pm2', namespace: 'default', name: 'shop' };
const CLUSTERED = { ...PM2, exec_mode: 'cluster_mode', pm_id: '0' };

/**
 * @param {Record<string, string | undefined>} env
 * @param {boolean} isWorker
 * @param {string | null | undefined} ofPm2 what PM2 itself has handed to the process
 */
const nameOf = (env, isWorker = true, ofPm2 = '{}') =>
  defaultGroup(env, isWorker, (name) => (name === 'pm2_env' ? ofPm2 : undefined));

test('without anything in the environment there is no name', () => {
  assert.equal(nameOf({}), undefined);
  assert.equal(nameOf({}, false), undefined);
  assert.equal(nameOf({ CLUSTER_SHARED_MEMORY_NAME: '' }), undefined);
});

test('the variable goes before the name of PM2', () => {
  assert.equal(nameOf({ ...CLUSTERED, CLUSTER_SHARED_MEMORY_NAME: 'mine' }), 'mine');
  assert.equal(nameOf({ CLUSTER_SHARED_MEMORY_NAME: 'mine' }, false), 'mine');
});

test('a wrong name in the variable is an error that names the variable', () => {
  const expected = { code: 'ERR_INVALID_ARG_VALUE', message: /CLUSTER_SHARED_MEMORY_NAME/ };
  assert.throws(() => nameOf({ CLUSTER_SHARED_MEMORY_NAME: 'a b' }), expected);
});

test('workers of one app of PM2 have one name, which is one that configure takes', () => {
  const name = nameOf(CLUSTERED);
  assert.match(String(name), /^pm2:shop:[0-9a-f]{16}$/);
  assert.equal(toGroup(name, 'name'), name);
  for (const pm_id of ['1', '2', '17']) assert.equal(nameOf({ ...CLUSTERED, pm_id }), name);
  // What else there is in the environment changes nothing.
  assert.equal(nameOf({ ...CLUSTERED, NODE_APP_INSTANCE: '3', PORT: '80' }), name);
});

test('other apps, namespaces and homes have other names', () => {
  const others = [
    CLUSTERED,
    { ...CLUSTERED, name: 'shop2' },
    { ...CLUSTERED, name: '' },
    { ...CLUSTERED, name: undefined },
    { ...CLUSTERED, namespace: 'shop' },
    { ...CLUSTERED, namespace: 'default","shop', name: '' },
    { ...CLUSTERED, PM2_HOME: '/home/b/.pm2' },
    { ...CLUSTERED, name: 'shop_1' },
    { ...CLUSTERED, name: 'shop 1' },
    { ...CLUSTERED, name: 'shop/1' },
  ];
  const names = others.map((env) => nameOf(env));
  // A name that is missing is an empty one.
  assert.equal(names[2], names[3]);
  assert.equal(new Set(names).size, others.length - 1);
});

test('whatever an app is called, its name is one that configure takes', () => {
  for (const name of [
    'a b',
    '\u00e4\u00f6\u00fc',
    '@scope/app',
    'x'.repeat(500),
    '\n',
    '..',
    '\ud83d\ude00',
  ]) {
    const group = String(nameOf({ ...CLUSTERED, name }));
    assert.equal(toGroup(group, 'name'), group);
    assert.ok(group.length <= 48, group);
  }
});

test('no name of PM2 for what PM2 does not run in cluster mode', () => {
  assert.equal(nameOf({ ...CLUSTERED, exec_mode: 'fork_mode' }), undefined);
  assert.equal(nameOf({ ...CLUSTERED, pm_id: undefined }), undefined);
  // Its children that are no workers, and what looks like PM2 only by its app's name.
  assert.equal(nameOf(CLUSTERED, false), undefined);
  assert.equal(nameOf(PM2), undefined);
});

test('what a worker of PM2 starts has no name of PM2, though it inherits the environment', () => {
  assert.equal(
    defaultGroup(CLUSTERED, true, () => undefined),
    undefined,
  );
  // Who cannot tell takes it.
  assert.equal(nameOf(CLUSTERED, true, null), nameOf(CLUSTERED));
});

test('names are checked as they stand', () => {
  for (const name of ['a', 'A', '0', '.', '_', ':', '@', '-', 'a'.repeat(48)]) {
    assert.equal(toGroup(name, 'name'), name);
  }
  for (const name of ['', 'a'.repeat(49), 'a b', 'a/b', '\u00e4', 'a\n', '\0', 'a,b', '#']) {
    const expected = { code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' };
    assert.throws(() => toGroup(name, '"name" option'), expected, JSON.stringify(name));
  }
  for (const name of [undefined, null, 7, {}, ['a'], Symbol('a')]) {
    assert.throws(() => toGroup(name, '"name" option'), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});
