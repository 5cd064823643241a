//! The calls of a recovery. Lives here: which calls are shown, which look strange, marking them as not the holder's. Never
//! here: keeping that (`Desk::report_call`).

use std::collections::BTreeSet;

use types::decision::Outcome;
use types::{Cdr, DecisionId, DeviceId, DeviceState, Direction};

use super::steps::Seen;
use super::wrong::on_one_line;
use crate::app::Shared;
use crate::desk::CallAsk;
use crate::guard::Visitor;
use crate::page::{Problem, clock, moment, round_money};
use crate::portal::freeze::say;
use crate::portal::words::{other_side, outcome};

/// Days back that are looked at.
const DAYS: u64 = 60;
/// Calls that are read for one page.
const LOOK: u32 = 200;
/// Calls of one form.
const SHOWN: usize = 50;

/// A call with its box.
pub struct Row {
    /// Names it.
    pub decision: DecisionId,
    /// To whom, and what kind that is.
    pub who: String,
    /// When, how long, from where.
    pub about: String,
    /// What it cost, or that it was stopped.
    pub cost: String,
    /// Why it looks strange; empty: it does not.
    pub strange: &'static str,
    /// It was told before.
    pub is_marked: bool,
    /// The box is ticked at first.
    pub is_ticked: bool,
}

/// Calls to look through.
pub struct CallList {
    /// The newest first.
    pub rows: Vec<Row>,
    /// Where older ones are.
    pub older: Option<String>,
    /// Are these older ones?
    pub is_older: bool,
}

/// Calls that may not be his: out, and costly in kind or in money.
fn is_of_interest(call: &Cdr) -> bool {
    call.direction == Direction::Outgoing
        && (!call.price.is_zero() || call.destination.class.is_costly())
}

/// The calls of the last two months that cost something or might have.
pub async fn list(
    app: &Shared,
    visitor: &Visitor,
    seen: &Seen,
    before: Option<DecisionId>,
) -> Result<CallList, Problem> {
    let account = visitor.session.account;
    let since = types::UnixMicros(app.now().0 - (DAYS * 86_400_000_000) as i64);
    let ask = CallAsk {
        since: Some(since),
        direction: Some(Direction::Outgoing),
        before,
        limit: LOOK,
        ..CallAsk::default()
    };
    let found = app.ask(move |desk| desk.calls(account, &ask)).await?;
    let mut next = found.next;
    let mut calls: Vec<Cdr> = found.calls.into_iter().filter(is_of_interest).collect();
    if calls.len() > SHOWN {
        calls.truncate(SHOWN);
        next = calls.last().map(|call| call.decision);
    }
    let foreign = |id: DeviceId| {
        let phone = seen.look.phones.phones.iter().find(|phone| phone.device.id == id);
        phone.map(|phone| phone.device.state)
    };
    let marked: BTreeSet<DecisionId> = seen.reported.iter().map(|one| one.decision).collect();
    let rows = calls.iter().map(|call| {
        let state = call.device.and_then(foreign);
        let strange = match state {
            Some(DeviceState::Banned) => "From a phone that is not yours",
            Some(DeviceState::Seasoning { .. }) => "From a new phone",
            _ if call.destination.hotspot => "To numbers that thieves are paid for",
            _ => "",
        };
        let is_marked = marked.contains(&call.decision);
        let is_ticked = state == Some(DeviceState::Banned) && !is_marked;
        row(call, seen, strange, (is_marked, is_ticked))
    });
    Ok(CallList {
        rows: rows.collect(),
        older: next.map(|next| format!("/wrong/calls?before={next}")),
        is_older: before.is_some(),
    })
}

fn row(
    call: &Cdr,
    seen: &Seen,
    strange: &'static str,
    (is_marked, is_ticked): (bool, bool),
) -> Row {
    let overview = &seen.look.overview;
    let (who, kind) = other_side(call);
    let mut about = vec![moment(call.started, &overview.time_zone), kind];
    if call.answered.is_some() {
        about.push(clock(call.duration_ms));
    }
    about.extend(call.a_leg.peer.map(|peer| format!("from {}", peer.ip().to_canonical())));
    let cost = match (call.explanation.outcome, call.price.is_zero()) {
        (Outcome::Refused, _) => "Stopped".to_owned(),
        (Outcome::Admitted, true) => outcome(call),
        (Outcome::Admitted, false) => round_money(call.price, &overview.currency),
    };
    let decision = call.decision;
    Row { decision, who, about: about.join(" · "), cost, strange, is_marked, is_ticked }
}

/// Keeps that the calls that were ticked were not his.
pub async fn report(
    app: &Shared,
    visitor: &Visitor,
    seen: &Seen,
    fields: &[(String, String)],
) -> Result<(), Problem> {
    let account = visitor.session.account;
    let ticked = fields.iter().filter(|(name, _)| name == "call");
    let ticked: BTreeSet<DecisionId> =
        ticked.filter_map(|(_, value)| value.parse().ok()).take(SHOWN).collect();
    let marked: BTreeSet<DecisionId> = seen.reported.iter().map(|one| one.decision).collect();
    let by = visitor.session.name.clone();
    let words = on_one_line(&format!("marked in recovery {}", seen.recovery.number));
    let new: Vec<DecisionId> = ticked.difference(&marked).copied().collect();
    let told = app
        .ask(move |desk| {
            let mut told = 0;
            for decision in new {
                // Another's call is not there (W6), and who was called does not pay.
                let call = desk.call(account, decision)?;
                if call.is_some_and(|call| call.direction != Direction::Incoming) {
                    desk.report_call(account, decision, &by, &words)?;
                    told += 1;
                }
            }
            Ok(told)
        })
        .await?;
    let words = match told {
        0 => "No call was ticked that you had not told us of.".to_owned(),
        1 => "One call is on record as not yours.".to_owned(),
        told => format!("{told} calls are on record as not yours."),
    };
    say(app, visitor, &words);
    Ok(())
}
