'use strict';

// What PM2 is to run: the shop of app.js, in several processes, on one port.

module.exports = {
  apps: [
    {
      name: 'shop',
      script: `${__dirname}/app.js`,
      exec_mode: 'cluster',
      instances: 3,
      // A process is replaced when the next one has said that it is ready.
      wait_ready: true,
      // For what it is doing when it is asked to leave.
      kill_timeout: 10_000,
    },
  ],
};
