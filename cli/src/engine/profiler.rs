//! The time that the functions of a compiled model take.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nnc_runtime::Error;
use nnc_runtime::profile::{PLACES, Profile};

use super::library::Library;

/// Which calls of a model are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Training steps.
    Steps,
    /// Predictions.
    Predictions,
}

/// What calls of a model took, in ticks of [`Profiler::seconds_per_tick`].
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Calls of the model: steps, or predictions.
    pub passes: u64,
    /// Their samples.
    pub samples: u64,
    /// In all.
    pub ticks: u64,
    /// Of each function of a pass, in order.
    pub functions: Vec<u64>,
    /// How often each of them was called.
    pub counts: Vec<u64>,
}

impl Times {
    /// None yet, of so many functions.
    fn of(functions: usize) -> Self {
        Self { functions: vec![0; functions], counts: vec![0; functions], ..Self::default() }
    }

    /// Adds others, of the same functions.
    pub fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.samples += other.samples;
        self.ticks += other.ticks;
        self.functions.resize(self.functions.len().max(other.functions.len()), 0);
        self.counts.resize(self.functions.len(), 0);
        self.functions.iter_mut().zip(&other.functions).for_each(|(sum, ticks)| *sum += ticks);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }
}

/// What it takes to take the time of one function, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// In all.
    pub ticks: f64,
    /// The part of it that is counted as the function's.
    pub within: f64,
}

/// Takes the time of a model's functions; a model and who asks share one.
#[derive(Debug, Clone)]
pub struct Profiler(Rc<State>);

#[derive(Debug)]
struct State {
    profile: Profile,
    /// What holds its functions.
    _library: Rc<Library>,
    watched: RefCell<Option<Watched>>,
    times: RefCell<Times>,
    /// When it was made, by both clocks.
    made: (Instant, u64),
}

impl Profiler {
    /// That of a library, which was compiled for it.
    pub(super) fn new(library: Rc<Library>) -> Self {
        let profile = library.table().profile;
        let made = (Instant::now(), (profile.clock)());
        let (watched, times) = Default::default();
        Self(Rc::new(State { profile, _library: library, watched, times, made }))
    }

    /// From now on looks at these calls, each of so many functions.
    ///
    /// # Errors
    /// E0502 for more functions than there are places for.
    pub fn watch(&self, watched: Watched, functions: usize) -> Result<(), Error> {
        if functions > PLACES {
            let message = format!("the model calls {functions} functions, the time of {PLACES} can be taken");
            return Err(Error::new("E0502", message));
        }
        self.0.watched.replace(Some(watched));
        self.0.times.replace(Times::of(functions));
        Ok(())
    }

    /// What was taken since it began to watch, or since the last time.
    pub fn take(&self) -> Times {
        let mut times = self.0.times.borrow_mut();
        let none = Times::of(times.functions.len());
        std::mem::replace(&mut times, none)
    }

    /// Runs a call of the model with so many samples, and looks at it if it is watched.
    pub(super) fn time<T>(&self, call: Watched, samples: usize, run: impl FnOnce() -> T) -> T {
        if *self.0.watched.borrow() != Some(call) {
            return run();
        }
        let profile = self.0.profile;
        let places = self.0.times.borrow().functions.len();
        (profile.begin)(places);
        let started = (profile.clock)();
        let out = run();
        let ticks = (profile.clock)().wrapping_sub(started);
        let times = &mut *self.0.times.borrow_mut();
        times.passes += 1;
        times.samples += samples as u64;
        times.ticks += ticks;
        let calls = (profile.calls)();
        let (rounds, rest) = (calls / places.max(1) as u64, calls % places.max(1) as u64);
        for (n, (sum, count)) in times.functions.iter_mut().zip(&mut times.counts).enumerate() {
            *sum += (profile.ticks)(n);
            *count += rounds + u64::from((n as u64) < rest);
        }
        out
    }

    /// How long a tick is: by the clock of the system, since this was made.
    pub fn seconds_per_tick(&self) -> f64 {
        let (started, ticks) = self.0.made;
        // A tick is nearer to the truth the longer one waits; anybody who asks has measured for longer than this.
        if let Some(rest) = Duration::from_millis(10).checked_sub(started.elapsed()) {
            std::thread::sleep(rest);
        }
        let ticks = (self.0.profile.clock)().wrapping_sub(ticks);
        started.elapsed().as_secs_f64() / ticks.max(1) as f64
    }

    /// What it takes to take the time of a function: the medians over functions that do nothing.
    pub fn look(&self) -> Look {
        const CALLS: u64 = 1000;
        let profile = self.0.profile;
        let mut times: Vec<(u64, u64)> = (0..101)
            .map(|_| {
                (profile.begin)(1);
                let started = (profile.clock)();
                (profile.idle)(CALLS);
                ((profile.clock)().wrapping_sub(started), (profile.ticks)(0))
            })
            .collect();
        times.sort_unstable();
        let (ticks, within) = times.get(times.len() / 2).copied().unwrap_or_default();
        Look { ticks: ticks as f64 / CALLS as f64, within: within as f64 / CALLS as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn times_are_added_up() {
        let one = Times { passes: 1, samples: 4, ticks: 10, functions: vec![3, 5], counts: vec![1, 1] };
        let mut sum = Times::default();
        sum.add(&one);
        sum.add(&Times { counts: vec![1, 0], functions: vec![4, 0], ..one });
        assert_eq!((sum.passes, sum.samples, sum.ticks), (2, 8, 20));
        assert_eq!((sum.functions, sum.counts), (vec![7, 5], vec![2, 1]));
    }
}
