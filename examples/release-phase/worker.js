'use strict';

let done = 0;
const work = () => console.log(`job ${++done} done`);

work();
const timer = setInterval(work, 5000);

process.once('SIGTERM', () => {
  clearInterval(timer); // nothing left to do: the process ends by itself, with status 0
  console.log(`worker stops after ${done} jobs`);
});
