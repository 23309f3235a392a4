'use strict';

const http = require('node:http');

const port = Number(process.env.PORT);
if (!port) {
  console.error('PORT is not set: this is the web process of an app, start it with `dynosim up`');
  process.exit(1);
}

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`Hello from ${process.env.DYNO ?? 'no dyno'}\n`);
});

// Heroku's router keeps idle connections for 90 s: the server must not be the first to close them.
server.keepAliveTimeout = 95_000;
server.listen(port, '0.0.0.0', () => console.log(`web listens on ${port}`));

process.once('SIGTERM', () => server.close(() => process.exit(0)));
