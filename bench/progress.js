'use strict';

// How far the bench is: on a terminal in one line that is written over, else in a line for each
// scenario. On standard error, so that the table alone can be kept.

const { stderr } = process;

class Progress {
  #count;
  #begun = 0;
  #head = '';
  #from = performance.now();

  /** @param {number} count of scenarios */
  constructor(count) {
    this.#count = count;
  }

  /** @param {string} title */
  begin(title) {
    this.#begun += 1;
    const width = String(this.#count).length;
    this.#head = `[${String(this.#begun).padStart(width)}/${this.#count}] ${title}`;
    if (!stderr.isTTY) stderr.write(`${this.#head}\n`);
  }

  /** @param {string} text */
  tell(text) {
    const seconds = Math.round((performance.now() - this.#from) / 1000);
    const line = [this.#head, text, `${seconds} s`].filter((part) => part !== '').join(', ');
    if (stderr.isTTY) stderr.write(`\r\x1b[K${line.slice(0, (stderr.columns || 80) - 1)}`);
  }

  /** Makes room for something else. */
  clear() {
    if (stderr.isTTY) stderr.write('\r\x1b[K');
  }
}

module.exports = { Progress };
