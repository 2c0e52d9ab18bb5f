'use strict';

// The clock that all processes of a machine share, and what is measured with it.

const fs = require('node:fs');

/** How many steps at most are done between two looks at the clock. */
const LONGEST_STRIDE = 1024;
/** Steps are done in strides that take about this long, so that looking costs nothing. */
const STRIDE_MS = 0.1;

/** In ms; the same moment has the same time in every process. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** @type {(ms: number) => Promise<void>} */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @type {(from: number) => Promise<void>} */
const sleepUntil = (from) => sleep(Math.max(0, from - now()));

/**
 * Does a step again and again for a time, one after the other.
 * @param {() => unknown} step what it returns is awaited
 * @param {number} ms
 * @returns {Promise<{ done: number, ms: number }>}
 */
async function repeat(step, ms) {
  const from = now();
  let done = 0;
  let stride = 1;
  let before = from;
  for (;;) {
    for (let i = 0; i < stride; i += 1) await step();
    done += stride;
    const after = now();
    if (after - from >= ms) return { done, ms: after - from };
    if (after - before < STRIDE_MS && stride < LONGEST_STRIDE) stride *= 2;
    before = after;
  }
}

/**
 * Does a loop again and again for a time. Next to what such loops do, a call through a variable for
 * each step would count, so they are given whole.
 * @param {(calls: number) => void} loop
 * @param {number} ms
 * @returns {number} ns a call
 */
function repeatLoop(loop, ms) {
  const from = now();
  let done = 0;
  let stride = 1;
  let before = from;
  for (;;) {
    loop(stride);
    done += stride;
    const after = now();
    if (after - from >= ms) return ((after - from) * 1e6) / done;
    if (after - before < STRIDE_MS) stride *= 2;
    before = after;
  }
}

/** For how long the main thread was ready to run and had no CPU, in ms; 0 where nobody counts. */
function waitedForCpu() {
  try {
    return Number(fs.readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Lets nothing else run in this process until a time. @param {number} until */
function block(until) {
  while (now() < until);
}

module.exports = { now, sleep, sleepUntil, repeat, repeatLoop, waitedForCpu, block };
