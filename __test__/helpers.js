'use strict';

// Runs a small program in processes of its own, so that a test has a real primary, real workers and
// real threads. What the functions of a program are given stands in program.js.

const { spawn } = require('node:child_process');
const path = require('node:path');
const v8 = require('node:v8');

const PROGRAM = path.join(__dirname, 'program.js');
const ROOT = path.join(__dirname, '..');

/**
 * @typedef {import('./program.js').Job} Job
 * @typedef {{ primary: Job, worker?: Job, thread?: Job, [name: string]: Job | undefined }} Program
 * @typedef {{ env?: NodeJS.ProcessEnv, input?: unknown, timeoutMs?: number }} RunOptions
 */

/**
 * The functions of a program see nothing of the test but `input`. Rejects when the program fails,
 * or does not end by itself in time.
 * @param {Program} program
 * @param {RunOptions} [options]
 * @returns {Promise<any[]>} what the processes said, in order
 */
async function run(program, { env, input, timeoutMs = 60_000 } = {}) {
  const sources = Object.entries(program).map(([role, job]) => [role, String(job)]);
  const { output } = await runNode([PROGRAM], {
    timeoutMs,
    env: {
      ...env,
      TEST_PROGRAM: JSON.stringify(Object.fromEntries(sources)),
      TEST_INPUT: v8.serialize(input).toString('base64'),
    },
  });
  const lines = output.split('\n').filter((line) => line !== '');
  return lines.map((line) => v8.deserialize(Buffer.from(line, 'base64')));
}

/**
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, timeoutMs?: number, cwd?: string }} [options]
 * @returns {Promise<{ output: string, errors: string }>}
 */
function runNode(args, { env, timeoutMs = 60_000, cwd = ROOT } = {}) {
  // A group of its own, so that the watchdog ends the workers too.
  const child = spawn(process.execPath, args, {
    cwd,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('latin1').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve, reject) => {
    const watchdog = setTimeout(() => {
      errors += `\nThe watchdog ended the program after ${timeoutMs} ms.`;
      process.kill(-Number(child.pid), 'SIGKILL');
    }, timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watchdog);
      if (code === 0) resolve({ output, errors });
      else reject(new Error(`The program ended with ${code ?? signal}.\n${errors}`));
    });
  });
}

module.exports = { run, runNode };
