'use strict';

// A PM2 of its own for a test file: its folder, its daemon, the apps that run under it. Nothing of it
// is left when it has been ended, and nothing of what it does leaves this machine.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const PM2 = require.resolve('pm2/bin/pm2');
const APP = path.join(__dirname, 'pm2-app.js');
/** As far as tests go, nothing comes too late: PM2 is told to be patient. */
const PATIENT = { listen_timeout: 60_000, kill_timeout: 60_000, min_uptime: 0, max_restarts: 1000 };
const ENDINGS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const exit = () => process.exit(1);

/**
 * @typedef {import('./pm2-app.js').Job} Job
 * @typedef {{ name: string, pid: number, socket: string }} Process one that can be asked
 * @typedef {{ name: string, as?: string, instances?: number, env?: Record<string, string>,
 *   [option: string]: unknown }} App the options of an ecosystem file
 */

class Pm2 {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-pm2-'));
  home = path.join(this.folder, 'home');
  #ecosystems = 0;
  #hasEnded = false;
  #killAll = () => {
    // The daemon starts others for those that are killed, until it is dead itself.
    for (let i = 0; i < 10; i += 1) this.#processes().forEach(kill);
  };

  constructor() {
    fs.mkdirSync(this.home);
    // Else the first command would ask for news of PM2.
    fs.writeFileSync(path.join(this.home, 'touch'), '');
    // For a test that is ended before it could clean up.
    process.once('exit', this.#killAll);
    for (const signal of ENDINGS) process.once(signal, exit);
  }

  /**
   * Runs a command of PM2.
   * @param {string[]} args
   * @param {NodeJS.ProcessEnv} [env]
   * @returns {Promise<string>} what it prints
   */
  run(args, env) {
    const child = spawn(process.execPath, [PM2, ...args], {
      cwd: path.join(__dirname, '..'),
      env: {
        PATH: process.env.PATH,
        HOME: this.folder,
        PM2_HOME: this.home,
        PM2_NO_INTERACTION: 'true',
        PM2_DISABLE_VERSION_CHECK: 'true',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) resolve(output);
        else reject(new Error(`pm2 ${args.join(' ')}: ${code ?? signal}\n${output}${this.log()}`));
      });
    });
  }

  /**
   * Starts pm2-app.js as some apps, for as long as a test runs, and waits until all can be asked: by
   * their names, or what they are known as here.
   * @param {import('node:test').TestContext} context
   * @param {App[]} apps
   */
  async start(context, ...apps) {
    const names = new Set(apps.map(({ name }) => name));
    context.after(() => (this.#hasEnded ? undefined : this.run(['delete', ...names])));
    this.#ecosystems += 1;
    const file = path.join(this.folder, `ecosystem-${this.#ecosystems}.json`);
    const all = apps.map(({ as, ...app }) => ({
      script: APP,
      wait_ready: true,
      ...PATIENT,
      ...app,
      env: { TEST_FOLDER: this.folder, TEST_AS: as ?? app.name, ...app.env },
    }));
    fs.writeFileSync(file, JSON.stringify({ apps: all }));
    await this.run(['start', file]);
    for (const { name, as = name, instances = 1, env } of apps) {
      await this.running(as, instances * (1 + Number(env?.TEST_WORKERS ?? 0)));
    }
  }

  /**
   * Waits until an app has so many processes that can be asked.
   * @param {string} name
   * @param {number} instances
   * @returns {Promise<Process[]>}
   */
  async running(name, instances) {
    for (;;) {
      const found = this.processes(name);
      if (found.length === instances) return found;
      await sleep(20);
    }
  }

  /** Those that can be asked now. @param {string} name @returns {Process[]} */
  processes(name) {
    const isMine = new Set(this.#processes());
    return fs.readdirSync(this.folder).flatMap((file) => {
      const [, of, pid] = /^(.+)-(\d+)\.socket$/.exec(file) ?? [];
      if (of !== name || !isMine.has(Number(pid))) return [];
      return [{ name, pid: Number(pid), socket: path.join(this.folder, file) }];
    });
  }

  /**
   * Waits until PM2 has started others for processes that were killed.
   * @param {string} name
   * @param {number[]} killed their pids
   * @param {number} instances
   */
  async replaced(name, killed, instances) {
    for (;;) {
      const found = await this.running(name, instances);
      if (!found.some(({ pid }) => killed.includes(pid))) return found;
      await sleep(20);
    }
  }

  /** What all processes of an app have noted. @param {string} name @returns {number[]} */
  notesOf(name) {
    const isOf = new RegExp(`^${name}-\\d+\\.notes$`);
    const files = fs.readdirSync(this.folder).filter((file) => isOf.test(file));
    const texts = files.map((file) => fs.readFileSync(path.join(this.folder, file), 'latin1'));
    // What a kill cut off has no end of line.
    return texts.flatMap((text) => text.split('\n').slice(0, -1)).map(Number);
  }

  /** What PM2 and the apps have written. @param {RegExp} [isWanted] the names of files */
  log(isWanted = /\.log$/) {
    const logs = path.join(this.home, 'logs');
    const files = [this.home, logs].flatMap((folder) => {
      const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
      return names.filter((name) => isWanted.test(name)).map((name) => path.join(folder, name));
    });
    const texts = files.map((file) => [file, read(file)]);
    return texts.flatMap(([file, text]) => (text ? [`\n${file}:\n${text}`] : [])).join('');
  }

  /** What the apps had to complain about. */
  errors() {
    return this.log(/-error-\d+\.log$/);
  }

  /** Ends the daemon and its apps. All left when they were asked to, and none has complained. */
  async end() {
    await this.run(['kill']);
    this.#hasEnded = true;
    const left = await this.#leftAfter(5000);
    this.#killAll();
    process.removeListener('exit', this.#killAll);
    for (const signal of ENDINGS) process.removeListener(signal, exit);
    const [log, errors] = [this.log(), this.errors()];
    fs.rmSync(this.folder, { recursive: true, maxRetries: 5 });
    assert.deepEqual(left, [], `processes were left\n${log}`);
    assert.ok(!log.includes('sending SIGKILL'), `a process did not leave\n${log}`);
    assert.equal(errors, '');
  }

  /** The daemon says that it ends a little before it does. @param {number} patienceMs */
  async #leftAfter(patienceMs) {
    const deadline = Date.now() + patienceMs;
    while (this.#processes().length > 0 && Date.now() < deadline) await sleep(20);
    return this.#processes();
  }

  /** All processes of this PM2, the daemon too: those that were started with its home. */
  #processes() {
    const mark = `\0PM2_HOME=${this.home}\0`;
    const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.filter((pid) => `\0${read(`/proc/${pid}/environ`)}`.includes(mark)).map(Number);
  }
}

/** @param {string} file @returns {string} nothing, if it cannot be read */
function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Kills a process, if it is still there. @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}

/**
 * Has a process run a function, which sees nothing of the test but `input`.
 * @param {Process} where
 * @param {Job} job
 * @param {unknown} [input]
 * @returns {Promise<any>} what it gives, as JSON keeps it
 */
function ask({ socket: socketPath }, job, input) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method: 'POST', agent: false }, async (response) => {
      try {
        const { value, error } = JSON.parse(Buffer.concat(await response.toArray()).toString());
        if (error === undefined) resolve(value);
        else reject(Object.assign(new Error(), error));
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
    request.end(JSON.stringify({ source: String(job), input }));
  });
}

/**
 * Asks all.
 * @param {Process[]} all
 * @param {Job} job
 * @param {unknown} [input]
 */
const askAll = (all, job, input) => Promise.all(all.map((each) => ask(each, job, input)));

module.exports = { Pm2, ask, askAll, kill, APP };
