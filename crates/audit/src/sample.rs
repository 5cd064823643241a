//! A call to be judged, for tests. Lives here: one that fits, and how to bend it. Never here: judging.

use jiff::Timestamp;
use types::{
    AccountId, AccountStatus, By, Cdr, Controls, DecisionId, DeckId, DestinationClass, LineId,
    LineSecurity, LineStanding, LineStatus, Money, Rate, RateRow, Standing, StopLevels, Transfer,
    TrunkId, UnixMicros, record_samples,
};

use crate::call::{Calls, KnownCall, is_exempt};
use crate::case::{Case, Priced};
use crate::off_hours::Calendar;
use crate::verdict::Mismatch;

/// 2026-11-24 is a Tuesday; ten in the morning in London.
pub const START: UnixMicros = UnixMicros(1_795_514_400_000_000);

/// A call abroad of thirty seconds, with all that is asked for it.
pub struct Sample {
    pub cdr: Cdr,
    pub exempt: bool,
    pub interrupted: bool,
    pub stood: Option<Standing>,
    pub later: Vec<Standing>,
    pub line_stood: Option<LineStanding>,
    pub line_later: Vec<LineStanding>,
    pub sold: Priced,
    pub bought: Priced,
    pub transfers: Vec<Transfer>,
    pub calls: Calls,
    calendar: Calendar,
}

impl Sample {
    pub fn new() -> Sample {
        let since = "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time");
        Sample {
            cdr: cdr(),
            exempt: false,
            interrupted: false,
            stood: Some(stood()),
            later: Vec::new(),
            line_stood: Some(line_stood()),
            line_later: Vec::new(),
            sold: Priced::At(vec![Some(Sample::rate(10_000))]),
            bought: Priced::At(vec![Some(Sample::rate(6_000))]),
            transfers: Vec::new(),
            calls: Calls::new(),
            calendar: Calendar::new(UnixMicros(since.as_microsecond()), (19, 7), true, []),
        }
    }

    /// By the second, so many millionths a minute.
    pub fn rate(per_minute: i64) -> Rate {
        record_samples::rate(per_minute)
    }

    pub fn class(&mut self, class: DestinationClass) {
        self.cdr.destination.class = class;
        self.exempt = is_exempt(class);
    }

    pub fn controls(&mut self) -> &mut Controls {
        &mut self.stood.as_mut().expect("it stands").controls
    }

    /// Another call, that came so many seconds after this one's decision, or before.
    pub fn add(&mut self, start_s: i64, call: KnownCall) {
        let at = UnixMicros(START.0 + start_s * 1_000_000);
        self.calls.insert(DecisionId::at(at), call);
    }

    /// What a judge finds, in words.
    pub fn found(&self, judge: fn(&Case<'_>, &mut Vec<Mismatch>)) -> String {
        let case = Case {
            cdr: &self.cdr,
            at: self.cdr.decision.time(),
            exempt: self.exempt,
            interrupted: self.interrupted,
            stood: self.stood.clone(),
            later: self.later.clone(),
            line_stood: self.line_stood.clone(),
            line_later: self.line_later.clone(),
            sold: self.sold.clone(),
            bought: self.bought.clone(),
            transfers: self.transfers.clone(),
            calls: &self.calls,
            calendar: &self.calendar,
        };
        let mut found = Vec::new();
        judge(&case, &mut found);
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// A row of a deck.
pub fn row(prefix: &str, micros: i64, effective: i64) -> RateRow {
    let (rate, effective) = (Sample::rate(micros), UnixMicros(effective));
    RateRow { prefix: prefix.to_owned(), name: prefix.into(), rate, effective }
}

/// A costly call abroad, of the line of the sample: seconds from the sample's decision.
pub fn known(start_s: i64, answer_s: Option<i64>, end_s: Option<i64>) -> KnownCall {
    let at = |s: i64| UnixMicros(START.0 + s * 1_000_000);
    let talk_s = answer_s.zip(end_s).map_or(0, |(answer, end)| (end - answer).unsigned_abs());
    KnownCall {
        line: Some(LineId(70)),
        started: at(start_s),
        answered: answer_s.map(at),
        ended: end_s.map(at),
        duration_ms: talk_s * 1_000,
        price: Money::ZERO,
        rate: Some(Sample::rate(10_000)),
        costly: true,
        counted: true,
        hotspot: false,
        interrupted: false,
    }
}

fn cdr() -> Cdr {
    let account = AccountId(7);
    let sample = record_samples::call(account, "+33142685300", START, 30_000, Sample::rate(10_000));
    let mut cdr = Cdr {
        line: Some(LineId(70)),
        price: Money::from_cents(1),
        cost_rate: Some(Sample::rate(6_000)),
        trunk: Some(TrunkId(3)),
        ..sample
    };
    cdr.a_leg.peer = Some("192.0.2.7:5060".parse().expect("a socket"));
    cdr
}

fn stood() -> Standing {
    Standing {
        account: AccountId(7),
        at: UnixMicros(1),
        status: AccountStatus::Active,
        controls: Controls { stop_level_off_hours: None, ..Controls::residential() },
        sell_deck: DeckId(1),
        reseller: None,
        time_zone: "Europe/London".to_owned(),
        by: By::STAFF,
        why: String::new(),
    }
}

fn line_stood() -> LineStanding {
    LineStanding {
        line: LineId(70),
        account: AccountId(7),
        at: UnixMicros(1),
        security: LineSecurity {
            status: LineStatus::Active,
            tls_only: false,
            sha256_only: false,
            ip_lock: Vec::new(),
            stop_levels: StopLevels::NONE,
        },
        by: By::STAFF,
        why: String::new(),
    }
}
