'use strict';

// Takes the locks of guarded keys, by getLock and by mutex, and counts under them.

const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');
const { keysWhere, keyName } = require('../keys.js');
const { brief, outcomeOfError } = require('../operator.js');
const { MARK, OP, OUTCOME } = require('../records.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */

const GUARDED = keysWhere(({ kind }) => kind === 'guarded');
/** The later ones are wanted seldom, so that locks which nobody waits for are taken too. */
const WANTED = /** @type {const} */ ([
  [6, GUARDED[0]],
  [3, GUARDED[1]],
  [1, GUARDED[2]],
]);
const RELEASES = 20;

/** @param {{ pauseMs: number }} pace */
function actOnLocks({ pauseMs }) {
  return async (/** @type {Task} */ task) => {
    if (typeof task.memory.getLock !== 'function') return;
    while (!task.resting) {
      const key = task.random.weigh(WANTED);
      const take = task.random.chance(0.5) ? byMutex : byLock;
      await task.undisturbed(() => take(task, key));
      await pause(task.random, pauseMs);
    }
  };
}

/** @type {(task: Task, key: number) => Promise<void>} */
async function byLock(task, key) {
  const { memory, recorder, random, round } = task;
  const name = keyName(round, key);
  const seq = recorder.call(OP.LOCK, key);
  const called = recorder.now();
  /** @type {unknown} */
  let told;
  const callback = random.chance(0.2) ? (/** @type {unknown} */ id) => (told = id) : undefined;
  const request = memory.getLock(name, callback);
  recorder.mark(MARK.ENQUEUED, key, seq);
  let id;
  try {
    id = await request;
  } catch (error) {
    refused(task, seq, called, error);
    return;
  }
  recorder.returned(seq, called, recorder.now(), OUTCOME.OK);
  if (typeof id !== 'string') recorder.note(`getLock gave ${brief(id)}`);
  if (random.chance(0.1)) await expectRefusal(task, name, `not ${id}`);
  await section(task, key);
  await release(task, key, seq, id);
  if (random.chance(0.1)) await expectRefusal(task, name, id);
  if (!callback) return;
  await turn();
  if (told !== id) recorder.note(`getLock told its callback ${brief(told)}, not ${id}`);
}

/** @type {(task: Task, key: number, lock: number, id: string) => Promise<void>} */
async function release({ memory, recorder, round }, key, lock, id) {
  for (let tries = 1; ; tries += 1) {
    const seq = recorder.call(OP.RELEASE, key, lock);
    const called = recorder.now();
    try {
      const result = await memory.releaseLock(keyName(round, key), id);
      recorder.returned(seq, called, recorder.now(), OUTCOME.OK);
      if (result !== 'OK') recorder.note(`releaseLock of a held lock gave ${brief(result)}`);
      return;
    } catch (error) {
      const outcome = outcomeOfError(error);
      recorder.returned(seq, called, recorder.now(), outcome);
      if (outcome === OUTCOME.WRONG) recorder.note(`releaseLock failed: ${brief(error)}`);
      if (outcome !== OUTCOME.BUSY || tries === RELEASES) return;
    }
  }
}

/** @type {(task: Task, name: string, id: string) => Promise<void>} */
async function expectRefusal({ memory, recorder }, name, id) {
  try {
    const result = await memory.releaseLock(name, id);
    if (result === `Failed. LockId:${id} does not match ${name}'s lockId.`) return;
    recorder.note(`releaseLock with a wrong id gave ${brief(result)}`);
  } catch (error) {
    if (outcomeOfError(error) === OUTCOME.WRONG) recorder.note(`releaseLock: ${brief(error)}`);
  }
}

/** @type {(task: Task, key: number) => Promise<void>} */
async function byMutex(task, key) {
  const { memory, recorder, random, round } = task;
  const seq = recorder.call(OP.LOCK, key);
  const called = recorder.now();
  const failure = random.chance(0.1) ? new Error('as planned') : undefined;
  let granted = false;
  const releasing = { seq: 0, called: 0 };
  const request = memory.mutex(keyName(round, key), async () => {
    granted = true;
    recorder.returned(seq, called, recorder.now(), OUTCOME.OK);
    await section(task, key);
    releasing.seq = recorder.call(OP.RELEASE, key, seq);
    releasing.called = recorder.now();
    if (failure) throw failure;
    return seq;
  });
  recorder.mark(MARK.ENQUEUED, key, seq);
  try {
    const result = await request;
    if (result !== seq || failure) recorder.note(`mutex gave ${brief(result)}, not ${seq}`);
  } catch (error) {
    if (!granted) refused(task, seq, called, error);
    else if (error !== failure) mutexFailed(task, error);
  }
  if (releasing.seq === 0) return;
  recorder.returned(releasing.seq, releasing.called, recorder.now(), OUTCOME.OK);
}

/** @type {(task: Task, error: unknown) => void} */
function mutexFailed({ recorder }, error) {
  if (outcomeOfError(error) === OUTCOME.WRONG) recorder.note(`mutex failed: ${brief(error)}`);
}

/** A lock that was not granted. @type {(task: Task, seq: number, called: number, error: unknown) => void} */
function refused({ recorder }, seq, called, error) {
  const outcome = outcomeOfError(error);
  recorder.returned(seq, called, recorder.now(), outcome);
  if (outcome === OUTCOME.WRONG) recorder.note(`a lock was not granted: ${brief(error)}`);
}

/**
 * What is done under a lock: the key is read and set to one more. Who holds one lock asks only for
 * later ones, so nobody waits in a circle.
 * @type {(task: Task, key: number) => Promise<void>}
 */
async function section(task, key) {
  const { operator, random } = task;
  const count = await operator.surely({ op: OP.GET, key, argument: 0 });
  if (random.chance(0.2)) await sleep(random.integer(0, 3));
  const later = GUARDED.filter((each) => each > key);
  if (later.length > 0 && random.chance(0.05)) await byLock(task, random.pick(later));
  await operator.surely({ op: OP.SET, key, argument: count + 1 });
}

module.exports = { actOnLocks };
