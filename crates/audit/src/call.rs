//! Other calls, as far as they matter for one. Lives here: what is remembered of each. Never here: which ones (evidence).

use std::collections::BTreeMap;

use types::decision::Outcome;
use types::{
    Cdr, DecisionId, DestinationClass, Direction, Hold, HoldState, LineId, Millis, Money, Rate,
    UnixMicros,
};

use crate::money::cost;

/// Calls by decision: in the order in which they were admitted.
pub type Calls = BTreeMap<DecisionId, KnownCall>;

/// Within this time the end of a call that the node took up again is in its books.
const BOOKED_US: i64 = 600_000_000;

/// What is remembered of an admitted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCall {
    /// The line used.
    pub line: Option<LineId>,
    /// When the request came.
    pub started: UnixMicros,
    /// When it was answered.
    pub answered: Option<UnixMicros>,
    /// When it ended; `None`: it is in progress.
    pub ended: Option<UnixMicros>,
    /// Talk time by the monotonic clock.
    pub duration_ms: Millis,
    /// What was charged.
    pub price: Money,
    /// What it is charged by; `None`: nobody pays.
    pub rate: Option<Rate>,
    /// Does it count against the costly limits?
    pub costly: bool,
    /// Is it one of the calls at once?
    pub counted: bool,
    /// Does it lead to a hotspot?
    pub hotspot: bool,
    /// Did the node start anew while it lasted? Then what was held for it when is not known.
    pub interrupted: bool,
}

impl KnownCall {
    /// An ended call; `None`: it was refused. `starts`: of the node, oldest first.
    pub fn ended(cdr: &Cdr, starts: &[UnixMicros]) -> Option<KnownCall> {
        (cdr.explanation.outcome == Outcome::Admitted).then(|| KnownCall {
            line: cdr.line,
            started: cdr.started,
            answered: cdr.answered,
            ended: Some(cdr.ended),
            duration_ms: cdr.duration_ms,
            price: cdr.price,
            rate: cdr.explanation.rate.filter(is_charged),
            costly: cdr.destination.class.is_costly(),
            counted: is_counted(cdr.direction, cdr.destination.class),
            hotspot: cdr.destination.hotspot,
            interrupted: has_start(starts, cdr.started, cdr.ended),
        })
    }

    /// A call in progress.
    pub fn open(hold: &Hold, starts: &[UnixMicros]) -> KnownCall {
        let answered = match hold.state {
            HoldState::Answered(at) => Some(at),
            HoldState::Pending => None,
        };
        KnownCall {
            line: hold.line,
            started: hold.started,
            answered,
            ended: None,
            duration_ms: 0,
            price: Money::ZERO,
            rate: hold.explanation.rate.filter(is_charged),
            costly: hold.destination.class.is_costly(),
            counted: is_counted(hold.direction, hold.destination.class),
            hotspot: hold.destination.hotspot,
            interrupted: has_start(starts, hold.started, UnixMicros(i64::MAX)),
        }
    }

    /// Was it surely still in progress then?
    pub(crate) fn is_open_at(&self, at: UnixMicros) -> bool {
        self.ended.is_none_or(|ended| ended > at)
    }

    /// What of its price was surely spent at a time, if it had ended within the stretch before.
    pub(crate) fn spent_at(&self, at: UnixMicros, stretch_us: i64, booked_by: UnixMicros) -> i64 {
        let from = at.0.saturating_sub(stretch_us);
        let Some(ended) = self.ended.filter(|ended| *ended <= at && ended.0 > from) else {
            return 0;
        };
        // Until the end of a call that was taken up again is booked, what is held for it stands for its price.
        let is_booked = !self.interrupted || ended.0.saturating_add(BOOKED_US) <= booked_by.0;
        if is_booked { self.price.micros() } else { self.least().min(self.price.micros()) }
    }

    /// What was surely held for it at a time at which it was in progress.
    pub(crate) fn held_at(&self, at: UnixMicros) -> i64 {
        let Some(rate) = &self.rate else { return 0 };
        let talked_ms = match (self.answered, self.ended) {
            (Some(answered), Some(ended)) if !self.interrupted => {
                sure_talk_ms((answered, ended), at, self.duration_ms)
            }
            _ => 0,
        };
        cost(rate, talked_ms).unwrap_or(0)
    }

    /// The least that is held for it, from its first moment on.
    pub(crate) fn least(&self) -> i64 {
        self.rate.as_ref().and_then(|rate| cost(rate, 0)).unwrap_or(0)
    }
}

/// Talk time that was surely over at a time. The wall clock may run a twentieth faster or slower than it should, and jump:
/// where it did, nothing is sure.
fn sure_talk_ms(
    (answered, ended): (UnixMicros, UnixMicros),
    at: UnixMicros,
    duration_ms: Millis,
) -> Millis {
    let by_wall_ms = ended.ms_since(answered);
    if by_wall_ms.abs_diff(duration_ms) > duration_ms / 10 + 2_000 {
        return 0;
    }
    (at.ms_since(answered) / 10 * 9).min(duration_ms).saturating_sub(1_000)
}

/// Does a rate cost anything?
pub(crate) fn is_charged(rate: &Rate) -> bool {
    rate.connect_fee.micros() > 0 || rate.per_minute.micros() > 0
}

/// Emergency and support: nothing but a closed account speaks against such a call.
pub(crate) fn is_exempt(class: DestinationClass) -> bool {
    class == DestinationClass::Emergency || class == DestinationClass::Support
}

fn is_counted(direction: Direction, class: DestinationClass) -> bool {
    direction != Direction::Incoming && !is_exempt(class)
}

/// Did the node start anew within this time?
pub(crate) fn has_start(starts: &[UnixMicros], from: UnixMicros, to: UnixMicros) -> bool {
    let first = starts.partition_point(|start| *start < from);
    starts.get(first).is_some_and(|start| *start <= to)
}
