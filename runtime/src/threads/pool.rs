//! Threads that wait for parts of kernels, one pool for the whole process.
//!
//! A caller owns the pool for as long as a kernel runs. It keeps one part for itself and posts each of the others to a
//! worker, by a pointer to a [`Task`] on its own stack. What happens to a task is decided by the worker's `state`, a
//! single atomic that belongs to the pool:
//!
//! ```text
//!            post             claim             done
//!   FREE ───────────▶ task ───────────▶ RUNNING ─────▶ FREE
//!    │ ▲                │ take over      │               ▲
//!    │ └────────────────┘ (the caller)   └──▶ AWAITED ───┘ the worker wakes the caller
//!    ▼
//!  PARKED, from which `post` wakes the worker
//! ```
//!
//! Nobody follows the pointer to a task but who has changed `state` from it: the worker, by `claim`, or the caller, by
//! `take over`. A caller does not leave before the state of each worker that it posted to is `FREE` or `PARKED` again,
//! also when it unwinds. So tasks, and all that kernels borrow, live while anybody uses them; and a worker that gets no
//! core, or has been left behind by a fork, holds nobody up.
//!
//! Nothing here takes memory but [`start`], and a panic.
#![allow(unsafe_code)]

use core::any::Any;
use core::hint::spin_loop;
use core::ptr::{null_mut, without_provenance_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Divide;
use crate::element::Element;
use crate::simd::{Kernel, Simd};

/// Threads of a kernel at most, with the caller.
pub const MOST: usize = 256;

/// How long a thread that waits keeps its core, before it sleeps: about as long as it takes to wake it, which was 20 to
/// 40 µs on two virtual cores. So waiting costs no more than twice what the better of both would have.
const PATIENCE: Duration = Duration::from_micros(50);

/// Stack of a worker: what the first thread of a program usually has. It costs addresses, and memory where it is used.
const STACK: usize = 8 << 20;

type Panic = Box<dyn Any + Send>;

/// The worker has nothing to do, and looks for it.
const FREE: *mut Task = null_mut();
/// The worker has nothing to do, and sleeps. Here and below: no task has such an address.
const PARKED: *mut Task = without_provenance_mut(1);
/// The worker runs a task.
const RUNNING: *mut Task = without_provenance_mut(2);
/// The worker runs a task, and the caller sleeps until it is done.
const AWAITED: *mut Task = without_provenance_mut(3);

/// The first of the workers, each of which knows the next. They stay until the process ends.
static FIRST: OnceLock<&'static Worker> = OnceLock::new();
/// Who holds it may start workers.
static STARTING: Mutex<()> = Mutex::new(());
/// Whether a caller has the workers.
static OWNED: AtomicBool = AtomicBool::new(false);
/// A caller that awaits a worker looks at its state while it holds this.
static DONE: Mutex<()> = Mutex::new(());
/// Wakes the caller.
static WAKE: Condvar = Condvar::new();

/// A part of a kernel, whatever its type: how a [`Piece`] begins.
struct Task {
    /// Runs the piece that this task is the beginning of. Must be called once, by who has claimed it.
    run: unsafe fn(*mut Self),
    /// What the part has panicked with.
    panic: Option<Panic>,
}

#[repr(C)]
struct Piece<K> {
    task: Task,
    simd: Simd,
    /// There until it is run.
    kernel: Option<K>,
}

/// A thread of the pool. Its state has a cache line of its own: two, for processors fetch them in pairs.
#[repr(align(128))]
struct Worker {
    state: AtomicPtr<Task>,
    names: Names,
}

/// What is read while the state changes.
#[repr(align(128))]
struct Names {
    thread: OnceLock<Thread>,
    next: OnceLock<&'static Worker>,
}

/// Starts workers until there are `wanted`, and returns how many of these there are.
pub fn start(wanted: usize) -> usize {
    let _starting = lock(&STARTING);
    let mut link = &FIRST;
    for number in 0..wanted {
        let worker = match link.get() {
            Some(worker) => worker,
            None => match Worker::start(number + 1) {
                Ok(worker) => link.get_or_init(|| worker),
                Err(_) => return number,
            },
        };
        link = &worker.names.next;
    }
    wanted
}

/// Runs a kernel of `units` units in up to `count` parts. See [`super::Threads::run`].
#[inline(never)]
pub fn run<E, K>(count: usize, simd: Simd, units: usize, kernel: K)
where
    E: Element,
    K: Kernel<E, Output = ()> + Divide + Send,
{
    let Some(owner) = Owner::acquire() else { return run_here(simd, kernel) };
    let panic = share(&FIRST, count.min(units), simd, units, kernel);
    drop(owner);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Posts the first of `parts` parts to the worker behind `link`, and the others likewise; runs the last, and waits. The
/// caller owns the pool.
fn share<E, K>(
    link: &OnceLock<&'static Worker>,
    parts: usize,
    simd: Simd,
    units: usize,
    kernel: K,
) -> Option<Panic>
where
    E: Element,
    K: Kernel<E, Output = ()> + Divide + Send,
{
    let worker = if parts > 1 { link.get() } else { None };
    let Some(worker) = worker else {
        let panic = catch_unwind(AssertUnwindSafe(|| run_here(simd, kernel))).err();
        take_over_all();
        return panic;
    };
    let at = units.div_ceil(parts);
    let (first, rest) = kernel.divide(at);
    let task = Task { run: run_piece::<E, K>, panic: None };
    let mut piece = Piece { task, simd, kernel: Some(first) };
    let posted = Posted::new(worker, (&raw mut piece).cast());
    let panic = share(&worker.names.next, parts - 1, simd, units - at, rest);
    // Waits. Until then nothing here may touch the piece.
    drop(posted);
    piece.task.panic.or(panic)
}

/// One copy of a kernel for each set, whoever runs it.
#[inline(never)]
fn run_here<E: Element, K: Kernel<E, Output = ()>>(simd: Simd, kernel: K) {
    simd.run(kernel);
}

/// Runs a piece.
///
/// # Safety
/// `task` is the beginning of a `Piece<K>`, which stays where it is and which nobody else uses until this returns.
unsafe fn run_piece<E: Element, K: Kernel<E, Output = ()>>(task: *mut Task) {
    // SAFETY: as the caller promises. A `Piece` is `repr(C)` and begins with its task.
    let piece = unsafe { &mut *task.cast::<Piece<K>>() };
    let simd = piece.simd;
    if let Some(kernel) = piece.kernel.take() {
        piece.task.panic = catch_unwind(AssertUnwindSafe(|| run_here(simd, kernel))).err();
    }
}

/// Runs all parts that no worker has begun.
fn take_over_all() {
    let mut link = &FIRST;
    while let Some(worker) = link.get() {
        worker.take_over();
        link = &worker.names.next;
    }
}

/// A task that a worker was given. It has ended when this is dropped.
struct Posted(&'static Worker);

impl Posted {
    /// Gives a task to a worker, which must be free. The caller owns the pool, and lets the task, the beginning of a
    /// piece, be until this is dropped, which happens before the piece is.
    fn new(worker: &'static Worker, task: *mut Task) -> Self {
        // Release: who claims the task sees the piece.
        if worker.state.swap(task, Ordering::AcqRel) == PARKED
            && let Some(thread) = worker.names.thread.get()
        {
            thread.unpark();
        }
        Self(worker)
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        // Only when the caller unwinds is there a task that nobody has begun.
        self.0.take_over();
        self.0.wait();
    }
}

impl Worker {
    /// A thread that waits for tasks.
    fn start(number: usize) -> std::io::Result<&'static Self> {
        let names = Names { thread: OnceLock::new(), next: OnceLock::new() };
        let worker: &'static Self = Box::leak(Box::new(Self { state: AtomicPtr::new(FREE), names }));
        let thread = thread::Builder::new().name(std::format!("nnc-{number}")).stack_size(STACK);
        let handle = thread.spawn(|| worker.work())?;
        // Nobody knows the worker yet, so that it is not parked without a name to be woken by.
        worker.names.thread.get_or_init(|| handle.thread().clone());
        Ok(worker)
    }

    /// What the thread does, until the process ends.
    fn work(&self) {
        loop {
            let task = self.claim();
            // SAFETY: `claim` has changed the state from this task, so that nobody else runs it; and its caller waits,
            // with the piece in place, until the state is free again.
            unsafe { ((*task).run)(task) };
            // Release: the caller sees what the piece has written.
            if self.state.swap(FREE, Ordering::AcqRel) == AWAITED {
                // The caller is asleep, or has not looked at the state yet, once this was locked.
                drop(lock(&DONE));
                WAKE.notify_all();
            }
        }
    }

    /// Waits for a task and makes it the worker's.
    fn claim(&self) -> *mut Task {
        let mut patience = Patience::new();
        loop {
            let state = self.state.load(Ordering::Relaxed);
            if state != FREE {
                if self.change(state, RUNNING) {
                    return state;
                }
            } else if !patience.lasts() && self.change(FREE, PARKED) {
                // Others may wake a thread, or it wakes by itself.
                while self.state.load(Ordering::Relaxed) == PARKED {
                    thread::park();
                }
                patience = Patience::new();
            }
        }
    }

    /// Runs the worker's task if it has not begun. The caller owns the pool.
    fn take_over(&self) {
        let state = self.state.load(Ordering::Relaxed);
        let is_task = ![FREE, PARKED, RUNNING, AWAITED].contains(&state);
        if is_task && self.change(state, FREE) {
            // SAFETY: the state was changed from this task, so that the worker does not run it. The owner of the pool
            // has posted it, and has not left the piece, for this is called before its `Posted` is dropped, or by that.
            unsafe { ((*state).run)(state) };
        }
    }

    /// Waits until the worker has no task.
    fn wait(&self) {
        let mut patience = Patience::new();
        loop {
            // Acquire: what the piece has written is there.
            let state = self.state.load(Ordering::Acquire);
            if state == FREE || state == PARKED {
                return;
            }
            if !patience.lasts() && self.change(RUNNING, AWAITED) {
                break;
            }
        }
        let mut done = lock(&DONE);
        while self.state.load(Ordering::Acquire) == AWAITED {
            done = WAKE.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Changes the state, if it is `from`.
    fn change(&self, from: *mut Task, to: *mut Task) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// That the pool belongs to this caller. Others do without.
struct Owner(());

impl Owner {
    fn acquire() -> Option<Self> {
        // Acquire and, when it is dropped, Release: workers are as the last owner left them.
        let was = OWNED.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        was.ok().map(|_| Self(()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        OWNED.store(false, Ordering::Release);
    }
}

/// How long to go on looking.
struct Patience {
    turns: u32,
    since: Option<Instant>,
}

impl Patience {
    /// Turns for each look at the clock.
    const TURNS: u32 = 64;

    fn new() -> Self {
        Self { turns: 0, since: None }
    }

    /// Lets a moment go by; false when enough have.
    fn lasts(&mut self) -> bool {
        spin_loop();
        self.turns += 1;
        if !self.turns.is_multiple_of(Self::TURNS) {
            return true;
        }
        let now = Instant::now();
        now.duration_since(*self.since.get_or_insert(now)) < PATIENCE
    }
}

/// Nothing that is locked here can be left half done.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
