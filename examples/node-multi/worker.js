'use strict';

const seconds = Number(process.env.TICK_SECONDS ?? 5);
if (!(seconds > 0)) {
  console.error(`TICK_SECONDS must be a number above 0, not ${JSON.stringify(process.env.TICK_SECONDS)}`);
  process.exit(1);
}

let count = 0;
const tick = () => console.log(`tick ${++count}`);

console.log(`worker started: one line every ${seconds} s`);
tick();
const timer = setInterval(tick, seconds * 1000);

process.once('SIGTERM', () => {
  clearInterval(timer); // nothing left to do: the process ends by itself, with status 0
  console.log(`worker stops after ${count} ticks`);
});
