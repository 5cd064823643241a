//! Judging one call. Lives here: what is asked of the record, which judges are asked. Never here: what they say.

use types::decision::Outcome;
use types::{Cdr, DeckId, Direction, UnixMicros};

use crate::call::{has_start, is_exempt};
use crate::case::{Case, Priced};
use crate::evidence::Evidence;
use crate::money::row_in_force;
use crate::off_hours::Calendar;
use crate::verdict::{Mismatch, Verdict};
use crate::{bounds, counts, followed, levels, money, who};

/// The longest window, and the longest a call of before it may have lasted.
const REACH_US: i64 = 8 * 24 * 3_600_000_000;

/// Who is asked about a call. Each adds what does not fit.
const JUDGES: [fn(&Case<'_>, &mut Vec<Mismatch>); 18] = [
    who::payer,
    who::status,
    who::line,
    who::ip_lock,
    bounds::barred,
    bounds::barred_country,
    bounds::barred_hour,
    bounds::caps,
    money::rate,
    money::price,
    money::carrier,
    money::posted,
    counts::calls,
    counts::costly_calls,
    counts::hotspots,
    levels::at_decision,
    levels::at_end,
    followed::ended,
];

/// Judges an ended call. Of one that was refused there is nothing to judge.
///
/// Fails only where the evidence does.
pub fn judge<E: Evidence>(
    cdr: &Cdr,
    evidence: &mut E,
    calendar: &Calendar,
) -> Result<Verdict, E::Error> {
    let mut verdict = Verdict::default();
    if cdr.explanation.outcome == Outcome::Refused {
        return Ok(verdict);
    }
    let at = cdr.decision.time();
    let stood = evidence.standing_at(cdr.account, at)?;
    if stood.is_none() {
        verdict.unknown.push("what stood for the account");
    }
    let later = match stood {
        Some(_) => evidence.standings_within(cdr.account, at, cdr.ended)?,
        None => Vec::new(),
    };
    let calls_out = cdr.direction != Direction::Incoming;
    let (mut line_stood, mut line_later) = (None, Vec::new());
    if let Some(line) = cdr.line.filter(|_| calls_out) {
        line_stood = evidence.line_at(line, at)?;
        match line_stood {
            Some(_) => line_later = evidence.lines_within(line, at, cdr.ended)?,
            None => verdict.unknown.push("what stood for the line"),
        }
    }
    let exempt = is_exempt(cdr.destination.class);
    let paid = cdr.direction == Direction::Outgoing && !exempt;
    let sold = match &stood {
        _ if !paid => Priced::Free,
        Some(stood) => sold(cdr, stood.sell_deck, evidence)?,
        None => Priced::Unknown,
    };
    let bought = bought(cdr, evidence)?;
    if bought == Priced::Unknown {
        verdict.unknown.push("what stood for the trunk");
    }
    let transfers = evidence.transfers(cdr.decision)?;
    let interrupted = has_start(evidence.starts()?, cdr.started, cdr.ended);
    let since = UnixMicros(at.0.saturating_sub(REACH_US));
    let calls = evidence.calls(cdr.account, since)?;
    let case = Case {
        cdr,
        at,
        exempt,
        interrupted,
        stood,
        later,
        line_stood,
        line_later,
        sold,
        bought,
        transfers,
        calls,
        calendar,
    };
    JUDGES.iter().for_each(|judge| judge(&case, &mut verdict.mismatches));
    let is_overspent = |one: &Mismatch| matches!(one, Mismatch::Overspent { .. });
    if verdict.mismatches.iter().any(is_overspent) {
        let overrun = evidence.overruns(cdr.account, since, cdr.ended)?;
        verdict.mismatches.retain(|one| !levels::is_overrun(one, overrun));
    }
    Ok(verdict)
}

/// What the number cost the holder: rows in force when the request came, of the deck as it stood at the decision.
fn sold<E: Evidence>(cdr: &Cdr, deck: DeckId, evidence: &mut E) -> Result<Priced, E::Error> {
    use types::DestinationClass::Freephone;
    let Some(number) = cdr.destination.e164 else {
        // A short code has no prefix of a deck; only one that is free to the caller can be called.
        let is_free = cdr.destination.class == Freephone;
        return Ok(if is_free { Priced::Free } else { Priced::At(vec![None]) });
    };
    let digits = number.digits();
    let rows = evidence.rows_at(deck, &digits, cdr.decision.time())?;
    let rate = row_in_force(&rows, &digits, cdr.started).map(|row| row.rate);
    Ok(Priced::At(vec![rate]))
}

/// What the number cost us. The carrier was chosen some time between the decision and the answer: his deck may have become
/// another one meanwhile.
fn bought<E: Evidence>(cdr: &Cdr, evidence: &mut E) -> Result<Priced, E::Error> {
    let trunk = cdr.trunk.filter(|_| cdr.direction == Direction::Outgoing);
    let (Some(trunk), Some(number)) = (trunk, cdr.destination.e164) else {
        return Ok(Priced::At(vec![None]));
    };
    let digits = number.digits();
    let (mut rates, mut known) = (Vec::new(), false);
    for at in [cdr.decision.time(), cdr.answered.unwrap_or(cdr.ended), cdr.ended] {
        let Some(stood) = evidence.trunk_at(trunk, at)? else { continue };
        known = true;
        let rows = match stood.cost_deck {
            Some(deck) => evidence.rows_at(deck, &digits, at)?,
            None => Vec::new(),
        };
        rates.push(row_in_force(&rows, &digits, cdr.started).map(|row| row.rate));
        // Mostly nothing has changed.
        if rates.contains(&cdr.cost_rate) {
            break;
        }
    }
    Ok(if known { Priced::At(rates) } else { Priced::Unknown })
}
