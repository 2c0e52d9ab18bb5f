'use strict';

// Numbers as people read them, and time.

/** @param {number} number */
const whole = (number) => Math.round(number).toLocaleString('en');

/** A number with three digits that say something, and its unit. @param {number} ns */
function time(ns) {
  const [size, unit] = ns < 1e3 ? [1, 'ns'] : ns < 1e6 ? [1e3, 'us'] : [1e6, 'ms'];
  const scaled = ns / size;
  return `${scaled.toFixed(unit === 'ns' || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2)} ${unit}`;
}

/** @param {number} ms */
const seconds = (ms) => (ms / 1000).toFixed(1);

/** @type {(number: number, one: string, many?: string) => string} */
const counted = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;

/** @type {(part: number, whole: number) => string} */
const share = (part, all) => `${((100 * part) / Math.max(1, all)).toFixed(1)} %`;

/** @param {number} ms @returns {Promise<void>} */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A clock that all processes of the machine share. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

module.exports = { counted, nowMs, seconds, share, sleep, time, whole };
