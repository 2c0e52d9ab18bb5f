'use strict';

// The load of the second act, in a process of its own: visitors who ask for pages over keep-alive
// connections and check each answer. It shares no memory with the cluster: what it knows, it knows
// by HTTP.

const http = require('node:http');
const { isDeepStrictEqual } = require('node:util');
const { createHistogram } = require('node:perf_hooks');
const { NEW_SESSION, PAGES, textOf, visited } = require('./pages.js');
const { nothingYet } = require('./seen.js');
const { sleep } = require('./words.js');

const CONNECTIONS = 32;
const VISITORS = 64;
/** A new connection may lead to another worker. */
const REQUESTS_PER_CONNECTION = 200;
const PATIENCE_MS = 5000;
/** A kill may cut off what was asked for before it, or so soon after it. */
const CUT_MS = 1000;
/** The pause is looked for in so long a time after a kill. */
const PAUSE_MS = 1000;
const AFTER_CUT_MS = 50;
const TELL_MS = 200;

const port = Number(process.env.PORT);

/** What they have seen; the primary gets a copy now and then. */
const seen = nothingYet();
const times = createHistogram();
/** Whether a number was given, by the number. */
let given = new Uint8Array(2 ** 16);
let lastAnswer = performance.now();
let killedAt = -Infinity;
let isOver = false;

/** @param {string} problem */
function wrong(problem) {
  seen.wrong += 1;
  if (seen.problems.length < 5) seen.problems.push(problem);
}

/** Each request has a number of its own. @param {number} number */
function take(number) {
  if (number >= given.length) {
    const longer = new Uint8Array(2 * number);
    longer.set(given);
    given = longer;
  }
  if (given[number] === 1) wrong(`the number ${number} was given twice`);
  given[number] = 1;
  seen.highest = Math.max(seen.highest, number);
}

/** @type {(agent: http.Agent, path: string, name: string) => Promise<any>} */
function ask(agent, path, name) {
  return new Promise((resolve, reject) => {
    const headers = { cookie: `session=${name}` };
    const options = { host: '127.0.0.1', port, path, agent, headers, timeout: PATIENCE_MS };
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(body));
        else reject(new Error(`${path}: ${response.statusCode} ${body}`));
      });
    });
    const late = Object.assign(new Error(`no answer in ${PATIENCE_MS} ms`), { code: 'ETIMEDOUT' });
    request.on('timeout', () => request.destroy(late));
    request.on('error', reject);
  });
}

class Visitor {
  #name;
  /**
   * What the session may be: one state, but after a request that was cut off, which may have been
   * carried out or not.
   */
  #possible = [NEW_SESSION];

  /** @param {number} index */
  constructor(index) {
    this.#name = `visitor${index}`;
  }

  /** @param {http.Agent} agent */
  async visit(agent) {
    // Some pages are asked for much more often than others.
    const page = Math.floor(PAGES * Math.random() ** 6);
    const after = this.#possible.map((session) => visited(session, page));
    const started = performance.now();
    try {
      const { number, session, text } = await ask(agent, `/page/${page}`, this.#name);
      this.#note(started);
      take(number);
      if (text !== textOf(page)) wrong(`page ${page} says: ${text}`);
      this.#expect(session, after);
      this.#possible = [session];
    } catch (error) {
      this.#possible.push(...after);
      // An answer that is an error has no code: that is never due to a kill.
      const isCut = started - killedAt < CUT_MS && /** @type {any} */ (error).code !== undefined;
      if (isCut) seen.cut += 1;
      else wrong(String(error));
      await sleep(AFTER_CUT_MS);
    }
  }

  /** Reads the session back, from whichever worker answers. @param {http.Agent} agent */
  async readBack(agent) {
    this.#expect(await ask(agent, '/session', this.#name), this.#possible);
    seen.sessions += 1;
  }

  /** @param {number} started */
  #note(started) {
    const now = performance.now();
    times.record(Math.max(1, Math.round((now - started) * 1e6)));
    if (now - killedAt < PAUSE_MS) seen.pauseMs = Math.max(seen.pauseMs, now - lastAnswer);
    lastAnswer = now;
    seen.answered += 1;
  }

  /** @type {(session: unknown, possible: unknown[]) => void} */
  #expect(session, possible) {
    if (possible.some((each) => isDeepStrictEqual(each, session))) return;
    wrong(`${this.#name}: ${JSON.stringify(session)}, not ${JSON.stringify(possible)}`);
  }
}

const visitors = Array.from({ length: VISITORS }, (_, index) => new Visitor(index));

/** One connection; each of its requests is the next visitor's. */
async function connection() {
  while (!isOver) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < REQUESTS_PER_CONNECTION && !isOver; i += 1) {
      const visitor = /** @type {Visitor} */ (waiting.shift());
      await visitor.visit(agent);
      waiting.push(visitor);
    }
    agent.destroy();
  }
}
const waiting = [...visitors];

async function readBack() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const readings = visitors.map((visitor) => visitor.readBack(agent));
  for (const { reason } of /** @type {any[]} */ (await Promise.allSettled(readings))) {
    if (reason) wrong(String(reason));
  }
  agent.destroy();
}

/** @param {{ isLast?: boolean, knows?: boolean }} [more] */
function tell(more) {
  if (times.count > 0)
    Object.assign(seen, { p50Ns: times.percentile(50), p99Ns: times.percentile(99) });
  process.send?.({ ...seen, ...more });
}

async function main() {
  const timer = setInterval(tell, TELL_MS);
  process.on('message', (order) => {
    if (order === 'kill') {
      killedAt = performance.now();
      tell({ knows: true });
    }
    if (order === 'stop') isOver = true;
  });
  process.on('disconnect', () => process.exit());
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  await readBack();
  clearInterval(timer);
  tell({ isLast: true });
}

main();
