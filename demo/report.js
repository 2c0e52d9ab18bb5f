'use strict';

// What was counted in each act, and at the end what was lost and how fast it was.

const os = require('node:os');
const { PROCESSES } = require('./counting.js');
const { CACHED, PAGES } = require('./pages.js');
const { counted, seconds, share, time, whole } = require('./words.js');

/** @typedef {import('./counting.js').Counted} Counted */
/** @typedef {import('./serving.js').Served} Served */
/** @typedef {import('./speed.js').Speeds} Speeds */
/** @typedef {{ counting: Counted, serving: Served, speeds: Speeds }} Acts */

/**
 * A process that is killed after it has counted and before it has noted so is one ahead.
 * @param {Counted} act
 */
function countingText({ expected, counted: sum, noted, kills, ms }) {
  const all = `${whole(sum)} by ${PROCESSES} processes in ${seconds(ms)} s`;
  return [
    `  counted    ${all}, ${kills === 0 ? 'none' : kills} of them killed`,
    ...(sum > noted && noted === expected
      ? [
          `             (${whole(sum - noted)} more: counted, not yet noted by the one that was killed)`,
        ]
      : []),
  ];
}

/** @param {Served} act */
function servingText({ seen, counted: requests, made, notices, kills }) {
  const unanswered = requests - seen.answered;
  return [
    `  requests   ${whole(seen.answered)} answered, ${whole(requests)} counted under a mutex`,
    `  cut off    ${counted(seen.cut, 'request')} by ${counted(kills, 'kill')}, ${whole(unanswered)} of them already counted`,
    `  sessions   ${whole(seen.sessions)} read back by HTTP and compared with what was written`,
    `  notices    ${whole(notices)} sent to every worker, their order checked by each`,
    `  LRU cache  ${whole(CACHED)} of ${whole(PAGES)} pages; ${share(requests - made, requests)} of the requests found theirs`,
  ];
}

/** @param {Acts} acts */
function speedText({ serving, speeds }) {
  const { seen, ms } = serving;
  const { get, set, mutex, workers, lengthMs } = speeds;
  return [
    row('', 'a second', 'half within', '99 % within', ''),
    timed('HTTP request', rate(seen.answered, ms), seen, 'all of the above in each'),
    timed('notice', '', serving.notice, 'from set to every worker'),
    timed('sync.get', '', get, `${workers} workers get one object`),
    timed('sync.set', '', set, 'each sets one of its own'),
    timed('mutex', rate(mutex.count, lengthMs), mutex, 'one lock, get and set in it'),
    seen.pauseMs === 0
      ? '  No worker was killed under load.'
      : `  When a worker was killed, no answer came for ${seen.pauseMs.toFixed(0)} ms at most.`,
  ];
}

/** @type {(name: string, aSecond: string, times: { p50Ns: number, p99Ns: number }, note: string) => string} */
const timed = (name, aSecond, { p50Ns, p99Ns }, note) =>
  row(name, aSecond, time(p50Ns), time(p99Ns), note);

/** @type {(name: string, ...cells: [string, string, string, string]) => string} */
const row = (name, aSecond, half, most, note) =>
  `  ${name.padEnd(12)}${aSecond.padStart(9)}${half.padStart(13)}${most.padStart(13)}  ${note}`.trimEnd();

/** @type {(count: number, ms: number) => string} */
const rate = (count, ms) => whole(count / (ms / 1000));

/**
 * Everything that is not as it must be.
 * @param {Acts} acts
 * @returns {string[]}
 */
function problemsOf({ counting, serving, speeds }) {
  const { expected, counted: sum, noted, kills } = counting;
  const { seen, counted: requests, inOrder } = serving;
  const right = {
    [`${whole(noted)} of ${whole(expected)} counts were noted`]: noted === expected,
    [`${whole(noted)} noted counts are ${whole(sum)} in the sum`]:
      sum >= noted && sum <= noted + kills,
    [`${whole(seen.answered)} requests were answered, ${whole(requests)} counted, ${seen.cut} cut off`]:
      requests >= seen.answered && requests <= seen.answered + seen.cut,
    [`a request was number ${seen.highest} of ${requests}`]: seen.highest <= requests,
    'not every worker heard every notice in order': inOrder,
    [`${speeds.mutex.count} turns of a mutex counted to ${speeds.turns}`]:
      speeds.mutex.count === speeds.turns,
    [`${seen.wrong} answers were wrong`]: seen.wrong === 0,
  };
  const wrong = Object.entries(right).filter(([, isRight]) => !isRight);
  return [...wrong.map(([text]) => text), ...seen.problems];
}

/** @param {Acts} acts @returns {{ lines: string[], isRight: boolean }} */
function report(acts) {
  const problems = problemsOf(acts);
  const { model = 'processor' } = os.cpus()[0] ?? {};
  const isRight = problems.length === 0;
  const lines = [
    '',
    `How fast, on ${os.cpus().length} x ${model.trim().slice(0, 40)}, Node.js ${process.version}`,
    ...speedText(acts),
    '',
    isRight
      ? 'Lost: nothing. Every count, every session and every notice is there.'
      : `SOMETHING IS WRONG:\n${problems.map((text) => `  ${text}`).join('\n')}`,
  ];
  return { lines, isRight };
}

module.exports = { countingText, report, servingText };
