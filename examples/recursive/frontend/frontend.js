'use strict';

// On Heroku a process type other than web gets no $PORT and no traffic: a front end that browsers are to reach is an app of
// its own, or is served by web. This one renders its page now and then, as a background process can.
const fs = require('node:fs');

const page = fs.readFileSync(`${__dirname}/index.html`, 'utf8');
const render = () => console.log(`rendered ${page.length} characters in ${process.env.DYNO ?? 'no dyno'}`);

render();
const timer = setInterval(render, 5000);

process.once('SIGTERM', () => clearInterval(timer));
