'use strict';

// Do all listeners hear of each change, once, in the one true order?
//
// The primary listens to every watched key from before its first change until after its last, so
// what it heard is the order of all changes. That it is the true one is decided by the checker of
// linearizability, which is told to take it. What anybody else heard must then be a piece of it:
// without gaps, unless the logger said that some were skipped. Where there is no primary, the order is
// pieced together of what the others heard (witness.js).

const { KEYS } = require('../keys.js');
const { check } = require('../linearizability.js');
const { witnessed } = require('../models.js');
const { MARK, OP, OUTCOME } = require('../records.js');
const { describeVerdict } = require('../words.js');
const { disagreement } = require('./agreement.js');
const { Order } = require('./order.js');
const { pieceTogether } = require('./witness.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {import('../history.js').Member} Member */
/** @typedef {{ member: string, key: number, heard: number, read: number }} Look */

const PRIMARY = '0.0';
/** After one message of what was skipped, the logger waits for so long before the next (lib/news.js). */
const QUIET_NS = 1e9;

/**
 * @typedef {object} Listening
 * @property {string} member
 * @property {number} key
 * @property {number} from time at which listen() was called
 * @property {number} since time at which it returned
 * @property {boolean} whole whether it was listened to the end
 * @property {number[]} heard codes
 * @property {number} skipped how many changes this member was told to have missed, all keys together;
 *   Infinity if it died before it can have been told all
 */

/** @type {(members: Member[], byKey: Map<number, Call[]>) => import('./values.js').Findings} */
function checkListeners(members, byKey) {
  const listenings = members.flatMap(listeningsOf);
  const figures = { notices: 0, skipped: 0, witnessed: 0, unwitnessed: 0, undecided: 0 };
  for (const { heard } of listenings) figures.notices += heard.length;
  for (const member of members) figures.skipped += toldOf(member);
  const looks = members.flatMap(looksOf);
  const violations = [];
  for (const witness of witnessesOf(listenings, byKey)) {
    const calls = byKey.get(witness.key) ?? [];
    const others = listenings.filter((each) => each.key === witness.key && each !== witness);
    if (witness.skipped > 0) {
      figures.unwitnessed += 1;
      violations.push(...disagreement([witness, ...others], calls));
    } else {
      figures.witnessed += 1;
      violations.push(...checkKey(witness, { others, calls, looks, figures }));
    }
  }
  return { violations, figures };
}

/**
 * Who knows the order of all changes, for each key that was listened to. One that has skipped some
 * knows it in part.
 * @type {(listenings: Listening[], byKey: Map<number, Call[]>) => Listening[]}
 */
function witnessesOf(listenings, byKey) {
  const primary = listenings.filter(({ member }) => member === PRIMARY);
  if (primary.length > 0) return primary;
  return [...new Set(listenings.map(({ key }) => key))].map((key) => {
    const ofKey = listenings.filter((each) => each.key === key);
    const nobody = { ...ofKey[0], heard: [], skipped: 1 };
    return pieceTogether(ofKey, byKey.get(key) ?? []) ?? nobody;
  });
}

/** @param {Member} member @returns {Listening[]} */
function listeningsOf(member) {
  const skipped = skippedOf(member);
  /** @type {Map<number, number[]>} */
  const heardBy = new Map();
  const ended = new Set();
  /** @type {Listening[]} */
  const listenings = [];
  for (const { seq, key, op, argument, call, ret, outcome } of member.calls.values()) {
    if (op === OP.UNLISTEN) ended.add(argument);
    if (op !== OP.LISTEN || outcome !== OUTCOME.OK) continue;
    /** @type {number[]} */
    const heard = [];
    heardBy.set(seq, heard);
    const whole = member.livedUntil === Number.POSITIVE_INFINITY;
    listenings.push({ member: member.name, key, from: call, since: ret, whole, heard, skipped });
  }
  for (const { what, seq, value } of member.marks) {
    if (what === MARK.NOTICE) heardBy.get(seq)?.push(value);
  }
  let i = 0;
  for (const seq of heardBy.keys()) {
    if (ended.has(seq)) listenings[i].whole = false;
    i += 1;
  }
  return listenings;
}

/** What listeners read when they had heard something. @param {Member} member @returns {Look[]} */
function looksOf({ name, marks, calls }) {
  return marks
    .filter(({ what }) => what === MARK.LOOKED)
    .flatMap(({ key, seq, value }) => {
      const get = calls.get(seq);
      if (get?.outcome !== OUTCOME.VALUE) return [];
      return [{ member: name, key, heard: value, read: get.value }];
    });
}

/** @param {Member} member */
function skippedOf(member) {
  const { marks, livedUntil } = member;
  const last = marks.filter(({ what }) => what === MARK.SKIPPED).at(-1);
  return last !== undefined && livedUntil - last.time < QUIET_NS
    ? Number.POSITIVE_INFINITY
    : toldOf(member);
}

/** @param {Member} member */
function toldOf({ marks }) {
  const told = marks.filter(({ what }) => what === MARK.SKIPPED);
  return told.reduce((sum, { value }) => sum + value, 0);
}

/** @type {(witness: Listening, rest: { others: Listening[], calls: Call[], looks: Look[], figures: Record<string, number> }) => string[]} */
function checkKey(witness, { others, calls, looks, figures }) {
  const { key } = witness;
  const changes = [0, ...witness.heard];
  const verdict = check(calls, witnessed(changes));
  if (!verdict.legal) {
    const who = witness.member === PRIMARY ? 'listener in the primary' : 'listeners';
    const what = `not what its ${who} heard`;
    const position = verdict.states[0] ?? 0;
    const near = changes.slice(Math.max(0, position - 3), position + 5).join(', ');
    return [`${describeVerdict(what, key, calls, verdict)}\n  heard near there: ${near}`];
  }
  if (!verdict.decided) figures.undecided += 1;
  else if (!verdict.states.includes(changes.length - 1)) {
    const [at] = verdict.states;
    return [`"${KEYS[key].name}": a listener heard of changes that nobody made, from ${at} on`];
  }
  const order = new Order(changes, calls);
  return [
    ...others.flatMap((listening) => order.refuse(listening)),
    ...looks.filter((look) => look.key === key).flatMap((look) => order.refuseLook(look)),
  ];
}

module.exports = { checkListeners };
