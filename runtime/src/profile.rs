//! The time that each function of a model takes, for `nnc bench --by-layer` and `nnc train --profile`.
//!
//! In a build with `--cfg nnc_profile`, [`Simd::run`](crate::Simd::run) looks at the clock before and behind every kernel.
//! A pass makes the same calls in the same order whenever it runs, so that a call is known by its number in the pass:
//! layers of blocks that share a function are told apart. One model is looked at at a time; other builds have nothing of
//! this but the entries of [`Profile`], which do nothing.
//!
//! Measured on a virtual core of an AMD EPYC: the counter of the processor takes 14 ns, with a fence before it 28 ns,
//! `std::time::Instant` 44 ns. A call needs one of each, so that its time costs some 40 ns rather than 88 ns.
#![cfg_attr(any(nnc_profile, test), allow(unsafe_code))]

/// What a library has to say of the time of its functions, as plain functions.
///
/// A tick is the unit of [`Profile::clock`]; how long it is, comparison with another clock tells.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Begins anew, for passes of so many calls: call `n` is added to place `n % places`.
    pub begin: extern "C" fn(usize),
    /// The ticks of the calls at a place, since it was begun.
    pub ticks: extern "C" fn(usize) -> u64,
    /// Calls since it was begun.
    pub calls: extern "C" fn() -> u64,
    /// The clock.
    pub clock: extern "C" fn() -> u64,
    /// Runs so many kernels that do nothing, to see what taking the time of a call takes.
    pub idle: extern "C" fn(u64),
}

/// Places of calls. A pass of more is not watched (E0502).
pub const PLACES: usize = 1 << 14;

#[cfg(not(nnc_profile))]
mod entries {
    use super::Profile;

    impl Profile {
        /// What this build has.
        pub const OF_BUILD: Self =
            Self { begin: ignore, ticks: none, calls: no_calls, clock: no_calls, idle };
    }

    extern "C" fn ignore(_: usize) {}

    extern "C" fn none(_: usize) -> u64 {
        0
    }

    extern "C" fn no_calls() -> u64 {
        0
    }

    extern "C" fn idle(_: u64) {}
}

#[cfg(nnc_profile)]
mod entries {
    use super::{Profile, recorder};
    use crate::lanes::Lanes;
    use crate::simd::{Kernel, Simd};

    impl Profile {
        /// What this build has.
        pub const OF_BUILD: Self = Self { begin, ticks, calls, clock, idle };
    }

    extern "C" fn begin(places: usize) {
        recorder::begin(places);
    }

    extern "C" fn ticks(place: usize) -> u64 {
        recorder::ticks(place)
    }

    extern "C" fn calls() -> u64 {
        recorder::calls()
    }

    extern "C" fn clock() -> u64 {
        recorder::now()
    }

    extern "C" fn idle(calls: u64) {
        struct Nothing;

        impl Kernel<f32> for Nothing {
            type Output = ();

            fn run<L: Lanes<Elem = f32>>(self) {}
        }

        let simd = Simd::detect();
        (0..calls).for_each(|_| simd.run(Nothing));
    }
}

#[cfg(any(nnc_profile, test))]
pub use recorder::timed;

#[cfg(any(nnc_profile, test))]
mod recorder {
    use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::PLACES;

    // One thread runs the model: plain loads and stores, which atomics without order are, are enough.
    static TICKS: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];
    static CALLS: AtomicU64 = AtomicU64::new(0);
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static USED: AtomicUsize = AtomicUsize::new(PLACES);

    /// Runs something and adds its time to the place whose turn it is.
    #[inline(always)]
    pub fn timed<T>(call: impl FnOnce() -> T) -> T {
        let started = at_start();
        let out = call();
        add(now().wrapping_sub(started));
        out
    }

    fn add(ticks: u64) {
        let place = NEXT.load(Ordering::Relaxed);
        let Some(sum) = TICKS.get(place) else { return };
        sum.store(sum.load(Ordering::Relaxed).wrapping_add(ticks), Ordering::Relaxed);
        let next = if place + 1 < USED.load(Ordering::Relaxed) { place + 1 } else { 0 };
        NEXT.store(next, Ordering::Relaxed);
        CALLS.store(CALLS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn begin(places: usize) {
        let places = places.clamp(1, PLACES);
        USED.store(places, Ordering::Relaxed);
        TICKS.iter().take(places).for_each(|sum| sum.store(0, Ordering::Relaxed));
        NEXT.store(0, Ordering::Relaxed);
        CALLS.store(0, Ordering::Relaxed);
    }

    pub fn ticks(place: usize) -> u64 {
        TICKS.get(place).map_or(0, |sum| sum.load(Ordering::Relaxed))
    }

    pub fn calls() -> u64 {
        CALLS.load(Ordering::Relaxed)
    }

    /// The clock before a function: what comes before it has been waited for by the look behind that.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn at_start() -> u64 {
        // SAFETY: every x86-64 has the instruction.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn at_start() -> u64 {
        now()
    }

    /// The counter of the processor, which has a steady pace on all that have AVX2. What stands before in the program
    /// is done when it is read: else the end of one function would be counted to the next.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn now() -> u64 {
        use core::arch::x86_64::{_mm_lfence, _rdtsc};

        // SAFETY: every x86-64 has both instructions.
        unsafe {
            _mm_lfence();
            _rdtsc()
        }
    }

    /// Nanoseconds since the first look.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn now() -> u64 {
        extern crate std;

        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        FIRST.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::recorder::{begin, calls, now, ticks, timed};

    #[test]
    fn calls_are_counted_to_their_places() {
        begin(3);
        let wait = |least: u64| {
            timed(|| {
                let started = now();
                while now().wrapping_sub(started) < least {}
                least
            })
        };
        // Two passes, and the beginning of a third.
        let made: Vec<u64> = [1000, 20_000, 3000, 1000, 20_000, 3000, 1000].map(wait).to_vec();
        assert_eq!(made.len() as u64, calls());
        let least = [3000, 40_000, 6000];
        for (place, least) in least.into_iter().enumerate() {
            assert!(ticks(place) >= least, "{place}: {} ticks", ticks(place));
        }
        assert_eq!(ticks(3), 0, "no call has this place");
        begin(2);
        assert_eq!((calls(), ticks(0), ticks(1)), (0, 0, 0), "it begins anew");
    }
}
