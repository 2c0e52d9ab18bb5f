'use strict';

// Random numbers that cost next to nothing, in a sequence that each process begins elsewhere
// (xorshift32).

let state = process.pid;

/** A whole number from 0 on, below a bound. @param {number} bound */
function random(bound) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 1) % bound;
}

module.exports = { random };
