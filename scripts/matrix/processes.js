'use strict';

// Processes of the matrix: tools that are waited for, and runs with a watchdog.

const { execFileSync, spawn } = require('node:child_process');

/** @type {(program: string, args: string[], cwd?: string) => string} */
function output(program, args, cwd) {
  return execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/**
 * What a program wrote, and what was wrong with how it ended.
 * @type {(program: string, args: string[], options: { cwd: string, timeoutMs: number }) =>
 *   Promise<{ text: string, problem?: string }>}
 */
function watch(program, args, { cwd, timeoutMs }) {
  // A group of its own, so that the watchdog ends the workers too.
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
  }
  return new Promise((resolve, reject) => {
    let isLate = false;
    const watchdog = setTimeout(() => {
      isLate = true;
      process.kill(-Number(child.pid), 'SIGKILL');
    }, timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watchdog);
      if (isLate) resolve({ text, problem: `did not end within ${timeoutMs / 1000} s` });
      else resolve({ text, problem: code === 0 ? undefined : `ended with ${code ?? signal}` });
    });
  });
}

module.exports = { output, watch };
