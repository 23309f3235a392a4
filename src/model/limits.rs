//! Every Heroku number that dynosim applies, once, each with its meaning and its row.

use std::time::Duration;

/// Web must bind `$PORT` within this of the `Starting process with command` line, else R10 (R5.2).
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// From SIGTERM to SIGKILL, else R12 (R5.3).
pub const EXIT_TIMEOUT: Duration = Duration::from_secs(30);
/// R14 and the metrics lines repeat at this pace (R5.7, R7).
pub const METRICS_INTERVAL: Duration = Duration::from_secs(20);
/// A dyno that has been up this long has "started correctly": its crash count is reset (R13#13).
pub const STARTED_CORRECTLY: Duration = Duration::from_secs(600);
/// Wait before the restart after the n-th crash in a row, n from 1; the last entry repeats (R5.5).
pub const CRASH_BACKOFF: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(20 * 60),
    Duration::from_secs(40 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(180 * 60),
    Duration::from_secs(320 * 60),
];
/// The same ladder in development: seconds, so that a fixed app is up again before its author looks (R5.5, last line).
pub const DEV_CRASH_BACKOFF: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// A dyno is restarted after this, and up to [`CYCLE_SPREAD_MINUTES`] more (R5.4).
pub const CYCLE: Duration = Duration::from_secs(24 * 3600);
/// Minutes by which dynos that started together are cycled apart (R5.4).
pub const CYCLE_SPREAD_MINUTES: u32 = 216;
/// With preboot, how much longer than the boot time old dynos go on when the new ones do not come up (R5.6).
pub const PREBOOT_WINDOW: Duration = Duration::from_secs(120);
/// Dynos of an app, all process types together (R11).
pub const DYNOS_PER_APP: u32 = 100;
/// A release command is ended after this (R9).
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(3600);
/// A release command that runs this long is noticed and explained (R1.6): many a release image starts the web server.
pub const RELEASE_NOTICE: Duration = Duration::from_secs(20);
/// Config vars: names and values of one app together, in bytes (R8, R13#8).
pub const CONFIG_BYTES: usize = 65_536;
/// A log line is cut into pieces of this many bytes (R7).
pub const LOG_LINE_BYTES: usize = 10_000;
/// App names (R11).
pub const APP_NAME_CHARS: usize = 30;
/// Images with more layers than this may fail to start (R1.2).
pub const IMAGE_LAYERS: usize = 40;
/// `$PORT` is drawn from this range; real values look uniform in about 2000–60000 (R5.2).
pub const PORTS: std::ops::RangeInclusive<u16> = 2_048..=59_999;
/// User ids are drawn from this range (R1.5, R14 of the sheet's notes).
pub const UIDS: std::ops::RangeInclusive<u32> = 10_000..=59_999;
/// Group id of the group `dyno`; the number is not documented.
pub const DYNO_GID: u32 = 1_000;
/// One-off and release dynos are numbered with four digits (R5.1).
pub const ONE_OFF_NUMBERS: std::ops::RangeInclusive<u32> = 1_000..=9_999;
/// The first deploy of an app is v3: v1 and v2 are made with the app (R6.2).
pub const FIRST_DEPLOY: u64 = 3;

/// Router: TCP connect to a dyno, per attempt (§7).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Router: whole connect phase with queueing and quarantine, else H20 or H99 (§7).
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(75);
/// Router: first response byte after the whole request was sent, else H12 (§7).
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30);
/// Router: rolling window after the first byte, else H15; also for upgraded connections (§7).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// Router: client must send its request head within this (§7).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Router: idle client connection between requests (§7).
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// Router: idle pooled connection to a dyno (§7).
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Router: a dyno that refused or did not answer a connect is not tried for this long (§12).
pub const QUARANTINE: Duration = Duration::from_secs(5);
/// Router: connect attempts per request at the most (§12).
pub const CONNECT_ATTEMPTS: usize = 10;
/// Router: in-flight requests per running web dyno, else H11 (§12).
pub const IN_FLIGHT_PER_DYNO: usize = 200;
