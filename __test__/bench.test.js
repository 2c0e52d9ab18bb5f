'use strict';

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { optionsOf, UsageError } = require('../bench/options.js');
const { others, peerNamed } = require('../bench/peers/index.js');
const { sceneOf } = require('../bench/results.js');
const { scenarios } = require('../bench/scenarios/index.js');
const { version } = require('../package.json');

const RUN = path.join(__dirname, '..', 'bench', 'run.js');
const timeout = 60_000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-test-'));
after(() => fs.rmSync(folder, { recursive: true }));

/** @param {string[]} args */
function bench(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], {
    encoding: 'utf8',
    timeout,
  });
  return { status, stdout, stderr };
}

/** What a run of three rounds with two peers would have found. */
function storedReport() {
  /** @type {import('../bench/scenarios/index.js').Row[]} */
  const rows = [
    {
      name: 'await get',
      figure: 'get',
      unit: 'time',
      picture: 'get <a & b>',
      targets: [
        { beside: '1.1.5', speed: 100 },
        { beside: 'fastest', speed: 1.2 },
        { beside: 'fastest', storing: 'json', speed: 1.2 },
        { beside: 'ems', speed: 1 },
      ],
    },
    { name: 'more of it', figure: 'more', unit: 'count', detail: true },
    { name: 'ours alone', figure: 'alone', unit: 'memory', detail: true, targets: [{ most: 64 }] },
    { name: 'grown', figure: 'grown', unit: 'memory', targets: [{ beside: '1.1.5', share: 0.4 }] },
  ];
  const rounds = (/** @type {number} */ get, /** @type {number} */ grown) =>
    [0.9, 1, 1.1].map((factor) => ({ get: get * factor, more: 1, grown: grown * 2 ** 20 }));
  /** @type {any} */
  const scenario = { name: 'get', title: 'get', cpus: [1], rows };
  const ours = rounds(500, 20).map((round) => ({ ...round, alone: 45 }));
  const scene = sceneOf(scenario, [
    { peer: peerNamed('ours'), rounds: ours, pinned: true },
    { peer: peerNamed('ours uncached'), rounds: rounds(490, 20), pinned: true },
    { peer: peerNamed('1.1.5'), rounds: rounds(80_000, 100), pinned: true },
    { peer: peerNamed('lmdb msgpack'), rounds: rounds(550, 40), pinned: true },
    { peer: peerNamed('redis'), rounds: [], trouble: 'hangs', pinned: true },
  ]);
  /** @type {any} */
  const alone = {
    ...{ name: 'floor', title: 'floor', cpus: [1] },
    rows: [
      {
        name: 'sync get',
        figure: 'get',
        unit: 'time',
        targets: [{ of: ['call', 'parse'], share: 1.35 }, { most: 100 }],
      },
    ],
  };
  const floor = sceneOf(alone, [
    { peer: peerNamed('ours'), rounds: [{ get: 90, call: 20, parse: 40 }], pinned: false },
  ]);
  return {
    form: 1,
    date: '2026-01-02',
    machine: { cpu: 'a CPU', cpus: 2, gigabytes: 8, system: 'Linux', node: '20.0.0' },
    effort: { rounds: 3, ms: 1, quick: false },
    load: [0, 0],
    peers: ['ours', 'ours uncached', '1.1.5', 'lmdb msgpack'].map((name) => ({
      ...peerNamed(name),
      version: name === 'lmdb msgpack' ? '3' : peerNamed(name).version(),
    })),
    absent: [{ name: 'ems', reason: 'cannot be installed: no compiler' }],
    scenes: [scene, floor],
  };
}

/** @returns {string} */
function storedFile() {
  const file = path.join(folder, 'stored.json');
  fs.writeFileSync(file, JSON.stringify(storedReport()));
  return file;
}

test('a wrong call is told in one line, with exit code 2', { timeout }, () => {
  for (const [args, word] of [
    [['--fast'], /--fast/],
    [['more'], /more/],
    [['--json'], /--json/],
    [['--svg', path.join(folder, 'missing', 'x.svg')], /missing/],
    [['--rounds', '0'], /--rounds/],
    [['--only', 'mutex-one,nothing'], /"nothing"/],
    [['--peers', 'nobody'], /"nobody"/],
  ]) {
    const { status, stdout, stderr } = bench(.../** @type {string[]} */ (args));
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
    assert.match(stderr, /^[^\n]+\n$/);
    assert.match(stderr, /** @type {RegExp} */ (word));
  }
});

test('help and the list are printed without measuring', { timeout }, () => {
  const help = bench('--help');
  assert.equal(help.status, 0);
  for (const option of ['only', 'peers', 'quick', 'rounds', 'json', 'svg', 'markdown', 'from']) {
    assert.ok(help.stdout.includes(`--${option}`));
  }
  const list = bench('--list');
  assert.equal(list.status, 0);
  for (const { name } of [...scenarios, ...others]) assert.ok(list.stdout.includes(`  ${name} `));
});

test('scenarios are chosen by name and by family, and stay in order', () => {
  const chosen = (/** @type {string[]} */ ...args) =>
    optionsOf(args).scenarios.map(({ name }) => name);
  assert.deepEqual(chosen('--only', 'text'), ['text']);
  assert.deepEqual(chosen('--only', 'mutex-two, object'), ['object', 'mutex-two']);
  assert.deepEqual(
    chosen('--only', 'mutex'),
    scenarios.map(({ name }) => name).filter((name) => name.startsWith('mutex-')),
  );
  assert.deepEqual(chosen().length, scenarios.length);
  assert.throws(() => chosen('--only', 'mut'), UsageError);
});

test('a quick run leaves out what is slow, unless it is named', () => {
  assert.ok(optionsOf(['--quick']).scenarios.every(({ slow }) => !slow));
  assert.equal(optionsOf(['--quick', '--only', 'memory-one']).scenarios.length, 1);
});

test('peers are chosen by name and by package', () => {
  const chosen = (/** @type {string} */ text) =>
    optionsOf(['--peers', text]).peers.map(({ name }) => name);
  assert.deepEqual(chosen('none'), []);
  assert.deepEqual(chosen('Redis,1.1.5'), ['1.1.5', 'redis']);
  assert.ok(chosen('lmdb').length > 2);
  assert.deepEqual(optionsOf([]).peers, others);
  assert.ok(optionsOf(['--quick']).peers.every(({ variant }) => !variant));
  assert.equal(optionsOf(['--quick', '--peers', 'lmdb cached']).peers.length, 1);
});

test('a variant of this package is shown beside it, and is no rival', () => {
  const [get] = storedReport().scenes[0].lines;
  assert.equal(get.ratios['ours uncached'], 0.98);
  assert.equal(get.fastest, 'lmdb msgpack');
});

test('a row of ours alone has no ratios', () => {
  const [, , alone] = storedReport().scenes[0].lines;
  assert.deepEqual([alone.figures, alone.ratios], [{ ours: 45 }, {}]);
});

test('whoever has many keys at once takes part', () => {
  for (const { name, has } of others) {
    assert.equal(has.includes('getMany'), has.includes('get') && has.includes('set'), name);
    assert.equal(has.includes('sync.getMany'), has.includes('sync.get'), name);
    assert.equal(has.includes('setMany'), has.includes('getMany'), name);
  }
});

test('names of scenarios and of peers are unique', () => {
  for (const named of [scenarios, others]) {
    assert.equal(new Set(named.map(({ name }) => name)).size, named.length);
  }
});

test('targets are judged by the peers that they name', () => {
  const [get, , , grown] = storedReport().scenes[0].lines;
  assert.equal(get.fastest, 'lmdb msgpack');
  assert.equal(get.ratios['1.1.5'], 160);
  const [beside, fastest, storing, absent] = get.goals;
  assert.deepEqual([beside.beside, beside.reached], ['1.1.5', true]);
  assert.deepEqual([fastest.beside, fastest.reached], ['lmdb msgpack', false]);
  assert.deepEqual([storing.beside, storing.reached], ['1.1.5', true]);
  assert.equal(absent.reached, undefined);
  assert.deepEqual(grown.goals[0], {
    text: 'at most 0.4 of 1.1.5',
    beside: '1.1.5',
    ratio: 0.2,
    reached: true,
  });
});

test('a stored run is printed as it was', { timeout }, () => {
  const { status, stdout } = bench('--from', storedFile());
  assert.equal(status, 0);
  assert.match(stdout, /^2026-01-02, Node\.js 20\.0\.0, Linux, 2 x a CPU, 8 GB$/m);
  assert.match(stdout, /without ems: cannot be installed: no compiler/);
  assert.match(stdout, /^await get +500 ns +lmdb msgpack +550 ns +1\.10x$/m);
  assert.match(stdout, /at least 100x 1\.1\.5: reached \(160\.00\)/);
  assert.match(stdout, /at least 1\.2x the fastest: MISSED \(1\.10\)/);
  assert.match(stdout, /at least 1x ems: not measured/);
  assert.match(stdout, /^ {4}more of it +1\.00$/m);
  assert.match(stdout, /^ {4}ours alone +45\.0 B\n {4}at most 64\.0 B: reached$/m);
  assert.match(stdout, /! redis hangs/);
  assert.match(stdout, /^sync get +90\.0 ns +60\.0 ns +1\.50 of \(call \+ parse\)$/m);
  assert.match(stdout, /at most 1\.35 of \(call \+ parse\): MISSED \(1\.50\)/);
  assert.match(stdout, /at most 100 ns: reached/);
  assert.match(stdout, /! NOT PINNED/);
  assert.match(stdout, /^5 of 7 targets reached$/m);
});

test('markdown and picture are drawn from a stored run', { timeout }, () => {
  const [markdown, svg] = ['table.md', 'picture.svg'].map((name) => path.join(folder, name));
  const { status, stdout } = bench('--from', storedFile(), '--markdown', markdown, '--svg', svg);
  assert.deepEqual({ status, stdout }, { status: 0, stdout: '' });
  const table = fs.readFileSync(markdown, 'utf8');
  assert.match(table, /^\| await get \| 500 ns \| 80\.0 us \| 550 ns \| 1\.10x \|$/m);
  assert.match(table, /^\| grown \| 20\.0 MB \| 100 MB \| 40\.0 MB \| 0\.50 of it \|$/m);
  assert.match(table, /^\| sync get \| 90\.0 ns \| 60\.0 ns \|$/m);
  assert.doesNotMatch(table, /more of it/);
  const picture = fs.readFileSync(svg, 'utf8');
  assert.match(picture, /^<svg [^>]+viewBox="0 0 840 \d+"/);
  assert.match(picture, /get &lt;a &amp; b&gt;/);
  assert.match(picture, />2\.00 M\/s</);
  assert.ok(picture.includes(`cluster-shared-memory ${version}`));
  assert.doesNotMatch(picture, /NaN|undefined|Infinity/);
});

test('what is no report is told in one line', { timeout }, () => {
  const file = path.join(folder, 'other.json');
  fs.writeFileSync(file, '{}');
  for (const name of [file, path.join(folder, 'missing.json'), __filename]) {
    const { status, stderr } = bench('--from', name);
    assert.equal(status, 1);
    assert.match(stderr, /^[^\n]+\n$/);
    assert.ok(stderr.includes(name));
  }
});

test('values that another worker changes, and many at once, are measured', { timeout }, () => {
  const args = ['--only', 'sync-changed,many', '--peers', 'none', '--quick', '--rounds', '1'];
  const { status, stdout, stderr } = bench(...args);
  assert.equal(status, 0, stderr);
  for (const row of ['read once', 'known before']) {
    assert.match(stdout, new RegExp(`^sync get, set since by another, ${row} +[\\d.]+ .s$`, 'm'));
  }
  for (const call of ['await getMany', 'await setMany', 'sync getMany', 'sync setMany']) {
    assert.match(stdout, new RegExp(`^${call}, 100 small objects +[\\d.]+ .s$`, 'm'));
  }
  assert.doesNotMatch(stdout, / ! /);
});

test('a short run measures, says how far it is, and stores what it found', { timeout }, () => {
  const file = path.join(folder, 'run.json');
  const args = ['--only', 'get-set', '--peers', '1.1.5', '--quick', '--rounds', '1'];
  const { status, stdout, stderr } = bench(...args, '--json', file);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '[1/1] one after the other, awaited\n');
  assert.match(stdout, /^await get, small object +[\d.]+ .s +1\.1\.5 +[\d.]+ .s +[\d.]+x$/m);
  const report = JSON.parse(fs.readFileSync(file, 'utf8'));
  const [scene] = report.scenes;
  assert.deepEqual(scene.troubles, []);
  assert.equal(scene.rounds['1.1.5'].get.length, 1);
  assert.ok(scene.lines[0].figures.ours > 0);
  assert.match(bench('--from', file).stdout, /^await set, small object /m);
});
