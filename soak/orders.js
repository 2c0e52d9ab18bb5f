'use strict';

// Orders and answers between a process and its worker, or a worker and its thread.

/** Sends orders to one receiver, and hears its answers. */
class Desk {
  #send;
  #next = 1;
  /** @type {Map<number, (answer: any) => void>} */
  #waiting = new Map();

  /** @param {(message: object) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** Gives the answer; undefined if the receiver ended before. @type {(name: string, details?: object) => Promise<any>} */
  order(name, details = {}) {
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ soak: 'order', id, name, details });
    });
  }

  /** @param {any} message */
  hear(message) {
    if (message?.soak !== 'answer') return;
    this.#waiting.get(message.id)?.(message.answer);
    this.#waiting.delete(message.id);
  }

  /** The receiver has ended. */
  gone() {
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }
}

/**
 * Carries out orders.
 * @param {{ on(event: 'message', listener: (message: any) => void): unknown }} source
 * @param {(message: object) => void} send
 * @param {Record<string, (details: any) => unknown>} duties
 */
function serve(source, send, duties) {
  source.on('message', async (message) => {
    if (message?.soak !== 'order') return;
    const answer = await duties[message.name](message.details);
    send({ soak: 'answer', id: message.id, answer });
  });
}

module.exports = { Desk, serve };
