//! Wall time for stamps, and the one source of chance. Deadlines use `tokio::time`, never this.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tokio::time::Instant;

/// Hands out wall-clock stamps and random numbers; clone freely.
#[derive(Clone)]
pub struct Clock {
    anchor: Option<(OffsetDateTime, Instant)>,
    chance: Arc<Mutex<StdRng>>,
}

impl Clock {
    /// The machine's clock, seeded by the machine.
    pub fn system() -> Self {
        Self { anchor: None, chance: Arc::new(Mutex::new(StdRng::from_rng(&mut rand::rng()))) }
    }

    /// A clock that starts at `start` and moves with tokio's time, so that stamps in paused tests are stable.
    /// Must be called inside a tokio runtime.
    pub fn anchored(start: OffsetDateTime, seed: u64) -> Self {
        Self { anchor: Some((start, Instant::now())), chance: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    /// Now, in UTC.
    #[allow(clippy::disallowed_methods, reason = "the one place where wall time is read")]
    pub fn now(&self) -> OffsetDateTime {
        match self.anchor {
            None => OffsetDateTime::from(std::time::SystemTime::now()),
            Some((start, origin)) => start + origin.elapsed(),
        }
    }

    /// The same time, and chance of its own: who asks often need not wait for others who do.
    #[must_use]
    pub fn apart(&self) -> Self {
        let chance = self.with_chance(StdRng::from_rng);
        Self { anchor: self.anchor, chance: Arc::new(Mutex::new(chance)) }
    }

    /// Milliseconds since the Unix epoch, as `X-Request-Start` wants them (§5).
    pub fn unix_millis(&self) -> i128 {
        self.now().unix_timestamp_nanos() / 1_000_000
    }

    /// A number of the range, uniformly.
    pub fn random<T>(&self, range: RangeInclusive<T>) -> T
    where
        T: rand::distr::uniform::SampleUniform + PartialOrd,
    {
        self.with_chance(|rng| rng.random_range(range))
    }

    /// Sixteen random bytes.
    pub fn random_bytes(&self) -> [u8; 16] {
        self.with_chance(RngExt::random)
    }

    /// `n` hex digits.
    pub fn random_hex(&self, n: usize) -> String {
        let mut out = String::with_capacity(n + 32);
        while out.len() < n {
            for byte in self.random_bytes() {
                let _ = write!(out, "{byte:02x}");
            }
        }
        out.truncate(n);
        out
    }

    fn with_chance<T>(&self, f: impl FnOnce(&mut StdRng) -> T) -> T {
        let mut rng = self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        f(&mut rng)
    }
}

/// Heroku's stamp: RFC 3339 with microseconds and `+00:00` (R7): `2026-11-21T03:08:15.123456+00:00`, 32 bytes.
pub fn stamp(at: OffsetDateTime) -> String {
    let t = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use super::{Clock, stamp};
    use std::time::Duration;
    use time::macros::datetime;

    #[tokio::test(start_paused = true)]
    async fn an_anchored_clock_moves_with_paused_time() {
        let clock = Clock::anchored(datetime!(2026-11-21 03:08:15.123456 UTC), 7);
        assert_eq!(stamp(clock.now()), "2026-11-21T03:08:15.123456+00:00");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(stamp(clock.now()), "2026-11-21T03:09:15.123456+00:00");
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_numbers() {
        let start = datetime!(2026-01-01 00:00 UTC);
        let (a, b) = (Clock::anchored(start, 1), Clock::anchored(start, 1));
        assert_eq!(a.random_hex(12), b.random_hex(12));
        assert!((2048..=59_999).contains(&a.random(2048..=59_999u16)));
    }
}
