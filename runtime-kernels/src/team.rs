//! A team of threads that share the heavy steps of a run.
//!
//! The caller is one of them. The others wait for work by spinning for a moment, since one step follows another within
//! microseconds, and then sleep. A job is announced by one atomic number, which also says how many workers it wants. Parts are
//! claimed one by one. Each thread begins with its own share of them, the same of every step, since what it reads is then
//! often what it wrote itself, in its core's cache; then it takes from the shares of others that are late. A worker that
//! has not begun when no part is left is no longer wanted: the caller never waits for a sleeper to wake.
//! It needs `std`.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::simd::{Simd, Task};
use super::split::{Crew, Part, Split, Stepwise};

/// How long a worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(100);

/// Most threads of a team.
const MOST: usize = 256;

/// Most parts of a job.
const PARTS: usize = 2 * MOST;

/// Does `task`, on the team's threads if there is a team and the task is worth it.
#[inline(always)]
pub fn enter<S: Simd, T: Split>(s: S, team: Option<&Team>, mut task: T) {
    let scratch: *mut [f32] = task.scratch();
    share(team, &Work { s, task: &raw mut task }, scratch);
}

/// Does `task`, whose steps the team's threads share if there is a team and that is worth it.
#[inline(always)]
pub fn enter_steps<S: Simd, T: Stepwise>(s: S, team: Option<&Team>, task: T) {
    s.enter(With { task, team });
}

/// A task of steps and who does them.
struct With<'a, T> {
    task: T,
    team: Option<&'a Team>,
}

impl<T: Stepwise> Task for With<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.task.with(s, self.team);
    }
}

impl Crew for Option<&Team> {
    fn threads(self) -> usize {
        self.map_or(1, Team::threads)
    }

    #[inline(always)]
    fn enter<S: Simd, T: Split>(self, s: S, task: T) {
        enter(s, self, task);
    }
}

/// Does all of `work`, in the scratch that is given.
// Out of line, for every step of a model has this to do.
#[inline(never)]
fn share(team: Option<&Team>, work: &dyn InParts, scratch: *mut [f32]) {
    if !team.is_some_and(|team| team.takes(work, scratch)) {
        // SAFETY: there is no other part, and parts do not touch the task's own scratch.
        unsafe { work.part(Part::WHOLE, &mut *scratch) };
    }
}

/// Threads that work together; dropping it ends them.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// What all threads of a team see.
struct Shared {
    /// The number of jobs so far in the upper bits, the workers wanted for the last in the lower 16.
    signal: Signal,
    /// The last job; written while no worker is wanted.
    job: UnsafeCell<Job>,
    /// The parts claimed of it, a bit each.
    claimed: Line<[AtomicU64; PARTS / 64]>,
    /// Whether the team has a job, since it can have but one.
    taken: AtomicBool,
    /// Whether a worker panicked.
    failed: AtomicBool,
    /// Whether the team is at its end.
    over: AtomicBool,
    /// One a worker.
    desks: Vec<Line<Desk>>,
    /// Whether threads outnumber processors, so that waiting must give way.
    crowded: bool,
}

type Signal = Line<AtomicU64>;

/// What the caller and one worker tell each other.
struct Desk {
    /// How far the worker is with the job of the signal in the upper bits: one of the states below.
    state: AtomicU64,
    /// Whether it sleeps.
    asleep: AtomicBool,
}

/// The worker is wanted.
const WANTED: u64 = 0;
/// It has begun, and the job must stay what it is.
const BEGUN: u64 = 1;
/// It has done what it could.
const DONE: u64 = 2;
/// It is not wanted any more.
const LET_GO: u64 = 3;

impl Desk {
    /// Goes from one state to another with the job of `signal`, unless it is in neither.
    fn turn(&self, signal: u64, from: u64, to: u64) -> bool {
        let job = signal >> 16 << 2;
        self.state.compare_exchange(job | from, job | to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A value in cache lines of its own.
#[repr(align(128))]
struct Line<T>(T);

/// A task of whatever type, to be done in parts.
#[derive(Clone, Copy)]
struct Job {
    work: *const dyn InParts,
    parts: usize,
    scratch_len: usize,
}

// SAFETY: `job` is written only by the thread that holds `taken`, while no worker has begun, and read only by workers that
// have: the states of their desks order one before the other.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is followed only while `Team::takes` keeps what it points to alive.
unsafe impl Send for Shared {}

impl Shared {
    /// The next part of `parts` that nobody has claimed, for the one that is `me` of the job's threads, from its share on.
    fn claim(&self, parts: usize, me: Part) -> Option<Part> {
        let first = me.range(parts).start;
        let claims = |&index: &usize| {
            let (word, bit) = (&self.claimed.0[index / 64], 1 << (index % 64));
            word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
        };
        let index = (first..parts).chain(0..first).find(claims)?;
        Some(Part { index, of: parts })
    }

    /// What worker `me` does all its life.
    fn serve(&self, me: usize) {
        let mut scratch: Vec<f32> = Vec::new();
        let mut seen = 0;
        loop {
            seen = self.next_signal(me, seen);
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let wanted = (seen & 0xFFFF) as usize;
            if me >= wanted || !self.desks[me].0.turn(seen, WANTED, BEGUN) {
                continue;
            }
            // SAFETY: this worker has begun, so the job stays what it is until it is done.
            let job = unsafe { *self.job.get() };
            let done = catch_unwind(AssertUnwindSafe(|| {
                if scratch.len() < job.scratch_len {
                    scratch.resize(job.scratch_len, 0.0);
                }
                while let Some(part) = self.claim(job.parts, Part { index: me + 1, of: wanted + 1 }) {
                    // SAFETY: the caller keeps the work alive, and each part is claimed once.
                    unsafe { (*job.work).part(part, &mut scratch[..job.scratch_len]) };
                }
            }));
            if done.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            self.desks[me].0.turn(seen, BEGUN, DONE);
        }
    }

    /// Waits until the signal is not `seen`; returns it.
    fn next_signal(&self, me: usize, seen: u64) -> u64 {
        let mut since = None;
        for turn in 1_u32.. {
            let signal = self.signal.0.load(Ordering::Acquire);
            if signal != seen {
                return signal;
            }
            core::hint::spin_loop();
            if self.crowded {
                thread::yield_now();
            }
            if turn.is_multiple_of(64) && since.get_or_insert_with(Instant::now).elapsed() > SPIN {
                break;
            }
        }
        // Either this sees a new signal, or whoever signals sees that this sleeps.
        let asleep = &self.desks[me].0.asleep;
        asleep.store(true, Ordering::SeqCst);
        loop {
            let signal = self.signal.0.load(Ordering::SeqCst);
            if signal != seen {
                asleep.store(false, Ordering::Relaxed);
                return signal;
            }
            thread::park();
        }
    }

    /// Announces the next job to `workers` workers; returns its signal.
    fn announce(&self, workers: usize, threads: &[JoinHandle<()>]) -> u64 {
        let signal = ((self.signal.0.load(Ordering::Relaxed) >> 16) + 1) << 16 | workers as u64;
        for desk in self.desks.iter().take(workers) {
            desk.0.state.store(signal >> 16 << 2 | WANTED, Ordering::Relaxed);
        }
        self.signal.0.store(signal, Ordering::SeqCst);
        for (desk, thread) in self.desks.iter().zip(threads).take(workers) {
            if desk.0.asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        signal
    }

    /// Lets go the workers that have not begun the job of `signal`, and waits for the others.
    fn finish(&self, signal: u64) {
        for desk in self.desks.iter().take((signal & 0xFFFF) as usize) {
            if desk.0.turn(signal, WANTED, LET_GO) {
                continue;
            }
            let mut turn = 0_u32;
            while desk.0.state.load(Ordering::Acquire) & 3 != DONE {
                core::hint::spin_loop();
                turn = turn.saturating_add(1);
                if self.crowded || turn > 20_000 {
                    thread::yield_now();
                }
            }
        }
    }
}

impl Team {
    /// A team of `threads` threads, of which the caller is one; 0 stands for as many as there are processors.
    ///
    /// Where the system grants no more threads, the team is smaller.
    pub fn new(threads: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { processors } else { threads }.min(MOST);
        let nothing = Job { work: &Nothing, parts: 0, scratch_len: 0 };
        let shared = Arc::new(Shared {
            signal: Line(AtomicU64::new(0)),
            job: UnsafeCell::new(nothing),
            claimed: Line([const { AtomicU64::new(0) }; PARTS / 64]),
            taken: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            desks: (1..threads)
                .map(|_| Line(Desk { state: AtomicU64::new(DONE), asleep: AtomicBool::new(false) }))
                .collect(),
            crowded: threads > processors,
        });
        let spawn = |me: usize| {
            let shared = shared.clone();
            thread::Builder::new().name(std::format!("kiln-{me}")).spawn(move || shared.serve(me)).ok()
        };
        let workers = (0..threads.saturating_sub(1)).map_while(spawn).collect();
        Self { shared, workers }
    }

    /// Threads, the caller among them.
    #[inline(always)]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Does `work`, if it is worth it, itself in the scratch that is given. Panics if a part did.
    fn takes(&self, work: &dyn InParts, scratch: *mut [f32]) -> bool {
        let shared = &*self.shared;
        let parts = work.parts(self.threads()).min(PARTS);
        // A team that is at work already has no time for another's task.
        if parts <= 1 || shared.taken.swap(true, Ordering::Acquire) {
            return false;
        }
        // SAFETY: only the lifetime changes; the pointer is not followed after `end`, which is before this returns.
        let work: *const dyn InParts = unsafe { core::mem::transmute::<&dyn InParts, &'static dyn InParts>(work) };
        let job = Job { work, parts, scratch_len: scratch.len() };
        // SAFETY: the team was free, so no worker has begun, and this has taken it.
        unsafe { *shared.job.get() = job };
        let workers = self.workers.len().min(parts - 1);
        shared.claimed.0.iter().take(parts.div_ceil(64)).for_each(|word| word.store(0, Ordering::Relaxed));
        let end = End { shared, signal: shared.announce(workers, &self.workers) };
        while let Some(part) = shared.claim(parts, Part { index: 0, of: workers + 1 }) {
            // SAFETY: each part is claimed once, and the task's own scratch is used by this thread alone.
            unsafe { (*work).part(part, &mut *scratch) };
        }
        drop(end);
        assert!(!shared.failed.swap(false, Ordering::Relaxed), "a thread of the model's team panicked");
        true
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.announce(self.workers.len(), &self.workers);
        for worker in self.workers.drain(..) {
            // A worker catches every panic, so there is nothing to hear of.
            let _ = worker.join();
        }
    }
}

/// The end of a job: the task is not let go before every worker has, also if the caller panics.
struct End<'a> {
    shared: &'a Shared,
    signal: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.shared.finish(self.signal);
        self.shared.taken.store(false, Ordering::Release);
    }
}

/// Work in parts, whatever it is: what a team does is compiled once for all tasks.
trait InParts {
    /// How many parts `threads` threads should make.
    fn parts(&self, threads: usize) -> usize;

    /// Does a part.
    ///
    /// # Safety
    /// Nobody else may do the same part, or work in `scratch` meanwhile.
    unsafe fn part(&self, part: Part, scratch: &mut [f32]);
}

/// A task with its instruction set.
struct Work<S, T> {
    s: S,
    task: *mut T,
}

impl<S: Simd, T: Split> InParts for Work<S, T> {
    fn parts(&self, threads: usize) -> usize {
        // SAFETY: `enter` keeps the task while it has others work on it, and no part has begun.
        unsafe { (*self.task).parts(threads) }
    }

    unsafe fn part(&self, part: Part, scratch: &mut [f32]) {
        self.s.enter(One { task: self.task, part, scratch });
    }
}

/// What there is to do before the first job.
struct Nothing;

impl InParts for Nothing {
    fn parts(&self, _: usize) -> usize {
        0
    }

    unsafe fn part(&self, _: Part, _: &mut [f32]) {}
}

/// A part of a task; made only in this file, of a task that lives until its end and a part claimed by its maker.
struct One<'a, T> {
    task: *mut T,
    part: Part,
    scratch: &'a mut [f32],
}

impl<T: Split> Task for One<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: whoever made this vouched for it.
        unsafe { T::part(self.task, s, self.part, self.scratch) }
    }
}
