//! The thread that plans. Lives here: its loop: what was written, what has ended, what is due. Never here: who is told
//! (notify::outbox), how (sender).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use notify::{Outbox, Outcome, message};
use store::{AlertReader, OpenOptions, SqliteStore, StoreError};
use types::UnixMicros;

use super::sender::Senders;
use super::{Event, Rung};
use crate::config::Config;
use crate::shell::clock::{Clock, system_wall};
use crate::shell::control::{Ask, NodeHandle};

/// How long to wait after the store did not answer, or did not take something.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait: the clock may have been set.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a stop waits for what is under way.
const LAST_MS: u64 = 2_000;
/// Lots written in one go: then what is due goes out, however much happens meanwhile.
const ROUNDS: usize = 3;

/// Owns the outbox.
pub struct Planner {
    database: PathBuf,
    /// Opened when it is first needed, and again after an error.
    books: Option<SqliteStore>,
    outbox: Outbox,
    senders: Senders,
    node: NodeHandle,
    events: Receiver<Event>,
    is_rung: Arc<AtomicBool>,
    is_quiet: Arc<AtomicBool>,
    clock: Clock,
    staff_zone: String,
    /// A stop was wished; nothing new is sent, and at this time it is over.
    stop_at: Option<UnixMicros>,
}

/// What the planner could not do.
enum Trouble {
    Store(StoreError),
    /// The node takes nothing at the moment.
    Node,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

impl Planner {
    pub fn new(
        config: &Config,
        node: NodeHandle,
        rung: Rung,
        is_quiet: Arc<AtomicBool>,
    ) -> anyhow::Result<Planner> {
        let staff_zone = config.alerts.staff_time_zone.clone();
        Ok(Planner {
            database: config.database(),
            books: None,
            outbox: Outbox::new(config.alert_rules(), staff_zone.clone()),
            senders: Senders::start(config, rung.sender)?,
            node,
            events: rung.events,
            is_rung: rung.is_rung,
            is_quiet,
            clock: Clock::new(system_wall()),
            staff_zone,
            stop_at: None,
        })
    }

    /// Runs until the node stops.
    pub fn run(mut self) {
        loop {
            let wait = match self.round() {
                Ok(wait) => wait,
                Err(Trouble::Store(error)) => {
                    tracing::warn!(%error, "alerts cannot be read: tried again soon");
                    self.books = None;
                    PAUSE
                }
                Err(Trouble::Node) => PAUSE,
            };
            if self.is_over() {
                break;
            }
            if !self.hear(wait) {
                break;
            }
        }
        self.is_quiet.store(true, Ordering::Release);
        self.node.wake();
    }

    fn is_over(&mut self) -> bool {
        let now = self.clock.now().wall;
        self.stop_at.is_some_and(|at| now >= at || self.outbox.is_idle())
    }

    /// Waits for something to do; false: nobody is there any more.
    fn hear(&mut self, wait: Duration) -> bool {
        let first = match self.events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Event::Rung => self.is_rung.store(false, Ordering::Release),
                Event::Ended(id, channel, outcome) => {
                    self.senders.ended(&channel);
                    self.outbox.ended(id, &channel, outcome);
                }
                Event::Stop => {
                    let by = self.clock.now().wall.plus_ms(LAST_MS);
                    self.stop_at.get_or_insert(by);
                }
            }
            next = self.events.try_recv().ok();
        }
        true
    }

    fn books(&mut self) -> Result<&SqliteStore, StoreError> {
        if self.books.is_none() {
            let options = OpenOptions { read_only: true, ..OpenOptions::default() };
            self.books = Some(SqliteStore::open(&self.database, options)?);
        }
        Ok(self.books.as_ref().expect("it was opened just now"))
    }

    /// Writes all there is to write, sends all there is to send; gives how long there is nothing to do.
    fn round(&mut self) -> Result<Duration, Trouble> {
        self.books()?;
        let Some(books) = &self.books else { return Ok(PAUSE) };
        let mut is_more = true;
        for _ in 0..ROUNDS {
            let now = self.clock.now().wall;
            let records = self.outbox.records(now, books)?;
            if !records.is_empty() {
                let written = self.node.answer(Ask::Write(records));
                if let Err(error) = written {
                    tracing::debug!(%error, "alerts are not written now");
                    return Err(Trouble::Node);
                }
            }
            is_more = self.outbox.is_written();
            if !is_more {
                break;
            }
        }
        if self.stop_at.is_some() {
            return Ok(Duration::from_millis(50));
        }
        let now = self.clock.now().wall;
        let senders = &mut self.senders;
        let jobs = self.outbox.jobs(now, books, &mut |channel| senders.take_room(channel))?;
        for job in jobs {
            let (house, codes) = (self.senders.house(), self.senders.codes());
            match message::compose(&job, house, codes, &self.staff_zone, books) {
                Ok(message) => self.senders.send(job, message),
                Err(error) => {
                    let (id, channel) = (job.alert.id, &job.entry.contact.channel);
                    self.senders.ended(channel);
                    self.outbox.ended(id, channel, Outcome::Failed(error.to_string()));
                }
            }
        }
        if is_more {
            return Ok(Duration::ZERO);
        }
        // What is due and finds no room is looked at when something has ended.
        let wait = match books.next_due()? {
            Some(at) if at > now => Duration::from_millis(at.ms_since(now) + 1),
            // The first may be under way, and the second due in a moment.
            Some(_) if self.outbox.under_way() > 0 => PAUSE,
            Some(_) => Duration::from_millis(100),
            None => LONGEST,
        };
        Ok(wait.min(LONGEST))
    }
}
