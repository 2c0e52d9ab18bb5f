'use strict';

// Reads the history of a round from its folder, and joins the records of each call.

const fs = require('node:fs');
const path = require('node:path');
const { RECORD_BYTES, PHASE, OUTCOME, MARK, isOfValue } = require('./records.js');

/**
 * @typedef {object} Call
 * @property {string} member worker.thread
 * @property {number} seq
 * @property {number} op
 * @property {number} key
 * @property {number} argument
 * @property {number} [expected]
 * @property {number} call time
 * @property {number} ret time; of a lost call, the death of its thread
 * @property {boolean} lost
 * @property {number} outcome
 * @property {number} value
 * @property {number} enqueued time; of a LOCK; NaN if not known
 */

/** @typedef {{ key: number, seq: number, what: number, time: number, value: number }} Mark */

/**
 * What is known of a thread of a process. It did something last no later than `lastAt`, and it lived
 * (and was attached) at least until `livedUntil`.
 * @typedef {object} Member
 * @property {string} name
 * @property {number} worker
 * @property {number} thread
 * @property {Map<number, Call>} calls by seq
 * @property {Mark[]} marks
 * @property {number} livedUntil Infinity if it outlived the round
 * @property {number} lastAt
 */

/**
 * What the primary did to a worker, or saw of it.
 * @typedef {{ worker: number, what: string, time: number }} Fault
 */

/**
 * @typedef {object} History
 * @property {Member[]} members
 * @property {Fault[]} faults
 * @property {string[]} notes what a thread itself found wrong
 * @property {string[]} said by the logger
 */

/** @param {string} folder @returns {History} */
function readHistory(folder) {
  const files = fs.readdirSync(folder).sort();
  const members = files.filter((name) => name.endsWith('.bin')).map((name) => read(folder, name));
  const faults = /** @type {Fault[]} */ (lines(path.join(folder, 'faults.jsonl')));
  for (const member of members) bound(member, members, faults);
  return {
    members,
    faults,
    notes: texts(folder, files, '.notes'),
    said: texts(folder, files, '.said'),
  };
}

/** @type {(folder: string, name: string) => Member} */
function read(folder, name) {
  const [worker, thread] = name.split('.').map(Number);
  /** @type {Member} */
  const member = {
    name: `${worker}.${thread}`,
    worker,
    thread,
    calls: new Map(),
    marks: [],
    livedUntil: Number.POSITIVE_INFINITY,
    lastAt: Number.POSITIVE_INFINITY,
  };
  const bytes = fs.readFileSync(path.join(folder, name));
  // A last record that is not whole was being written when the process was killed: its call was not
  // made yet.
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) take(member, bytes, at);
  return member;
}

/** @type {(member: Member, bytes: Buffer, at: number) => void} */
function take(member, bytes, at) {
  const phase = bytes[at];
  const kind = bytes[at + 1];
  const key = bytes.readUInt16LE(at + 2);
  const seq = bytes.readUInt32LE(at + 4);
  const first = bytes.readDoubleLE(at + 8);
  const second = bytes.readDoubleLE(at + 16);
  const third = bytes.readDoubleLE(at + 24);
  if (phase === PHASE.CALL) begin(member, { op: kind, key, seq, call: first }, second, third);
  else if (phase === PHASE.RETURN) end(member, kind, seq, first, second, third);
  else if (kind === MARK.ENQUEUED) {
    const call = member.calls.get(seq);
    if (call) call.enqueued = first;
  } else member.marks.push({ key, seq, what: kind, time: first, value: second });
}

/** @type {(member: Member, head: { op: number, key: number, seq: number, call: number }, argument: number, expected: number) => void} */
function begin({ name, calls }, head, argument, expected) {
  calls.set(head.seq, {
    member: name,
    ...head,
    argument,
    expected,
    ret: Number.POSITIVE_INFINITY,
    lost: true,
    outcome: 0,
    value: 0,
    enqueued: Number.NaN,
  });
}

/** @type {(member: Member, outcome: number, seq: number, called: number, returned: number, value: number) => void} */
function end({ calls }, outcome, seq, called, returned, value) {
  const call = calls.get(seq);
  if (call === undefined) return;
  call.call = called;
  call.ret = returned;
  call.lost = false;
  call.outcome = outcome;
  call.value = value;
}

/**
 * Finds the ends of a member, and gives them to its lost calls.
 * @type {(member: Member, members: Member[], faults: Fault[]) => void}
 */
function bound(member, members, faults) {
  const { worker, thread } = member;
  const main = members.find((each) => each.worker === worker && each.thread === 0);
  const ofWorker = faults.filter((fault) => fault.worker === worker);
  /** @type {(what: number, value?: number) => number[]} */
  const marked = (what, value = 0) =>
    (main?.marks ?? [])
      .filter((mark) => mark.what === what && mark.value === value)
      .map(({ time }) => time);
  /** @param {string} what */
  const seen = (what) => ofWorker.filter((each) => each.what === what).map(({ time }) => time);
  const ended = [...seen('exit'), ...(thread > 0 ? marked(MARK.ENDED, thread) : [])];
  member.lastAt = Math.min(...ended);
  const begun = [
    ...seen('kill'),
    ...marked(MARK.EXITING),
    ...(thread > 0 ? marked(MARK.TERMINATING, thread) : []),
    ...member.marks.filter(({ what }) => what === MARK.CLOSING).map(({ time }) => time),
  ];
  // An end that nobody began is a failure, and told as one.
  if (begun.length === 0 && ended.length > 0) begun.push(lastRecorded(member));
  member.livedUntil = Math.min(...begun);
  for (const call of member.calls.values()) {
    if (call.lost) call.ret = member.lastAt;
  }
}

/** @param {Member} member */
function lastRecorded({ calls, marks }) {
  let last = 0;
  for (const { call, ret, lost } of calls.values()) last = Math.max(last, lost ? call : ret);
  for (const { time } of marks) last = Math.max(last, time);
  return last;
}

/** @type {(folder: string, files: string[], extension: string) => string[]} */
function texts(folder, files, extension) {
  return files
    .filter((name) => name.endsWith(extension))
    .flatMap((name) =>
      lines(path.join(folder, name)).map((text) => `${name.slice(0, -extension.length)}: ${text}`),
    );
}

/** @param {string} file @returns {any[]} */
function lines(file) {
  if (!fs.existsSync(file)) return [];
  const all = fs.readFileSync(file, 'utf8').split('\n');
  // What stands behind the last end of a line was being written when the process was killed.
  return all.slice(0, -1).map((line) => JSON.parse(line));
}

/** The calls on each key that took effect, or may have. @param {History} history */
function callsByKey({ members }) {
  /** @type {Map<number, Call[]>} */
  const byKey = new Map();
  for (const { calls } of members) {
    for (const call of calls.values()) {
      if (!isOfValue(call.op) || isUndone(call)) continue;
      // Nobody knows what a call did that gave something wrong.
      if (call.outcome === OUTCOME.WRONG) call.lost = true;
      const others = byKey.get(call.key);
      if (others) others.push(call);
      else byKey.set(call.key, [call]);
    }
  }
  return byKey;
}

/** @param {Call} call */
function isUndone({ lost, outcome }) {
  return !lost && (outcome === OUTCOME.BUSY || outcome === OUTCOME.CLOSED);
}

module.exports = { readHistory, callsByKey, isUndone };
