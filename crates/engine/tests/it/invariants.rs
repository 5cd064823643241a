//! Random lives of many calls against a second model of the money, with restarts in between.

use std::collections::{BTreeMap, BTreeSet};

use engine::{CallOrder, Command, Engine, Extension};
use types::cdr::HangupCause;
use types::record::Spending;
use types::{
    AccountStatus, Cdr, DecisionId, Dice, Hold, Money, Now, Record, Snapshot, Tick, Transfer,
    TransferKind, UnixMicros,
};

use crate::world::*;

const DIALLED: [&str; 7] = [PARIS, LONDON, RIGA, "+35312345678", "1001", "999", "07700900"];
const DAY_US: i64 = 86_400_000_000;

/// What a store would hold, kept by hand.
#[derive(Default)]
struct Store {
    holds: BTreeMap<DecisionId, Hold>,
    cdrs: BTreeMap<DecisionId, Cdr>,
    transfers: Vec<Transfer>,
    admitted: BTreeSet<DecisionId>,
}

impl Store {
    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::HoldClosed(decision) => {
                    assert!(self.holds.remove(&decision).is_some(), "closed once");
                }
                Record::Cdr(cdr) => {
                    assert!(self.cdrs.insert(cdr.decision, *cdr).is_none(), "one CDR a decision");
                }
                Record::Transfer(transfer) => self.transfers.push(transfer),
                _ => {}
            }
        }
    }

    fn snapshot(&self, like: &Snapshot) -> Snapshot {
        let charged = || self.cdrs.values().filter(|cdr| !cdr.price.is_zero());
        let spending = |cdr: &Cdr| Spending {
            account: cdr.account,
            at: cdr.ended,
            amount: cdr.price,
            costly: cdr.destination.class.is_costly(),
        };
        let unbilled = charged().fold(Money::ZERO, |sum, cdr| sum.saturating_add(cdr.price));
        let hotspot = |cdr: &&Cdr| cdr.destination.hotspot && cdr.answered.is_some();
        Snapshot {
            holds: self.holds.values().cloned().collect(),
            spending: charged().map(spending).collect(),
            unbilled: vec![(ALICE, unbilled)],
            hotspot_calls: charged().filter(hotspot).map(|cdr| (ALICE, cdr.started)).collect(),
            last_decision: self.admitted.last().copied().unwrap_or_default(),
            ..like.clone()
        }
    }

    /// Costly and all spending of exactly the last 24 hours, and what the stored holds hold.
    fn exposure(&self, now: UnixMicros) -> [i64; 4] {
        let mut sums = [0; 4];
        for cdr in self.cdrs.values().filter(|cdr| cdr.ended.0 > now.0 - DAY_US) {
            sums[0] += cdr.price.micros() * i64::from(cdr.destination.class.is_costly());
            sums[1] += cdr.price.micros();
        }
        for hold in self.holds.values() {
            sums[2] += hold.amount.micros() * i64::from(hold.destination.class.is_costly());
            sums[3] += hold.amount.micros();
        }
        sums
    }
}

/// One run: the engine, the store, and the log that a replay must repeat.
struct Run {
    engine: Engine,
    now: Now,
    store: Store,
    base: Snapshot,
    dice: Dice,
    log: Vec<String>,
    prompt: bool,
}

impl Run {
    /// `prompt`: are timers handled in time and calls hung up when they are cut?
    fn new(seed: u64, prompt: bool) -> Run {
        let mut base = snapshot();
        let mut dice = Dice::simulated(seed, 0);
        let controls = &mut base.accounts[0].controls;
        controls.stop_level_24h = micros(60_000 + dice.below(200_000) as i64);
        controls.stop_level_all_24h = micros(100_000 + dice.below(200_000) as i64);
        controls.stop_level_off_hours = Some(micros(50_000));
        controls.hotspot_calls = 3;
        let now = Now { tick: Tick(0), wall: NOON };
        let engine = Engine::new(config(), &base, now).expect("a good snapshot");
        Run { engine, now, store: Store::default(), base, dice, log: Vec::new(), prompt }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..35 => self.admit(),
            35..50 => self.answer(),
            50..60 => self.end_one(),
            60..90 => self.pass(60_000),
            90..96 => self.pass(7_200_000),
            96..98 => self.restart(),
            _ => self.change_status(),
        }
        assert_eq!(self.engine.audit(), Ok(()));
    }

    fn admit(&mut self) {
        let dialled = DIALLED[self.dice.below(DIALLED.len() as u64) as usize];
        let attempt = engine::Attempt {
            from: engine::Caller::Line(ALICE_LINE),
            device: None,
            dialled,
            claimed_caller: None,
            peer: PEER,
        };
        match self.engine.admit(self.now, attempt) {
            engine::Verdict::Admit(admission) => {
                let decision = admission.decision();
                assert!(self.store.admitted.insert(decision), "a decision is new");
                self.store_hold(decision);
                self.check_levels(decision);
                self.log.push(format!("{dialled}: {admission:?}"));
                self.engine.use_trunk(decision, MAIN_TRUNK);
            }
            engine::Verdict::Refuse(refusal) => {
                assert!(!refusal.findings.is_empty());
                self.log.push(format!("{dialled}: {refusal:?}"));
            }
        }
    }

    fn store_hold(&mut self, decision: DecisionId) {
        let hold = self.engine.hold(decision).expect("it is live");
        self.store.holds.insert(decision, hold);
    }

    /// The rule of the house, by the second model, for a call that has just been given money.
    fn check_levels(&self, decision: DecisionId) {
        let hold = &self.store.holds[&decision];
        if hold.amount.is_zero() {
            return;
        }
        let [spent_costly, spent, held_costly, held] = self.store.exposure(self.now.wall);
        let controls = &self.base.accounts[0].controls;
        assert!(spent + held <= controls.stop_level_all_24h.micros());
        if hold.destination.class.is_costly() {
            assert!(spent_costly + held_costly <= controls.stop_level_24h.micros());
        }
    }

    fn pick(&mut self, ringing: bool) -> Option<DecisionId> {
        let live: Vec<DecisionId> = self
            .engine
            .live()
            .filter(|call| !ringing || call.answered.is_none())
            .map(|call| call.decision)
            .collect();
        let chosen = self.dice.below(live.len() as u64) as usize;
        live.get(chosen).copied()
    }

    fn answer(&mut self) {
        if let Some(decision) = self.pick(true) {
            let deadlines = self.engine.answered(self.now, decision);
            self.store_hold(decision);
            self.log.push(format!("{decision} answered: {deadlines:?}"));
        }
    }

    fn end_one(&mut self) {
        const CAUSES: [HangupCause; 4] = [
            HangupCause::Normal,
            HangupCause::Cancelled,
            HangupCause::Fault,
            HangupCause::SessionExpired,
        ];
        let cause = CAUSES[self.dice.below(4) as usize];
        if let Some(decision) = self.pick(false) {
            self.end(decision, cause);
        }
    }

    fn end(&mut self, decision: DecisionId, cause: HangupCause) {
        let held = self.engine.hold(decision).expect("it is live");
        let records = self.engine.end(self.now, decision, ended(cause));
        let price = cdr(&records).price;
        if self.prompt {
            assert!(price <= held.amount, "a prompt hang-up costs what is held at most");
        }
        if held.answered().is_none() {
            assert_eq!(price, Money::ZERO, "nobody pays for ringing");
        }
        self.log.push(format!("{records:?}"));
        self.store.write(records);
        assert_eq!(self.engine.end(self.now, decision, ended(cause)), [], "a call ends once");
    }

    /// Time passes; timers are handled when they are due, or only at the end.
    fn pass(&mut self, longest_ms: u64) {
        let until = self.now.tick.plus_ms(self.dice.below(longest_ms));
        while self.prompt
            && let Some(next) = self.engine.next_timeout().filter(|next| *next <= until)
        {
            // Nobody wakes up to the microsecond.
            let late_ms = self.dice.below(251);
            self.move_to(next.plus_ms(late_ms));
            self.handle_timers();
        }
        self.move_to(until);
        self.handle_timers();
    }

    fn move_to(&mut self, tick: Tick) {
        let ahead = tick.micros_since(self.now.tick);
        self.now = Now {
            tick: Tick(self.now.tick.0 + ahead),
            wall: UnixMicros(self.now.wall.0 + ahead as i64),
        };
    }

    fn handle_timers(&mut self) {
        for order in self.engine.handle_timeout(self.now) {
            self.log.push(format!("{order:?}"));
            match order {
                CallOrder::Extend(decision) => self.extend(decision),
                CallOrder::Cut(decision, cause) => self.end(decision, cause),
            }
        }
    }

    fn extend(&mut self, decision: DecisionId) {
        let before = self.engine.deadlines(decision).expect("it is live").hard_stop;
        let granted = self.engine.extend(self.now, decision) == Extension::Granted;
        if !granted {
            assert_eq!(self.engine.deadlines(decision).map(|d| d.hard_stop), Some(before));
            return;
        }
        match self.dice.below(10) {
            0 => {
                let after = self.engine.extension_failed(self.now, decision);
                assert_eq!(after.hard_stop, before);
            }
            // The store never says a word.
            1 => self.store_hold(decision),
            _ => {
                self.store_hold(decision);
                self.check_levels(decision);
                self.engine.extension_stored(self.now, decision);
            }
        }
    }

    fn change_status(&mut self) {
        use AccountStatus::*;
        let status = [Active, Active, Watched, Limited, Frozen][self.dice.below(5) as usize];
        let done = self.engine.command(self.now, Command::SetStatus(ALICE, status)).expect("good");
        self.base.accounts[0].status = status;
        for decision in done.cut {
            self.end(decision, HangupCause::Cut);
        }
    }

    /// A crash: what the store holds comes back, the rest is gone. Exposure is the same or more.
    fn restart(&mut self) {
        let stored = self.store.exposure(self.now.wall);
        let before = self.engine.usage(self.now, ALICE).expect("Alice is known");
        let snapshot = self.store.snapshot(&self.base);
        let started = Now { tick: Tick(self.dice.below(5_000_000)), wall: self.now.wall };
        self.engine = Engine::new(config(), &snapshot, started).expect("a good snapshot");
        self.now = started;
        let after = self.engine.usage(self.now, ALICE).expect("Alice is known");
        assert!(after.spent_24h >= before.spent_24h && after.spent_7d >= before.spent_7d);
        assert!(after.spent_1h >= before.spent_1h && after.spent_all_24h >= before.spent_all_24h);
        assert!(after.held_costly.micros() >= stored[2] && after.held.micros() >= stored[3]);
        assert!(after.unbilled >= before.unbilled);
        assert_eq!(self.engine.recovered().len(), self.store.holds.len());
        self.log.push(format!("restart: {after:?}"));
    }

    fn finish(mut self) -> Vec<String> {
        while let Some(decision) = self.pick(false) {
            self.end(decision, HangupCause::Normal);
        }
        let usage = self.engine.usage(self.now, ALICE).expect("Alice is known");
        assert_eq!((usage.held, usage.calls, usage.costly_calls), (Money::ZERO, 0, 0));
        let ended: BTreeSet<DecisionId> = self.store.cdrs.keys().copied().collect();
        assert_eq!(ended, self.store.admitted, "each admission ended, and nothing else");
        self.check_postings();
        self.log
    }

    /// M2: the charges posted are the prices of the CDRs, and so are the costs.
    fn check_postings(&self) {
        let posted = |kind| -> i64 {
            let of_kind = self.store.transfers.iter().filter(|transfer| transfer.kind == kind);
            of_kind.map(|transfer| transfer.amount.micros()).sum()
        };
        let prices: i64 = self.store.cdrs.values().map(|cdr| cdr.price.micros()).sum();
        let costs: i64 = self.store.cdrs.values().map(|cdr| cdr.cost.micros()).sum();
        assert_eq!((posted(TransferKind::Charge), posted(TransferKind::Cost)), (prices, costs));
        let times = |cdr: &Cdr| cdr.answered.is_none_or(|at| at >= cdr.started && at <= cdr.ended);
        assert!(self.store.cdrs.values().all(times));
    }
}

trait Answered {
    fn answered(&self) -> Option<UnixMicros>;
}

impl Answered for Hold {
    fn answered(&self) -> Option<UnixMicros> {
        match self.state {
            types::HoldState::Answered(at) => Some(at),
            types::HoldState::Pending => None,
        }
    }
}

fn run(seed: u64, prompt: bool) -> Vec<String> {
    let mut run = Run::new(seed, prompt);
    for _ in 0..400 {
        run.step();
    }
    run.finish()
}

#[test]
fn no_account_holds_or_spends_beyond_its_levels() {
    let mut admitted = 0;
    for seed in 0..60 {
        admitted += run(seed, true).iter().filter(|line| line.contains("Admission")).count();
    }
    assert!(admitted > 1_000, "the runs must do something, {admitted} calls were admitted");
}

#[test]
fn nor_when_ticks_are_lost() {
    for seed in 1_000..1_040 {
        run(seed, false);
    }
}

#[test]
fn decisions_replay_identically() {
    for seed in 0..10 {
        assert_eq!(run(seed, seed % 2 == 0), run(seed, seed % 2 == 0), "seed {seed}");
    }
}
