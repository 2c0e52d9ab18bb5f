'use strict';

// How much memory and how many processors the process may use: what the machine has, or less if a
// control group says so. Node before 20 does not see the limits of a version 2 group, and reports
// nonsense where there is none, so the files are read here as well.

const fs = require('node:fs');
const os = require('node:os');

/** @typedef {(path: string) => string} Read */

/** @type {Read} */
const readFile = (path) => fs.readFileSync(path, 'latin1');

/**
 * The least of all limits that are known.
 * @param {{ total?: number, constrained?: number, read?: Read }} [sources]
 * @returns {number} bytes
 */
function usableMemory({
  total = os.totalmem(),
  constrained = process.constrainedMemory?.() ?? 0,
  read = readFile,
} = {}) {
  const files = [
    ...groupFiles(read, 'memory.max'),
    ...oldGroupFiles(read, 'memory', 'memory.limit_in_bytes'),
  ];
  // 'max' (no limit) becomes NaN, which is no candidate.
  const limits = files.map((path) => Number.parseInt(readOr(path, read), 10));
  return Math.min(total, ...[constrained, ...limits].filter((limit) => limit > 0));
}

/**
 * How many may be used at a time.
 * @param {{ processors?: number, read?: Read }} [sources]
 */
function usableProcessors({ processors = os.cpus().length, read = readFile } = {}) {
  // Version 2: '200000 100000' is time for two processors, 'max 100000' for all.
  const shares = groupFiles(read, 'cpu.max').map((path) => {
    const [quota, period] = readOr(path, read).split(' ').map(Number);
    return quota / period;
  });
  const quotas = oldGroupFiles(read, 'cpu', 'cpu.cfs_quota_us').map((path) => {
    const period = path.replace('cfs_quota_us', 'cfs_period_us');
    return Number(readOr(path, read)) / Number(readOr(period, read));
  });
  const limits = [...shares, ...quotas].filter((limit) => limit > 0).map(Math.ceil);
  return Math.max(1, Math.min(processors, ...limits));
}

/** @type {(path: string, read: Read) => string} */
function readOr(path, read, otherwise = '') {
  try {
    return read(path);
  } catch {
    return otherwise;
  }
}

/**
 * A file of the version 2 groups: of the whole container, and of the process's own group.
 * @type {(read: Read, file: string) => string[]}
 */
function groupFiles(read, file) {
  const own = groups(read).filter(({ controllers }) => controllers === '');
  return [`/sys/fs/cgroup/${file}`, ...own.map(({ group }) => `/sys/fs/cgroup${group}/${file}`)];
}

/**
 * The same for version 1, where each controller has groups of its own.
 * @type {(read: Read, controller: string, file: string) => string[]}
 */
function oldGroupFiles(read, controller, file) {
  const folder = `/sys/fs/cgroup/${controller}`;
  const own = groups(read).filter(({ controllers }) => controllers.split(',').includes(controller));
  return [`${folder}/${file}`, ...own.map(({ group }) => `${folder}${group}/${file}`)];
}

/** The groups that the process is in. @param {Read} read */
function groups(read) {
  return readOr('/proc/self/cgroup', read)
    .split('\n')
    .map((line) => line.split(':', 3))
    .filter(([, , group]) => group)
    .map(([, controllers, group]) => ({ controllers, group }));
}

module.exports = { usableMemory, usableProcessors };
