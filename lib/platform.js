'use strict';

// Which builds of the addon this process could load, by the names that their files and packages
// have: `linux-x64-gnu` stands for glibc, `linux-x64-musl` for Alpine and the like.

const fs = require('node:fs');

const ARCHITECTURES = ['x64', 'arm64'];

/** As people read it. */
const SUPPORTED = 'Linux, x64 or arm64, with glibc 2.17 or newer or musl';

/** @returns {string[]} empty where there is none; two where the libc cannot be found out */
function platforms() {
  const { platform, arch } = process;
  if (platform !== 'linux' || !ARCHITECTURES.includes(arch)) return [];
  return libcs().map((libc) => `${platform}-${arch}-${libc}`);
}

/** What this process runs on, for messages. */
function platformName() {
  const names = platforms();
  return names.length === 1 ? names[0] : `${process.platform}-${process.arch}`;
}

// musl is its own loader, and mapped under one of these names; glibc is libc.so.6. The report of Node
// knows the libc too, but takes longer, for it gathers much else.
function libcs() {
  try {
    const maps = fs.readFileSync('/proc/self/maps', 'latin1');
    return [/\/(ld-musl-.*|libc\.musl-.*|libc\.so)$/m.test(maps) ? 'musl' : 'gnu'];
  } catch {
    return ['gnu', 'musl'];
  }
}

module.exports = { SUPPORTED, platforms, platformName };
