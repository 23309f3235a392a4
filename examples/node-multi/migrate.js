'use strict';

// The release phase: runs once per release, before any dyno of it starts. A status other than 0 keeps the release from
// going live. There is no database here, so the steps only say what they would do; like real migrations they may be run
// any number of times.
const steps = ['create table visits', 'add index visits_by_day', 'remove column visits.browser'];

console.log(`migrating in ${process.env.DYNO ?? 'no dyno'}`);
steps.forEach((step, index) => console.log(`migration ${index + 1}/${steps.length}: ${step}`));
console.log('migrated');
