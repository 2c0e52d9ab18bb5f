'use strict';

// What is seen while the demo runs: on a terminal some lines that are written over again and again,
// by log-update; elsewhere a plain line now and then. Whatever is kept stays above them.

const PLAIN_MS = 1000;

/** @typedef {{ (text: string): void, clear(): void, done(): void }} Writer */

class Screen {
  #writer;
  #shownAt = -Infinity;

  /** @param {Writer | undefined} writer */
  constructor(writer) {
    this.#writer = writer;
  }

  static async open() {
    const { stdout, env } = process;
    if (!stdout.isTTY || env.TERM === 'dumb' || env.CI) return new Screen(undefined);
    // It is a module for import only. Without it the lines are plain.
    const writer = await import('log-update').catch(() => undefined);
    return new Screen(writer?.default);
  }

  /**
   * How it stands now.
   * @param {string[]} lines for a terminal
   * @param {string} plain the same in one line
   */
  show(lines, plain) {
    if (this.#writer) {
      const { columns = 80, rows = 24 } = process.stdout;
      const fitting = lines.slice(0, rows - 1).map((line) => line.slice(0, columns - 1));
      this.#writer(fitting.join('\n'));
    } else if (performance.now() - this.#shownAt >= PLAIN_MS) {
      this.#shownAt = performance.now();
      console.log(plain);
    }
  }

  /** @param {string[]} lines that stay */
  keep(...lines) {
    this.#writer?.clear();
    for (const line of lines) console.log(line);
  }

  /** Gives the cursor back; what is shown stays. */
  close() {
    this.#writer?.done();
  }
}

module.exports = { Screen };
