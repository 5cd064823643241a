//! Calls in flight, step by step, each step durable before the next. Lives here: the closed loop, its figures. Never
//! here: what is compared (`main`).

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use engine::{Attempt, CallOrder, Caller, Ended, Engine, Extension, Verdict};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use store::{Backend, Batch, Writer, WriterOptions};
use types::cdr::{HangupCause, LegRecord};
use types::{DecisionId, HangupSide, LineId, Now, Record, TrunkId};

use crate::{Failure, town};

/// A step of a call that has to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Decided, money held: before the INVITE leaves.
    Reserve,
    /// Answered.
    Answer,
    /// The next slice held.
    Extend,
    /// Ended: CDR, two transfers, the hold is gone.
    Settle,
}

impl Op {
    pub const ALL: [Op; 4] = [Op::Reserve, Op::Answer, Op::Extend, Op::Settle];

    pub fn name(self) -> &'static str {
        match self {
            Op::Reserve => "reserve",
            Op::Answer => "answer",
            Op::Extend => "extend",
            Op::Settle => "settle",
        }
    }
}

/// What a step took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub per_second: f64,
    /// User and system time of the whole process.
    pub cpu_us: f64,
    /// From the request to its commit.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
pub fn clock() -> Instant {
    Instant::now()
}

/// User and system time so far, in microseconds.
pub fn cpu_us() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let both = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(both as f64)
}

/// The middle of each figure over the rounds.
pub fn median(rounds: &[Figures]) -> Figures {
    let middle = |pick: fn(&Figures) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(pick).collect();
        percentile(&mut all, 0.5)
    };
    Figures {
        per_second: middle(|one| one.per_second),
        cpu_us: middle(|one| one.cpu_us),
        p50_ms: middle(|one| one.p50_ms),
        p99_ms: middle(|one| one.p99_ms),
    }
}

pub fn percentile(all: &mut [f64], share: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    let at = (all.len() as f64 * share) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Times of a step, from its latencies.
pub fn figures(
    latencies_ms: &mut [f64],
    begun: Instant,
    cpu_before: f64,
) -> Result<Figures, Failure> {
    let count = latencies_ms.len() as f64;
    Ok(Figures {
        per_second: count / begun.elapsed().as_secs_f64(),
        cpu_us: (cpu_us()? - cpu_before) / count,
        p50_ms: percentile(latencies_ms, 0.5),
        p99_ms: percentile(latencies_ms, 0.99),
    })
}

/// An engine with its time.
pub struct Town {
    engine: Engine,
    now: Now,
    calls: u64,
}

impl Town {
    pub fn new() -> Town {
        let (engine, now) = town::engine();
        Town { engine, now, calls: 0 }
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now = Now { tick: self.now.tick.plus_ms(ms), wall: self.now.wall.plus_ms(ms) };
    }

    /// Somebody calls a number in the country: admitted, and on its way to the carrier.
    fn admit(&mut self) -> DecisionId {
        let nth = self.calls;
        self.calls += 1;
        let line = LineId(1 + (nth as u32).wrapping_mul(7_919) % town::ACCOUNTS);
        let dialled = format!("0207946{:04}", nth % 10_000);
        let attempt = Attempt {
            from: Caller::Line(line),
            device: None,
            dialled: &dialled,
            claimed_caller: Some("+442079460000"),
            peer: [192, 0, 2, 1].into(),
        };
        match self.engine.admit(self.now, attempt) {
            Verdict::Admit(admission) => admission.into_route().decision,
            Verdict::Refuse(refusal) => panic!("refused: {:?}", refusal.findings),
        }
    }

    fn held(&self, decision: DecisionId) -> Vec<Record> {
        vec![Record::Hold(Box::new(self.engine.hold(decision).expect("it is in progress")))]
    }

    /// Lets time pass until the next slices are due.
    fn due(&mut self) -> Vec<DecisionId> {
        let Some(next) = self.engine.next_timeout() else { return Vec::new() };
        self.pass_ms(next.micros_since(self.now.tick).div_ceil(1_000));
        let orders = self.engine.handle_timeout(self.now).into_iter();
        orders
            .map(|order| match order {
                CallOrder::Extend(decision) => decision,
                other => panic!("{other:?}: the levels are far away"),
            })
            .collect()
    }

    fn end(&mut self, decision: DecisionId) -> Vec<Record> {
        let ended = Ended {
            cause: HangupCause::Normal,
            status: 200,
            side: HangupSide::Caller,
            a_leg: LegRecord::default(),
            b_leg: LegRecord::default(),
            trunk: Some(TrunkId(1)),
            lost_after: None,
            finding: None,
        };
        self.engine.end(self.now, decision, ended)
    }
}

/// The decision alone: mean CPU, median and p99, in microseconds.
pub fn decision(town: &mut Town) -> (f64, f64, f64) {
    let count = 200_000;
    let mut times = Vec::with_capacity(count);
    let mut on_cpu = 0;
    for _ in 0..count {
        town.pass_ms(10);
        let (before, begun) = (thread_ns(), clock());
        let decision = town.admit();
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        on_cpu += thread_ns() - before;
        town.end(decision);
    }
    let mean = on_cpu as f64 / 1_000.0 / count as f64;
    (mean, percentile(&mut times, 0.5), percentile(&mut times, 0.99))
}

/// Time that this thread was on a processor.
fn thread_ns() -> u64 {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    let now = nix::time::clock_gettime(clock).expect("this is Linux");
    now.num_nanoseconds().cast_unsigned()
}

/// Takes calls through all their steps, so many in flight at a time.
pub fn run<B: Backend + 'static>(
    town: &mut Town,
    store: B,
    options: WriterOptions,
    in_flight: usize,
    calls: usize,
) -> Result<Vec<(Op, Figures)>, Failure> {
    let (sender, told) = channel();
    let deliver = move |ticket, outcome: Result<(), store::CommitError>| {
        outcome.expect("the disk of a measurement works");
        let _ = sender.send(ticket);
    };
    let writer = Writer::start(store, options, deliver, || {})?;
    let mut decisions = vec![DecisionId(0); calls];
    let mut all = Vec::new();
    let reserved = in_turn(&writer, &told, in_flight, calls, |nth| {
        town.pass_ms(1);
        decisions[nth] = town.admit();
        town.engine.use_trunk(decisions[nth], TrunkId(1));
        town.held(decisions[nth])
    })?;
    all.push((Op::Reserve, reserved));
    let answered = in_turn(&writer, &told, in_flight, calls, |nth| {
        town.engine.answered(town.now, decisions[nth]);
        town.held(decisions[nth])
    })?;
    all.push((Op::Answer, answered));
    let mut due = town.due();
    while due.len() < calls {
        let more = town.due();
        assert!(!more.is_empty(), "{} of {calls} slices became due", due.len());
        due.extend(more);
    }
    let extended = in_turn(&writer, &told, in_flight, calls, |nth| {
        assert_eq!(town.engine.extend(town.now, due[nth]), Extension::Granted);
        let records = town.held(due[nth]);
        town.engine.extension_stored(town.now, due[nth]);
        records
    })?;
    all.push((Op::Extend, extended));
    town.pass_ms(1_000);
    let settled = in_turn(&writer, &told, in_flight, calls, |nth| town.end(decisions[nth]))?;
    all.push((Op::Settle, settled));
    drop(writer);
    Ok(all)
}

fn in_turn<B: Backend + 'static>(
    writer: &Writer<B>,
    told: &Receiver<u64>,
    in_flight: usize,
    count: usize,
    mut step: impl FnMut(usize) -> Vec<Record>,
) -> Result<Figures, Failure> {
    let (before, begun) = (cpu_us()?, clock());
    let mut started = Vec::with_capacity(count);
    let mut latencies_ms = Vec::with_capacity(count);
    while latencies_ms.len() < count {
        while started.len() < count && started.len() - latencies_ms.len() < in_flight {
            started.push(clock());
            let nth = started.len() - 1;
            writer.submit(Batch { ticket: nth as u64, records: step(nth) })?;
        }
        // One is waited for; those of the same group are there with it.
        let mut next = Some(told.recv()?);
        while let Some(ticket) = next {
            latencies_ms.push(started[ticket as usize].elapsed().as_secs_f64() * 1_000.0);
            next = told.try_recv().ok();
        }
    }
    figures(&mut latencies_ms, begun, before)
}
