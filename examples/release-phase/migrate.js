'use strict';

// Like a real migration this may run any number of times. FAIL_MIGRATION=1 shows what a failed one leads to.
console.log(`migrating in ${process.env.DYNO ?? 'no dyno'}`);
if (process.env.FAIL_MIGRATION) {
  console.error('the migration fails, as it was asked to');
  process.exit(1);
}
console.log('migrated');
