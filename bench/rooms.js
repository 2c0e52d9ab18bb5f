'use strict';

// A room of a peer: an empty folder where files are memory, if there is such a place. What a peer
// makes beside it has a name that begins with the room's.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const MEMORY = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();

const makeRoom = () => fs.mkdtempSync(path.join(MEMORY, 'bench-'));

/** @param {string} room */
function removeRoom(room) {
  const name = path.basename(room);
  for (const each of fs.readdirSync(MEMORY).filter((file) => file.startsWith(name))) {
    fs.rmSync(path.join(MEMORY, each), { recursive: true, force: true });
  }
}

module.exports = { makeRoom, removeRoom };
