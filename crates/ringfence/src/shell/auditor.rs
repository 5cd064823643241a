//! The auditor beside the node: follows the record, in the order of commits, with a connection of its own. Lives here: its
//! thread, its pauses, how far it is. Never here: judging (`crate::audit`), what follows from a mismatch (the engine).
//!
//! It works in batches and rests in between, four times as long as it worked, so that it never takes more than a fifth of a
//! processor. How far it came is kept in the store: with each mismatch in the same transaction, and besides now and then;
//! after a restart some calls are judged again, which changes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ::audit::Calendar;
use anyhow::Context;
use engine::AuditReport;
use serde_json::{Value, json};
use store::{OpenOptions, Reader, SqliteStore};
use types::UnixMicros;

use super::clock::system_wall;
use super::control::{Ask, NodeHandle};
use crate::audit::{Bad, StoreEvidence, judge_calls, report, starts};
use crate::change::Change;

/// Links looked at in one batch.
const LINKS: u32 = 2_048;
/// Looked for new calls so often.
const IDLE: Duration = Duration::from_millis(500);
/// Rest after work, and at least.
const REST: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(20);
/// After a failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// The mark is kept so often, if nothing else is.
const MARK_EVERY_US: i64 = 30_000_000;

/// How far it is; told in `status`.
#[derive(Default)]
struct Progress {
    link: AtomicU64,
    head: AtomicU64,
    judged: AtomicU64,
    bad: AtomicU64,
    /// When there was nothing left to do, by the system's clock.
    caught_up: AtomicI64,
}

/// The auditor's thread; it ends when this is dropped.
pub struct Auditor {
    progress: Arc<Progress>,
    #[expect(dead_code, reason = "the thread ends when it is dropped")]
    stop: SyncSender<()>,
}

impl Auditor {
    /// Starts it beside a node that starts now.
    pub fn start(
        database: PathBuf,
        node: NodeHandle,
        calendar: Calendar,
    ) -> anyhow::Result<Auditor> {
        let (stop, stopped) = sync_channel::<()>(1);
        let progress = Arc::new(Progress::default());
        progress.caught_up.store(system_wall().0, Ordering::Relaxed);
        let shared = Arc::clone(&progress);
        let work = move || {
            let mut round = None;
            let mut told = false;
            loop {
                let rest = match step(&mut round, &database, &node, &calendar, &shared) {
                    Ok(rest) => {
                        told = false;
                        rest
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut told, true) {
                            tracing::warn!(
                                error = format!("{error:#}"),
                                "calls cannot be audited; tried again"
                            );
                        }
                        round = None;
                        PATIENCE
                    }
                };
                if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("auditor".to_owned())
            .spawn(work)
            .context("cannot start the auditor's thread")?;
        Ok(Auditor { progress, stop })
    }

    /// How far it is, as JSON.
    pub fn view(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (link, head) = (of(&self.progress.link), of(&self.progress.head));
        let since = self.progress.caught_up.load(Ordering::Relaxed);
        json!({
            "judged": of(&self.progress.judged),
            "mismatches": of(&self.progress.bad),
            "links_behind": head.saturating_sub(link),
            "behind_ms": system_wall().ms_since(UnixMicros(since)),
        })
    }
}

/// Where it stands.
struct Round {
    evidence: StoreEvidence<SqliteStore>,
    link: u64,
    marked: u64,
    marked_at: UnixMicros,
}

fn open(database: &PathBuf, calendar: &Calendar) -> anyhow::Result<Round> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let store = SqliteStore::open(database, options)?;
    let link = store.audited()?;
    // The node's own start may not be on record yet.
    let mut starts = starts(&store)?;
    let later = starts.partition_point(|start| *start < calendar.since);
    starts.insert(later, calendar.since);
    let evidence = StoreEvidence::new(store, starts);
    Ok(Round { evidence, link, marked: link, marked_at: system_wall() })
}

/// One batch; how long to rest after it.
fn step(
    round: &mut Option<Round>,
    database: &PathBuf,
    node: &NodeHandle,
    calendar: &Calendar,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let round = match round {
        Some(round) => round,
        none => none.insert(open(database, calendar)?),
    };
    let began = system_wall();
    let found = round.evidence.reader().calls_after(round.link, LINKS)?;
    progress.head.store(found.head, Ordering::Relaxed);
    let calls = || found.calls.iter().map(|(_, cdr)| cdr);
    if !found.calls.is_empty() {
        round.evidence.begin()?;
        calls().for_each(|cdr| round.evidence.learn(cdr));
        let (judged, bad) = judge_calls(calls(), &mut round.evidence, calendar)?;
        if !bad.is_empty() {
            let report = report(round.evidence.reader(), &bad, Some(found.upto))?;
            tell(node, report)?;
            bad.iter().for_each(log);
            (round.marked, round.marked_at) = (found.upto, began);
        }
        progress.judged.fetch_add(judged, Ordering::Relaxed);
        progress.bad.fetch_add(bad.len() as u64, Ordering::Relaxed);
    }
    round.link = found.upto;
    progress.link.store(round.link, Ordering::Relaxed);
    if began.0.saturating_sub(round.marked_at.0) > MARK_EVERY_US {
        if round.marked < round.link {
            tell(node, AuditReport { mark: Some(round.link), found: Vec::new() })?;
        }
        (round.marked, round.marked_at) = (round.link, began);
    }
    let worked = Duration::from_millis(system_wall().ms_since(began));
    if found.upto < found.head {
        return Ok((worked * REST).max(SHORTEST_REST));
    }
    progress.caught_up.store(began.0, Ordering::Relaxed);
    Ok((worked * REST).max(IDLE))
}

fn tell(node: &NodeHandle, report: AuditReport) -> anyhow::Result<()> {
    node.answer(Ask::Change(Box::new(Change::Audited(Box::new(report))))).map(drop)
}

fn log(bad: &Bad) {
    tracing::error!(
        decision = %bad.cdr.decision,
        account = %bad.cdr.account,
        what = bad.words().join("; "),
        given_back = %bad.given_back(),
        "a call does not fit what stood for it: `ringfence explain` tells more"
    );
}
