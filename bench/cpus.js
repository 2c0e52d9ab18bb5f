'use strict';

// Which CPU a process runs on. The primary has CPU 0 and the workers the others in turn, from CPU 1
// on, so that on two CPUs every other worker shares the primary's.

const { spawnSync } = require('node:child_process');
const os = require('node:os');

const COUNT = os.cpus().length;

/**
 * Pins all threads of a process, and with them those that it makes later.
 * @param {number | undefined} pid
 * @param {number} cpu
 * @returns {boolean} whether that worked
 */
function pin(pid, cpu) {
  const { status } = spawnSync('taskset', ['-a', '-c', '-p', String(cpu % COUNT), String(pid)]);
  return status === 0;
}

/**
 * The CPUs of some workers: the others than the primary's, in turn.
 * @param {number} count
 */
const spread = (count) => Array.from({ length: count }, (_, index) => index + 1);

/**
 * The CPUs of some workers that share two.
 * @param {number} count
 */
const onTwo = (count) => Array.from({ length: count }, (_, index) => (index + 1) % 2);

module.exports = { pin, spread, onTwo };
