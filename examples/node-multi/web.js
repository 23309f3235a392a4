'use strict';

const express = require('express');

const app = express();
app.disable('x-powered-by');

app.get('/', (request, response) => {
  response.type('text').send(`${process.env.GREETING ?? 'Hello'}, from ${process.env.DYNO ?? 'no dyno'}\n`);
});

// What the app was configured with. Of a secret, only whether it is there.
app.get('/config', (request, response) => {
  response.json({
    greeting: process.env.GREETING ?? null,
    tickSeconds: process.env.TICK_SECONDS ?? null,
    catalogueUrl: process.env.CATALOGUE_URL ?? null,
    sessionSecret: process.env.SESSION_SECRET ? 'set' : 'missing',
    nodeEnv: process.env.NODE_ENV ?? null,
  });
});

const port = Number(process.env.PORT);
if (!port) {
  console.error('PORT is not set: this is the web process of an app, start it with `dynosim up`');
  process.exit(1);
}

const server = app.listen(port, '0.0.0.0', (error) => {
  if (error) throw error;
  console.log(`web listens on ${port}`);
});

// Heroku's router keeps idle connections to a dyno for 90 s. A server that closes them earlier (Node: after 5 s) can do
// so just as a request is on its way.
server.keepAliveTimeout = 95_000;

// SIGTERM comes to every process of the dyno; SIGKILL follows 30 s later. Finish what is under way, take nothing new.
process.once('SIGTERM', () => {
  console.log('web stops: finishing open requests');
  server.close(() => process.exit(0));
});
