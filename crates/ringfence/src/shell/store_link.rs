//! Between node and store. Lives here: handing requests to the writer, answers back, and the journal
//! that takes what must not be lost while the store is down. Never here: SQL, what records mean.
//!
//! ```text
//!   Up ── a commit failed ──► Down ── journal told to the store and emptied ──► Up
//!                              │ every second: tell the journal to the store
//!                              └ meanwhile: money cannot be held; everything else goes to the journal
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context;
use edge::StoreRequest;
use store::{Backend, Batch, Journal, Sealer, SubmitError, Writer, WriterOptions};
use types::{Record, Tick};

use super::pace::Pace;

/// Time between two attempts to come back.
const PROBE_MS: u64 = 1_000;
/// A commit that takes longer counts as the store being down.
const STALL_MS: u64 = 3_000;
/// Tickets of our own batches count upwards from here: the node's do from 1.
const OUR_TICKETS: u64 = 1 << 63;
/// Frames of the journal that are told at once.
const FRAMES: usize = 1_024;
/// Jobs that may wait for the journal's thread; what comes when a disk does not answer fails.
const JOURNAL_JOBS: usize = 4_096;
/// Requests that may wait while the store is asked whether it is back.
const WAITING: usize = 100_000;

/// What the node is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `Input::Stored`
    Stored(u64, bool),
    /// `Input::StoreHealth`
    Health(bool),
}

enum Event {
    Written(u64, Result<(), store::CommitError>),
    Journaled(u64, bool),
    /// What the journal holds, for telling it to the store: the records of each append.
    Contents(Result<Vec<Vec<Record>>, store::StoreError>),
    /// What the store refuses was kept beside the journal.
    SetAside(bool),
    Cleared(bool),
}

enum JournalJob {
    Append(u64, Vec<Record>),
    Read,
    SetAside(Vec<Record>, String),
    Clear,
}

/// The journal on its way to the store.
#[derive(Default)]
struct Telling {
    /// Frames that were not told yet.
    frames: VecDeque<Vec<Record>>,
    /// Those at the writer, by ticket.
    told: BTreeMap<u64, Vec<Record>>,
    /// Those that are being set aside.
    aside: usize,
    has_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Try to come back at this time.
    Down(Tick),
    /// The journal is being told to the store; requests wait.
    Probing,
}

/// The store as the node sees it.
pub struct StoreLink<B> {
    writer: Option<Writer<B>>,
    journal: Option<(SyncSender<JournalJob>, JoinHandle<()>)>,
    telling: Telling,
    last_ours: u64,
    events: Receiver<Event>,
    state: State,
    /// What the node was told last.
    told_up: bool,
    /// Tickets at the writer, oldest first, with the time of asking.
    open: std::collections::VecDeque<(u64, Tick)>,
    /// Requests that wait for the outcome of a probe, or for company.
    waiting: Vec<StoreRequest>,
    pace: Pace,
    /// Since when the first one waits for company.
    gathering_since: Tick,
}

impl<B: Backend + 'static> StoreLink<B> {
    /// Starts the writer's and the journal's threads. `wake` is called when there is something to hear.
    pub fn start(
        store: B,
        (journal, sealer): (PathBuf, Option<Arc<Sealer>>),
        wake: impl Fn() + Send + Clone + 'static,
    ) -> anyhow::Result<StoreLink<B>> {
        let (tell, events) = channel();
        let journal = start_journal(Journal::open(journal, sealer)?, tell.clone(), wake.clone())?;
        let deliver = move |ticket, outcome| {
            // The node's thread is gone only when the program ends.
            drop(tell.send(Event::Written(ticket, outcome)));
        };
        let writer = Writer::start(store, WriterOptions::default(), deliver, wake)
            .context("cannot start the writer's thread")?;
        Ok(StoreLink {
            writer: Some(writer),
            journal: Some(journal),
            telling: Telling::default(),
            last_ours: OUR_TICKETS,
            events,
            state: State::Up,
            told_up: true,
            open: std::collections::VecDeque::new(),
            waiting: Vec::new(),
            pace: Pace::new(300, 32, 4_000),
            gathering_since: Tick::NEVER,
        })
    }

    /// Takes the node's requests, in order; what can be answered at once is added to `answers`.
    pub fn submit(
        &mut self,
        now: Tick,
        requests: impl Iterator<Item = StoreRequest>,
        answers: &mut Vec<Answer>,
    ) {
        for request in requests {
            match self.state {
                State::Up if self.pace.pause_us() > 0 && self.waiting.len() < WAITING => {
                    self.pace.note(now, 1);
                    self.gathering_since = self.gathering_since.min(now);
                    self.waiting.push(request);
                }
                State::Up => {
                    self.pace.note(now, 1);
                    self.write_waiting(now, answers);
                    self.write(now, request, answers);
                }
                State::Down(_) => self.journal(request, answers),
                State::Probing if self.waiting.len() < WAITING => self.waiting.push(request),
                State::Probing => answers.push(Answer::Stored(request.ticket, false)),
            }
        }
    }

    fn write(&mut self, now: Tick, request: StoreRequest, answers: &mut Vec<Answer>) {
        let Some(writer) = &self.writer else { return };
        let batch = Batch { ticket: request.ticket, records: request.records };
        match writer.submit(batch) {
            Ok(()) => self.open.push_back((request.ticket, now)),
            Err(SubmitError::QueueFull { batch, .. } | SubmitError::Stopped { batch }) => {
                answers.push(Answer::Stored(batch.ticket, false));
            }
        }
    }

    fn write_waiting(&mut self, now: Tick, answers: &mut Vec<Answer>) {
        self.gathering_since = Tick::NEVER;
        for request in std::mem::take(&mut self.waiting) {
            self.write(now, request, answers);
        }
    }

    /// When those that wait for company have waited long enough.
    fn gathered_at(&self) -> Tick {
        match self.gathering_since {
            Tick::NEVER => Tick::NEVER,
            since => Tick(since.0.saturating_add(self.pace.pause_us())),
        }
    }

    /// Money cannot be held by a journal: a power cut may leave it unread for long. The rest can.
    fn journal(&mut self, request: StoreRequest, answers: &mut Vec<Answer>) {
        let holds_money = |record: &Record| match record {
            Record::Hold(hold) => !hold.amount.is_zero(),
            _ => false,
        };
        let is_refused = request.records.iter().any(holds_money);
        match &self.journal {
            Some((jobs, _)) if !is_refused => {
                let job = JournalJob::Append(request.ticket, request.records);
                if jobs.try_send(job).is_err() {
                    answers.push(Answer::Stored(request.ticket, false));
                }
            }
            _ => answers.push(Answer::Stored(request.ticket, false)),
        }
    }

    /// Hears what the threads have done.
    pub fn hear(&mut self, now: Tick, answers: &mut Vec<Answer>) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Written(ticket, outcome) if ticket > OUR_TICKETS => {
                    self.frame_told(now, ticket, outcome, answers);
                }
                Event::Written(ticket, outcome) => self.written(now, ticket, outcome, answers),
                Event::Journaled(ticket, ok) => answers.push(Answer::Stored(ticket, ok)),
                Event::Contents(contents) => self.tell_journal(now, contents, answers),
                Event::SetAside(ok) => {
                    self.telling.aside = self.telling.aside.saturating_sub(1);
                    self.telling.has_failed |= !ok;
                    self.tell_on(now, answers);
                }
                Event::Cleared(true) => self.come_back(now, answers),
                Event::Cleared(false) => self.go_down(now, answers),
            }
        }
    }

    fn written(
        &mut self,
        now: Tick,
        ticket: u64,
        outcome: Result<(), store::CommitError>,
        answers: &mut Vec<Answer>,
    ) {
        // Answers come in order, but for those of an unknown outcome.
        match self.open.front() {
            Some((first, _)) if *first == ticket => drop(self.open.pop_front()),
            _ => self.open.retain(|(open, _)| *open != ticket),
        }
        if let Err(error) = &outcome {
            if error.cause().is_refusal() {
                tracing::error!(%error, "the store refuses a record");
            } else if self.state == State::Up {
                tracing::error!(%error, "the store is down: no new chargeable calls");
                self.go_down(now, answers);
            }
        }
        answers.push(Answer::Stored(ticket, outcome.is_ok()));
    }

    /// What is due by time: coming back, noticing a stall. Returns when to look again.
    pub fn tick(&mut self, now: Tick, answers: &mut Vec<Answer>) -> Tick {
        if let State::Down(at) = self.state
            && at <= now
            && let Some((jobs, _)) = &self.journal
        {
            self.state = State::Probing;
            if jobs.try_send(JournalJob::Read).is_err() {
                self.state = State::Down(now.plus_ms(PROBE_MS));
            }
        }
        self.pace.note(now, 0);
        if self.state == State::Up && self.gathered_at() <= now {
            self.write_waiting(now, answers);
        }
        let oldest = self.open.front().map_or(Tick::NEVER, |(_, asked)| asked.plus_ms(STALL_MS));
        if self.state == State::Up {
            self.tell_health(oldest > now, answers);
        }
        match self.state {
            State::Down(at) => at,
            State::Up if self.gathering_since != Tick::NEVER => oldest.min(self.gathered_at()),
            _ if self.told_up => oldest,
            _ => now.plus_ms(PROBE_MS),
        }
    }

    fn go_down(&mut self, now: Tick, answers: &mut Vec<Answer>) {
        self.state = State::Down(now.plus_ms(PROBE_MS));
        self.tell_health(false, answers);
        self.gathering_since = Tick::NEVER;
        for request in std::mem::take(&mut self.waiting) {
            self.journal(request, answers);
        }
    }

    fn tell_journal(
        &mut self,
        now: Tick,
        contents: Result<Vec<Vec<Record>>, store::StoreError>,
        answers: &mut Vec<Answer>,
    ) {
        let mut frames = match contents {
            Ok(frames) => VecDeque::from(frames),
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                return self.go_down(now, answers);
            }
        };
        if frames.is_empty() {
            // Nothing to tell, but is anybody there?
            frames.push_back(Vec::new());
        }
        self.telling = Telling { frames, ..Telling::default() };
        self.tell_on(now, answers);
    }

    /// Tells further frames; at the end the journal is emptied, or telling begins anew later.
    fn tell_on(&mut self, now: Tick, answers: &mut Vec<Answer>) {
        let telling = &mut self.telling;
        while !telling.has_failed && telling.told.len() < FRAMES {
            let Some(records) = telling.frames.pop_front() else { break };
            self.last_ours += 1;
            let batch = Batch { ticket: self.last_ours, records: records.clone() };
            let submitted = self.writer.as_ref().is_some_and(|w| w.submit(batch).is_ok());
            telling.has_failed |= !submitted;
            if submitted {
                telling.told.insert(self.last_ours, records);
            }
        }
        if !telling.told.is_empty() || telling.aside > 0 {
            return;
        }
        let is_cleared = !telling.has_failed && self.ask_journal(JournalJob::Clear);
        if !is_cleared {
            self.go_down(now, answers);
        }
    }

    /// One frame was told. One that is refused for what it holds would be refused for ever: it is set
    /// aside, and the others go on.
    fn frame_told(
        &mut self,
        now: Tick,
        ticket: u64,
        outcome: Result<(), store::CommitError>,
        answers: &mut Vec<Answer>,
    ) {
        let Some(records) = self.telling.told.remove(&ticket) else { return };
        match outcome {
            Ok(()) => {}
            Err(error) if error.cause().is_refusal() => {
                tracing::error!(%error, "the store refuses what the journal kept: it is set aside");
                if self.ask_journal(JournalJob::SetAside(records, error.to_string())) {
                    self.telling.aside += 1;
                } else {
                    self.telling.has_failed = true;
                }
            }
            Err(_) => self.telling.has_failed = true,
        }
        self.tell_on(now, answers);
    }

    fn ask_journal(&self, job: JournalJob) -> bool {
        self.journal.as_ref().is_some_and(|(jobs, _)| jobs.try_send(job).is_ok())
    }

    fn come_back(&mut self, now: Tick, answers: &mut Vec<Answer>) {
        tracing::info!("the store is back");
        self.state = State::Up;
        self.tell_health(true, answers);
        self.write_waiting(now, answers);
    }

    fn tell_health(&mut self, up: bool, answers: &mut Vec<Answer>) {
        if self.told_up != up {
            self.told_up = up;
            answers.push(Answer::Health(up));
        }
    }

    /// Does the database take records at once? Otherwise the journal does, and nobody reads them there.
    pub fn takes_records(&self) -> bool {
        self.state == State::Up
    }

    /// Is money held at the moment?
    pub fn is_up(&self) -> bool {
        self.told_up
    }

    /// How the writer does.
    pub fn health(&self) -> store::Health {
        self.writer.as_ref().map(Writer::health).unwrap_or_default()
    }

    /// Is nothing asked that was not answered?
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// Writes what is queued, ends both threads and gives the store back.
    pub fn stop(mut self) -> Option<B> {
        let mut unheard = Vec::new();
        match self.state {
            State::Up => self.write_waiting(Tick(0), &mut unheard),
            State::Down(_) | State::Probing => {
                for request in std::mem::take(&mut self.waiting) {
                    self.journal(request, &mut unheard);
                }
            }
        }
        let store = self.writer.take().and_then(Writer::stop);
        if let Some((jobs, thread)) = self.journal.take() {
            drop(jobs);
            // A panic of the thread was printed by it.
            drop(thread.join());
        }
        store
    }
}

/// The journal has a thread of its own: syncing a file must not stop the node.
fn start_journal(
    mut journal: Journal,
    tell: Sender<Event>,
    wake: impl Fn() + Send + 'static,
) -> anyhow::Result<(SyncSender<JournalJob>, JoinHandle<()>)> {
    let (jobs, inbox) = sync_channel::<JournalJob>(JOURNAL_JOBS);
    let work = move || {
        for job in inbox {
            let event = match job {
                JournalJob::Append(ticket, records) => {
                    Event::Journaled(ticket, log(journal.append(&records)))
                }
                JournalJob::Read => {
                    Event::Contents(journal.contents().map(|contents| contents.frames))
                }
                JournalJob::SetAside(records, why) => {
                    Event::SetAside(log(journal.set_aside(&records, &why)))
                }
                JournalJob::Clear => Event::Cleared(log(journal.clear())),
            };
            if tell.send(event).is_err() {
                return;
            }
            wake();
        }
    };
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(work)
        .context("cannot start the journal's thread")?;
    Ok((jobs, thread))
}

fn log(outcome: Result<(), store::StoreError>) -> bool {
    outcome.inspect_err(|error| tracing::error!(%error, "the journal failed")).is_ok()
}

#[cfg(test)]
mod tests;
