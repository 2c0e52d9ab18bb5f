'use strict';

// Goes through all keys while some come and go: those that stay are to be met exactly once, the others
// at most once.

const { keysWhere } = require('../keys.js');
const { brief, outcomeOfError } = require('../operator.js');
const { OP, OUTCOME } = require('../records.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */

const [ALL] = keysWhere(({ kind }) => kind === 'scans');
const STAYING = 400;
/** So many come and go: the table grows from round to round. */
const PASSING = 4000;
const SPACE = 'soak';

/** @type {(round: number) => string} */
const stays = (round) => `${round}:stays `;
/** @type {(round: number) => string} */
const passes = (round) => `${round}:passes `;

/** The keys of a round that are there all the while. @type {(memory: any, round: number) => void} */
function setStaying(memory, round) {
  if (typeof memory.keys !== 'function') return;
  for (const { sync } of [memory, memory.namespace(SPACE)]) {
    for (let i = 0; i < STAYING; i += 1) sync.set(`${stays(round)}${i}`, i);
  }
}

/** @type {(memory: any, round: number) => void} */
function clearScanned(memory, round) {
  if (typeof memory.keys !== 'function') return;
  for (const { sync } of [memory, memory.namespace(SPACE)]) {
    for (const prefix of [stays(round), passes(round)]) sync.removeMany(sync.keys({ prefix }));
  }
}

/** @param {{ pauseMs: number }} pace */
function actOnScans({ pauseMs }) {
  return async (/** @type {Task} */ task) => {
    const { memory, random } = task;
    if (typeof memory.keys !== 'function') return;
    while (!task.resting) {
      const space = random.chance(0.5) ? memory : memory.namespace(SPACE);
      await task.undisturbed(() =>
        random.chance(0.3) ? scan(task, space) : comeAndGo(task, space),
      );
      await pause(random, pauseMs);
    }
  };
}

/** @type {(task: Task, space: any) => Promise<void>} */
async function comeAndGo({ random, recorder, round }, space) {
  const names = Array.from({ length: 20 }, () => `${passes(round)}${random.integer(1, PASSING)}`);
  try {
    if (random.chance(0.5)) await space.setMany(names.map((name) => [name, name]));
    else await space.removeMany(names);
  } catch (error) {
    if (outcomeOfError(error) === OUTCOME.WRONG) recorder.note(`many keys: ${brief(error)}`);
  }
}

/** @type {(task: Task, space: any) => Promise<void>} */
async function scan(task, space) {
  const { random, recorder, round } = task;
  const options = random.pick([undefined, { prefix: `${round}:` }, { prefix: stays(round) }]);
  const form = random.chance(0.3) ? space.sync : space;
  const isEntries = random.chance(0.5);
  const seq = recorder.call(OP.SCAN, ALL);
  const called = recorder.now();
  try {
    const met = new Map();
    for await (const one of isEntries ? form.entries(options) : form.keys(options)) {
      const key = isEntries ? one[0] : one;
      met.set(key, (met.get(key) ?? 0) + 1);
      if (isEntries) checkEntry(task, one);
    }
    recorder.returned(seq, called, recorder.now(), OUTCOME.OK);
    check(task, met);
  } catch (error) {
    const outcome = outcomeOfError(error);
    recorder.returned(seq, called, recorder.now(), outcome);
    if (outcome === OUTCOME.WRONG) recorder.note(`a scan failed: ${brief(error)}`);
  }
}

/** @type {(task: Task, entry: [string, unknown]) => void} */
function checkEntry({ recorder, round }, [key, value]) {
  const isPassing = key.startsWith(passes(round));
  const isStaying = key.startsWith(stays(round));
  const right = isPassing ? value === key : !isStaying || key === `${stays(round)}${value}`;
  if (!right) recorder.note(`a scan gave "${key}" with ${brief(value)}`);
}

/** @type {(task: Task, met: Map<string, number>) => void} */
function check({ recorder, round }, met) {
  const twice = [...met].filter(([, times]) => times > 1);
  if (twice.length > 0) recorder.note(`a scan gave ${twice.length} keys twice: "${twice[0][0]}"`);
  const missing = Array.from({ length: STAYING }, (_, i) => `${stays(round)}${i}`).filter(
    (key) => !met.has(key),
  );
  if (missing.length > 0) {
    recorder.note(`a scan of ${met.size} keys missed ${missing.length}: "${missing[0]}"`);
  }
}

module.exports = { actOnScans, clearScanned, setStaying };
