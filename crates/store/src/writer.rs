//! The one thread that writes. Lives here: the bounded queue, group commit, coming back after a
//! failure. Never here: when to try a failed batch again; that is the caller's to say.
//!
//! ```text
//! submit ─► queue ─► group ─► commit ─┬─ Ok ──────────────► told
//!                                     ├─ Failed, Full ────► told
//!                                     └─ Unknown ─► resolve ─┬─ applied ─► told Ok
//!                                          ▲                 ├─ not ─────► told Failed or Full
//!                                          └── wait ◄────────┘ cannot be asked: what is queued fails
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Batch};
use crate::error::{CommitError, StoreError};

/// How the writer works.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Batches that may wait; more are refused.
    pub queue: usize,
    /// Batches written in one transaction at most.
    pub group: usize,
    /// Least time from one commit to the next under load: a sync costs the same for one batch as for a
    /// hundred. After a small group it is less, in proportion, so that few batches a second hardly
    /// wait. Who comes after a pause is written at once, and a full group does not wait.
    pub pace: Duration,
    /// Time between two questions for the outcome of a commit that is unknown.
    pub ask_again: Duration,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions {
            queue: 8_192,
            group: 1_024,
            pace: Duration::from_millis(40),
            ask_again: Duration::from_millis(200),
        }
    }
}

/// After a group of so many batches the next waits for the whole pace: about five hundred a second.
const LOADED: usize = 20;

/// How the writer does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Batches that wait.
    pub queued: usize,
    /// Batches written since the start.
    pub written: u64,
    /// Groups they were written in.
    pub groups: u64,
    /// Batches that failed since the start.
    pub failed: u64,
    /// Batches refused because the queue was full.
    pub refused: u64,
    /// Failed group commits since the last that worked; 0 is good.
    pub failures_in_a_row: u32,
    /// The last failure since the last commit that worked.
    pub last_error: Option<String>,
    /// Is the outcome of a commit open?
    pub unresolved: bool,
}

impl Health {
    /// Did the last commit work?
    pub fn is_up(&self) -> bool {
        self.failures_in_a_row == 0 && !self.unresolved
    }
}

/// The queue is full, or the writer has stopped. The batch comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many batches wait as may.
    #[error("the store's queue is full: {waiting} batches wait")]
    QueueFull {
        /// How many.
        waiting: usize,
        /// What was not taken.
        batch: Batch,
    },
    /// The writer was told to stop.
    #[error("the store's writer has stopped")]
    Stopped {
        /// What was not taken.
        batch: Batch,
    },
}

/// A thread that owns a store and writes what it is given, in order, in groups.
#[derive(Debug)]
pub struct Writer<B> {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<B>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    limit: usize,
    group: usize,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    stopping: bool,
    /// Does the thread wait to be woken?
    idle: bool,
    health: Health,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nobody panics while he holds it, and what it guards is whole at every step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend + 'static> Writer<B> {
    /// Starts the thread. `deliver` gets the outcome of every batch, in the order of submission but
    /// for those of an unknown outcome, which come when it is known; `wake` is called after each lot.
    /// Both run on the writer's thread and must not wait.
    pub fn start(
        backend: B,
        options: WriterOptions,
        deliver: impl FnMut(u64, Result<(), CommitError>) + Send + 'static,
        wake: impl FnMut() + Send + 'static,
    ) -> std::io::Result<Writer<B>> {
        let queue = Mutex::new(Queue::default());
        let (limit, group) = (options.queue, options.group);
        let shared = Arc::new(Shared { queue, arrived: Condvar::new(), limit, group });
        let worker = Worker {
            backend,
            options,
            shared: shared.clone(),
            deliver,
            wake,
            open: None,
            due: now(),
        };
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || worker.run())?;
        Ok(Writer { shared, thread: Some(thread) })
    }
}

impl<B> Writer<B> {
    /// Queues a batch. Its outcome is delivered later; what is refused here is not.
    pub fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        let mut queue = self.shared.lock();
        if queue.stopping || self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(SubmitError::Stopped { batch });
        }
        let waiting = queue.batches.len();
        if waiting >= self.shared.limit {
            queue.health.refused += 1;
            return Err(SubmitError::QueueFull { waiting, batch });
        }
        queue.batches.push_back(batch);
        // Who waits only for the group to fill is not woken before it is full.
        let wake = std::mem::take(&mut queue.idle) || queue.batches.len() == self.shared.group;
        drop(queue);
        if wake {
            self.shared.arrived.notify_one();
        }
        Ok(())
    }

    /// How it does at the moment.
    pub fn health(&self) -> Health {
        let queue = self.shared.lock();
        Health { queued: queue.batches.len(), ..queue.health.clone() }
    }

    /// Writes what is queued, delivers it, ends the thread and gives the store back. `None` if the
    /// thread had panicked.
    pub fn stop(mut self) -> Option<B> {
        self.tell_to_stop();
        self.thread.take().and_then(|thread| thread.join().ok())
    }

    fn tell_to_stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.arrived.notify_one();
    }
}

impl<B> Drop for Writer<B> {
    /// Like [`Writer::stop`], for those who forget.
    fn drop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it.
            let _ = thread.join();
        }
    }
}

struct Worker<B, D, W> {
    backend: B,
    options: WriterOptions,
    shared: Arc<Shared>,
    deliver: D,
    wake: W,
    open: Option<Open>,
    /// When the next group may be written.
    due: Instant,
}

/// A group whose outcome is unknown.
struct Open {
    tickets: Vec<u64>,
    cause: StoreError,
}

/// What the thread does next.
enum Step {
    Write(Vec<Batch>),
    Ask,
    Stop,
}

impl<B: Backend, D: FnMut(u64, Result<(), CommitError>), W: FnMut()> Worker<B, D, W> {
    fn run(mut self) -> B {
        loop {
            match self.next_step() {
                Step::Write(batches) => {
                    self.resolve();
                    self.write(&batches);
                }
                Step::Ask => self.resolve(),
                Step::Stop => break,
            }
            (self.wake)();
        }
        self.give_up();
        (self.wake)();
        self.backend
    }

    /// Waits for batches, for the time to write or to ask again, or for the end.
    fn next_step(&mut self) -> Step {
        let shared = self.shared.clone();
        let mut queue = shared.lock();
        loop {
            let count = queue.batches.len().min(self.options.group);
            let early = self.due.saturating_duration_since(now());
            if count > 0 && (early.is_zero() || queue.stopping || count == self.options.group) {
                self.due =
                    now() + self.options.pace.mul_f64(count.min(LOADED) as f64 / LOADED as f64);
                return Step::Write(queue.batches.drain(..count).collect());
            }
            if queue.stopping {
                return Step::Stop;
            }
            queue.idle = count == 0;
            let timeout = match (count, &self.open) {
                (0, None) => None,
                (0, Some(_)) => Some(self.options.ask_again),
                _ => Some(early),
            };
            let Some(timeout) = timeout else {
                queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = shared.arrived.wait_timeout(queue, timeout);
            let (held, result) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = held;
            if count == 0 && result.timed_out() && queue.batches.is_empty() && !queue.stopping {
                return Step::Ask;
            }
        }
    }

    fn write(&mut self, batches: &[Batch]) {
        if let Some(open) = &self.open {
            let error = CommitError::Failed(open.cause.clone());
            return self.fail(batches, &error);
        }
        match self.backend.commit(batches) {
            Ok(()) => self.succeed(batches.iter().map(|batch| batch.ticket)),
            Err(CommitError::Unknown(cause)) => {
                let tickets = batches.iter().map(|batch| batch.ticket).collect();
                self.note_failure(0, &cause);
                self.open = Some(Open { tickets, cause });
                self.resolve();
            }
            // One bad batch must not fail the others: halving finds it.
            Err(error) if error.cause().is_refusal() && batches.len() > 1 => {
                let (first, second) = batches.split_at(batches.len() / 2);
                self.write(first);
                self.write(second);
            }
            Err(error) => self.fail(batches, &error),
        }
    }

    /// Asks for the outcome that is open, if one is, and delivers it.
    fn resolve(&mut self) {
        let Some(open) = self.open.take() else { return };
        match self.backend.resolve() {
            Ok(true) => self.succeed(open.tickets.into_iter()),
            Ok(false) => {
                self.note_failure(open.tickets.len(), &open.cause);
                let error = CommitError::certain(open.cause);
                for ticket in open.tickets {
                    (self.deliver)(ticket, Err(error.clone()));
                }
            }
            Err(error) => {
                self.open = Some(open);
                self.note_failure(0, &error);
            }
        }
    }

    fn succeed(&mut self, tickets: impl ExactSizeIterator<Item = u64>) {
        let mut queue = self.shared.lock();
        queue.health.written += tickets.len() as u64;
        queue.health.groups += 1;
        queue.health.failures_in_a_row = 0;
        queue.health.last_error = None;
        queue.health.unresolved = false;
        drop(queue);
        tickets.for_each(|ticket| (self.deliver)(ticket, Ok(())));
    }

    fn fail(&mut self, batches: &[Batch], error: &CommitError) {
        self.note_failure(batches.len(), error.cause());
        batches.iter().for_each(|batch| (self.deliver)(batch.ticket, Err(error.clone())));
    }

    fn note_failure(&self, failed: usize, error: &StoreError) {
        let mut queue = self.shared.lock();
        queue.health.failed += failed as u64;
        queue.health.unresolved = self.open.is_some();
        // A refused record is its sender's fault: the store is in order.
        if !error.is_refusal() {
            queue.health.failures_in_a_row = queue.health.failures_in_a_row.saturating_add(1);
            queue.health.last_error = Some(error.to_string());
        }
        drop(queue);
        tracing::warn!(batches = failed, %error, "the store failed");
    }

    /// The last chance for an outcome that is still open.
    fn give_up(&mut self) {
        self.resolve();
        let Some(open) = self.open.take() else { return };
        for ticket in open.tickets {
            (self.deliver)(ticket, Err(CommitError::Unknown(open.cause.clone())));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the writer's thread is in the shell, and waits")]
fn now() -> Instant {
    Instant::now()
}
