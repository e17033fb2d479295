//! The time that training takes, on systems that have a clock.

use std::time::{Duration, Instant};

/// A moment; none where there is no clock, as in a browser without the system interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Option<Instant>);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self((!cfg!(all(target_family = "wasm", target_os = "unknown"))).then(Instant::now))
    }

    /// The time since it; 0 where there is no clock.
    pub fn elapsed(self) -> Duration {
        self.0.map_or(Duration::ZERO, |moment| moment.elapsed())
    }
}
