//! The pool itself: callers, panics, sleep, and what it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nnc_runtime::__private::{Divide, First, Kernel, Lanes, Threads};
use nnc_runtime::Simd;

use super::{COUNTS, Count, Parts, UNITS, alone};

/// A kernel that calls a function with the first unit of each part, and how many it has.
#[derive(Clone, Copy)]
struct Call<'a> {
    first: usize,
    len: usize,
    function: &'a (dyn Fn(usize, usize) + Sync),
}

impl Divide for Call<'_> {
    fn divide(self, at: usize) -> (Self, Self) {
        let first = Self { len: at, ..self };
        (first, Self { first: self.first + at, len: self.len - at, ..self })
    }
}

impl Kernel<f32> for Call<'_> {
    type Output = ();

    fn run<L: Lanes<Elem = f32>>(self) {
        (self.function)(self.first, self.len);
    }
}

fn call(threads: Threads, units: usize, function: &(dyn Fn(usize, usize) + Sync)) {
    threads.run(Simd::detect(), units, Call { first: 0, len: units, function });
}

/// Waits until `condition` holds, which it does sooner or later.
fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing happens");
        thread::yield_now();
    }
}

#[test]
fn parts_run_side_by_side() {
    let _alone = alone();
    for count in [2, 3, 8] {
        let here = AtomicUsize::new(0);
        call(Threads::up_to(count), count, &|_, _| {
            here.fetch_add(1, Ordering::SeqCst);
            until(|| here.load(Ordering::SeqCst) == count);
        });
    }
}

#[test]
fn workers_that_sleep_are_woken() {
    let _alone = alone();
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(2));
        let here = AtomicUsize::new(0);
        call(Threads::up_to(3), 3, &|_, _| {
            here.fetch_add(1, Ordering::SeqCst);
            until(|| here.load(Ordering::SeqCst) == 3);
        });
    }
}

#[test]
fn a_caller_sleeps_until_long_parts_end() {
    let _alone = alone();
    for _ in 0..10 {
        let ended = AtomicUsize::new(0);
        call(Threads::up_to(3), 3, &|first, _| {
            if first < 2 {
                thread::sleep(Duration::from_millis(5));
            }
            ended.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(ended.into_inner(), 3);
    }
}

#[test]
fn a_part_runs_kernels_whole() {
    let _alone = alone();
    for threads in COUNTS.map(Threads::up_to).into_iter().skip(1) {
        let sums = Mutex::new(Vec::new());
        call(threads, 5, &|first, len| {
            let (mut units, parts) = (vec![0; 9], Parts::default());
            threads.run(Simd::detect(), 9, Count(First(0), &mut units, &parts));
            assert_eq!(parts.into_inner().expect("nobody panics"), [(0, 9)]);
            assert_eq!(units, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
            sums.lock().expect("nobody panics").push((first, len));
        });
        assert_eq!(sums.into_inner().expect("nobody panics").len(), threads.count().min(5));
    }
}

#[test]
fn callers_do_not_wait_for_each_other() {
    let _alone = alone();
    let threads = Threads::up_to(3);
    let second = Parts::default();
    call(threads, 3, &|first, _| {
        // Another caller, while the pool is taken.
        if first == 2 {
            thread::scope(|scope| {
                scope.spawn(|| threads.run(Simd::detect(), 9, Count(First(0), &mut [0; 9], &second)));
            });
        }
    });
    assert_eq!(second.into_inner().expect("nobody panics"), [(0, 9)]);
}

#[test]
fn many_callers_at_once() {
    let _alone = alone();
    thread::scope(|scope| {
        for caller in 0..4 {
            scope.spawn(move || {
                for run in 0..4000 {
                    let n = UNITS[(caller + run) % UNITS.len()];
                    let threads = Threads::up_to(COUNTS[(caller + run / 8) % COUNTS.len()]);
                    let (mut units, parts) = (vec![0; n], Parts::default());
                    threads.run(Simd::detect(), n, Count(First(0), &mut units, &parts));
                    assert!(units.iter().copied().eq(1..=n));
                }
            });
        }
    });
}

#[test]
fn all_parts_end_before_a_panic_goes_on() {
    let _alone = alone();
    for threads in COUNTS.map(Threads::up_to) {
        for bad in 0..threads.count() {
            for _ in 0..50 {
                let ended = AtomicUsize::new(0);
                let result = catch_unwind(AssertUnwindSafe(|| {
                    call(threads, threads.count(), &|first, _| {
                        if first == bad {
                            std::panic::resume_unwind(Box::new(first));
                        }
                        thread::yield_now();
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                }));
                assert_eq!(ended.into_inner(), threads.count() - 1);
                let panic = result.expect_err("a part panics");
                assert_eq!(panic.downcast_ref::<usize>(), Some(&bad));
            }
        }
        // Where several panic, it is the first of them that is told.
        let result = catch_unwind(AssertUnwindSafe(|| {
            call(threads, 9, &|first, _| std::panic::resume_unwind(Box::new(first)));
        }));
        assert_eq!(result.expect_err("all parts panic").downcast_ref::<usize>(), Some(&0));
        // And the pool is there again.
        let parts = Parts::default();
        threads.run(Simd::detect(), 9, Count(First(0), &mut [0; 9], &parts));
        assert_eq!(parts.into_inner().expect("nobody panics").len(), threads.count());
    }
}

/// It cannot be divided behind `whole` units.
struct Fragile<'a> {
    units: usize,
    whole: usize,
    ended: &'a AtomicUsize,
}

impl Divide for Fragile<'_> {
    fn divide(self, at: usize) -> (Self, Self) {
        assert!(self.units > self.whole, "cannot be divided");
        (Self { units: at, ..self }, Self { units: self.units - at, ..self })
    }
}

impl Kernel<f32> for Fragile<'_> {
    type Output = ();

    fn run<L: Lanes<Elem = f32>>(self) {
        thread::yield_now();
        self.ended.fetch_add(self.units, Ordering::SeqCst);
    }
}

#[test]
fn parts_that_were_posted_end_when_the_rest_cannot_be_divided() {
    let _alone = alone();
    for whole in 1..8 {
        for _ in 0..50 {
            let ended = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                Threads::up_to(8).run(Simd::detect(), 8, Fragile { units: 8, whole, ended: &ended });
            }));
            if whole == 1 {
                assert!(result.is_ok());
            }
            assert_eq!(ended.into_inner(), if result.is_ok() { 8 } else { 8 - whole });
        }
    }
}

#[test]
fn the_environment_says_how_many() {
    const EXPECTED: &str = "NNC_TEST_THREADS";
    let machine = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if let Ok(expected) = std::env::var(EXPECTED) {
        let (without, with_cap) = expected.split_once(' ').expect("two numbers");
        assert_eq!(Threads::detect().count().to_string(), without);
        Threads::cap(5);
        assert_eq!(Threads::detect().count().to_string(), with_cap);
        Threads::cap(0);
        assert_eq!(Threads::detect().count().to_string(), without);
        return;
    }
    for (value, without, with_cap) in
        [("3", 3, 3), ("0", machine, 5), ("many", machine, 5), ("", machine, 5), ("1000", 256, 256)]
    {
        let output = Command::new(std::env::current_exe().expect("a test has a file"))
            .args(["--exact", "pool::the_environment_says_how_many"])
            .env("NNC_THREADS", value)
            .env(EXPECTED, format!("{without} {with_cap}"))
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "NNC_THREADS={value}: {text}");
    }
}

/// Ticks of a hundredth of a second that the pool's threads have run for.
#[cfg(target_os = "linux")]
fn ticks_of_workers() -> u64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("Linux has it") {
        let stat =
            std::fs::read_to_string(task.expect("it is there").path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        if name.contains("(nnc-") {
            ticks +=
                rest.split(' ').skip(11).take(2).map(|n| n.parse::<u64>().expect("a number")).sum::<u64>();
        }
    }
    ticks
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_takes_no_time() {
    let _alone = alone();
    call(Threads::up_to(8), 8, &|_, _| {});
    thread::sleep(Duration::from_millis(20));
    let before = ticks_of_workers();
    thread::sleep(Duration::from_millis(300));
    // Seven threads that spin would have run for thirty ticks on each core.
    assert!(ticks_of_workers() - before <= 1);
}
