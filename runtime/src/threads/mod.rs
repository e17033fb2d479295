//! The work of a function on several cores: feature `threads`.
//!
//! A kernel whose arguments can be divided ([`Divide`]) becomes as many kernels as there are threads. Each computes the
//! units that are its own, in the order in which the whole would: the number of threads changes no bit of the result.
//! Without the feature there is one thread, and `run` is [`Simd::run`].

mod divide;
#[cfg(feature = "threads")]
mod pool;

#[cfg(feature = "threads")]
use core::sync::atomic::{AtomicUsize, Ordering};

pub use divide::{Divide, First, Part, Taps, Units, positions, positions_mut};

use crate::element::Element;
use crate::simd::{Kernel, Simd};

/// How many threads kernels are run on, with the one that calls.
///
/// Where there is a value with a count, its threads have been started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    #[cfg(feature = "threads")]
    count: usize,
}

/// What [`Threads::cap`] was told; 0 until then.
#[cfg(feature = "threads")]
static CAP: AtomicUsize = AtomicUsize::new(0);

/// What [`Threads::fix`] was told; 0 until then.
#[cfg(feature = "threads")]
static FIXED: AtomicUsize = AtomicUsize::new(0);

impl Threads {
    /// As many threads as the variable `NNC_THREADS` says, else [`Threads::cap`], else as many as the machine runs at
    /// once; those that are not there yet are started.
    ///
    /// A value of `NNC_THREADS` that is no number from 1 on is passed over.
    pub fn detect() -> Self {
        #[cfg(feature = "threads")]
        return Self::up_to(wanted());
        #[cfg(not(feature = "threads"))]
        Self {}
    }

    /// Sets the number of threads for all models made from now on, which may be more than the machine runs at once.
    /// 0 stands for as many as that.
    pub fn cap(count: usize) {
        #[cfg(feature = "threads")]
        CAP.store(count, Ordering::Relaxed);
        #[cfg(not(feature = "threads"))]
        let _ = count;
    }

    /// [`Threads::cap`], whatever the environment says: for the command, which has looked there. Returns how many threads
    /// models have from now on.
    pub(crate) fn fix(count: usize) -> usize {
        #[cfg(feature = "threads")]
        FIXED.store(count, Ordering::Relaxed);
        Self::up_to(count).count()
    }

    /// `count` threads, at least 1 and at most 256, and fewer where the system does not start as many. Without the
    /// feature `threads` it is one.
    pub fn up_to(count: usize) -> Self {
        #[cfg(feature = "threads")]
        return Self { count: 1 + pool::start(count.clamp(1, pool::MOST) - 1) };
        #[cfg(not(feature = "threads"))]
        {
            let _ = count;
            Self {}
        }
    }

    /// How many they are, with the one that calls.
    #[inline(always)]
    pub fn count(self) -> usize {
        #[cfg(feature = "threads")]
        return self.count;
        #[cfg(not(feature = "threads"))]
        1
    }

    /// Runs a kernel of `units` units of work, in as many parts as there are threads, but no more than units. The sizes
    /// of parts differ by a unit at most, and the first ones are the larger.
    ///
    /// The kernel runs whole, on the thread that calls, where other threads have nothing to do with it: with one thread
    /// or one unit, while another caller has them, and within a part.
    ///
    /// # Panics
    /// When a part panics, after all of them have ended, and with the panic of the first that did.
    #[inline(always)]
    pub fn run<E, K>(self, simd: Simd, units: usize, kernel: K)
    where
        E: Element,
        K: Kernel<E, Output = ()> + Divide + Send,
    {
        #[cfg(feature = "threads")]
        if self.count > 1 && units > 1 {
            return pool::run(self.count, simd, units, kernel);
        }
        #[cfg(not(feature = "threads"))]
        let _ = units;
        simd.run(kernel);
    }
}

/// The number of threads that a model has.
#[cfg(feature = "threads")]
fn wanted() -> usize {
    let of_environment = std::env::var("NNC_THREADS").ok().and_then(|count| count.trim().parse().ok());
    [Some(FIXED.load(Ordering::Relaxed)), of_environment, Some(CAP.load(Ordering::Relaxed))]
        .into_iter()
        .flatten()
        .find(|count| *count > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get))
}
