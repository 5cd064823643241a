//! The report that a recovery ends in. Lives here: filling it in from the record, showing it first, sending it, the copies
//! that the holder keeps. Never here: how a step stands (`steps`), what staff do with it.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use types::recovery::{
    MOST_REPORTED_CALLS, MOST_REPORTED_PHONES, ReportedCall, ReportedPhone, ReportedStep,
};
use types::{
    Cdr, DecisionId, Money, RecoveryReport, RecoveryStep, StepOutcome, StepWord, UnixMicros,
};

use super::shown::Shown;
use super::steps::Seen;
use super::wrong::{keep, mark, on_one_line, reason, typed};
use crate::app::Shared;
use crate::guard::Visitor;
use crate::page::{Errors, FieldError, Frame, Problem, answer, full_moment, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::portal::words::place;

/// The longest that he says in his own words, in characters.
const LONGEST_OWN: usize = 2_000;

/// What he types into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Own {
    noticed: Option<UnixMicros>,
    words: String,
    /// Why steps are left that are not over.
    left: String,
}

fn read(fields: &[(String, String)], zone: &str, now: UnixMicros) -> (Own, Errors) {
    let mut errors = Errors::default();
    let mut wrong = |field, problem: String| errors.0.push(FieldError { field, problem });
    let noticed = match typed(fields, "noticed") {
        "" => None,
        text => {
            let at = moment_of(text, zone).filter(|at| *at <= now);
            if at.is_none() {
                wrong(
                    "noticed",
                    format!("“{text}” is not a time that has been: write it like 2026-11-22 02:14"),
                );
            }
            at
        }
    };
    let words = on_one_line(typed(fields, "words"));
    if words.chars().count() > LONGEST_OWN || words.chars().any(char::is_control) {
        wrong("words", format!("Please say it in at most {LONGEST_OWN} characters"));
    }
    (Own { noticed, words, left: on_one_line(typed(fields, "left")) }, errors)
}

/// A time as browsers write it, at a place: `2026-11-22T02:14`.
fn moment_of(text: &str, zone: &str) -> Option<UnixMicros> {
    let at: DateTime = text.replace(' ', "T").parse().ok()?;
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    Some(UnixMicros(at.to_zoned(zone).ok()?.timestamp().as_microsecond()))
}

/// Fills the report in.
async fn fill(
    app: &Shared,
    visitor: &Visitor,
    seen: &Seen,
    own: &Own,
) -> Result<RecoveryReport, Problem> {
    let account = visitor.session.account;
    let mut wanted: Vec<DecisionId> = seen.marked().map(|one| one.decision).collect();
    wanted.sort_by_key(|id| std::cmp::Reverse(*id));
    wanted.dedup();
    let more = wanted.len().saturating_sub(MOST_REPORTED_CALLS);
    wanted.truncate(MOST_REPORTED_CALLS);
    let (calls, lines) = app
        .ask(move |desk| {
            let found: Result<Vec<Option<Cdr>>, _> =
                wanted.into_iter().map(|id| desk.call(account, id)).collect();
            Ok((found?, desk.lines(account)?))
        })
        .await?;
    let calls: Vec<ReportedCall> =
        calls.iter().flatten().map(|call| reported(call, &lines)).collect();
    let overview = &seen.look.overview;
    let steps = seen.steps().into_iter().map(|step| ReportedStep {
        step: step.step,
        outcome: step.outcome,
        at: step.at,
        proof: short(&with_items(&step.proof), 600),
        words: step.words,
    });
    Ok(RecoveryReport {
        account,
        name: overview.name.clone(),
        recovery: seen.recovery.number,
        by: (seen.recovery.by.clone(), visitor.session.name.clone()),
        started: seen.recovery.started,
        made: app.now(),
        noticed: own.noticed,
        words: own.words.clone(),
        status: overview.status.code().to_owned(),
        steps: steps.collect(),
        price: calls.iter().fold(Money::ZERO, |sum, call| sum.saturating_add(call.price)),
        calls,
        more_calls: u32::try_from(more).unwrap_or(u32::MAX),
        phones: phones(seen),
    })
}

/// What the record shows of a step, with each thing that it is about.
fn with_items(proof: &super::steps::Proof) -> String {
    let items: Vec<&str> = proof.items.iter().map(|item| item.words.as_str()).collect();
    match items.is_empty() {
        true => proof.words.clone(),
        false => format!("{} {}", proof.words, items.join("; ")),
    }
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn reported(call: &Cdr, lines: &[(types::LineId, String)]) -> ReportedCall {
    let line = call.line.and_then(|id| lines.iter().find(|(known, _)| *known == id));
    ReportedCall {
        decision: call.decision,
        number: call.destination.e164.map_or_else(|| call.dialled.clone(), |e164| e164.to_string()),
        place: place(&call.destination),
        started: call.started,
        talk_ms: call.answered.map_or(0, |_| call.duration_ms),
        price: call.price,
        is_refused: call.explanation.outcome == types::decision::Outcome::Refused,
        line: line.map_or_else(String::new, |(_, user)| user.clone()),
        source: call.a_leg.peer.map(|peer| peer.ip().to_canonical()),
        agent: short(&call.a_leg.user_agent, 128),
    }
}

/// Phones that were there: those that are not his, new ones and registered ones first.
fn phones(seen: &Seen) -> Vec<ReportedPhone> {
    let mut all: Vec<_> = seen.look.phones.phones.iter().collect();
    all.sort_by_key(|phone| {
        (
            phone.device.state == types::DeviceState::Known,
            !phone.is_registered,
            std::cmp::Reverse(phone.device.last_seen),
        )
    });
    let shown = all.into_iter().take(MOST_REPORTED_PHONES).map(|phone| ReportedPhone {
        agent: phone.device.agent.clone(),
        address: phone.device.peer.ip().to_canonical(),
        state: phone.device.state.code().to_owned(),
        lines: phone.lines.clone(),
        seen: (phone.device.first_seen, phone.device.last_seen),
        is_registered: phone.is_registered,
    });
    shown.collect()
}

#[derive(Template)]
#[template(path = "wrong_report.html")]
struct ReportPage {
    frame: Frame,
    shown: Shown,
    open: Vec<(RecoveryStep, &'static str)>,
    noticed: String,
    words: String,
    left: String,
    why: String,
    errors: Errors,
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    seen: &Seen,
    (fields, errors): (&[(String, String)], Errors),
) -> Result<ReportPage, Problem> {
    let overview = &seen.look.overview;
    let (own, _) = read(fields, &overview.time_zone, app.now());
    let report = fill(app, visitor, seen, &own).await?;
    let open = report.steps.iter().filter(|step| step.outcome == StepOutcome::Open);
    Ok(ReportPage {
        frame: Frame::of(app, visitor, "Your report to support", "wrong"),
        open: open.map(|step| (step.step, step.step.title())).collect(),
        shown: Shown::of(report, &overview.currency, &overview.time_zone),
        noticed: typed(fields, "noticed").to_owned(),
        words: typed(fields, "words").to_owned(),
        left: typed(fields, "left").to_owned(),
        why: typed(fields, "why").to_owned(),
        errors,
    })
}

/// The page again, with what was typed and what is wrong with it.
pub async fn again(
    app: &Shared,
    visitor: &Visitor,
    seen: Seen,
    (fields, errors): (Fields, Errors),
) -> Result<Response, Problem> {
    let page = view(app, visitor, &seen, (&fields, errors)).await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// GET /wrong/report
pub async fn show(State(app): State<Shared>, mut visitor: Visitor) -> Result<Response, Problem> {
    let Some(seen) = Seen::take(&app, &visitor).await? else {
        return Ok(Redirect::to("/wrong").into_response());
    };
    mark(&app, &mut visitor, true);
    Ok(page(&view(&app, &visitor, &seen, (&[], Errors::default())).await?))
}

/// POST /wrong/report: sends it.
pub async fn send(
    State(app): State<Shared>,
    mut visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let Some(mut seen) = Seen::take(&app, &visitor).await? else {
        return Ok(Redirect::to("/wrong").into_response());
    };
    let (own, mut errors) = read(&fields, &seen.look.overview.time_zone, app.now());
    let open: Vec<RecoveryStep> =
        seen.steps().iter().filter(|step| !step.is_over()).map(|step| step.step).collect();
    if !open.is_empty()
        && let Err(problem) = reason(&own.left)
    {
        errors.0.push(FieldError { field: "left", problem });
    }
    if !errors.0.is_empty() {
        return again(&app, &visitor, seen, (fields, errors)).await;
    }
    for step in &open {
        keep(&app, &visitor, *step, StepWord::Skipped, own.left.clone()).await?;
    }
    if !open.is_empty() {
        // As it stands with the reasons that were just given.
        let Some(now) = Seen::take(&app, &visitor).await? else {
            return Ok(Redirect::to("/wrong").into_response());
        };
        seen = now;
    }
    let report = fill(&app, &visitor, &seen, &own).await?;
    let number = report.recovery;
    app.ask(move |desk| desk.send_report(report)).await?;
    mark(&app, &mut visitor, false);
    say(
        &app,
        &visitor,
        "Your report is on its way to support, and your contacts are told. You have done what you could.",
    );
    Ok(Redirect::to(&format!("/wrong/reports/{number}")).into_response())
}

#[derive(Template)]
#[template(path = "wrong_sent.html")]
struct SentPage {
    frame: Frame,
    shown: Shown,
    is_frozen: bool,
}

async fn sent(app: &Shared, visitor: &Visitor, number: u32) -> Result<RecoveryReport, Problem> {
    let account = visitor.session.account;
    let all = app.ask(move |desk| desk.reports(account)).await?;
    all.into_iter().find(|report| report.recovery == number).ok_or_else(Problem::not_found)
}

/// GET /wrong/reports/{number}: one that was sent, to print.
pub async fn show_sent(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(number): Path<u32>,
) -> Result<Response, Problem> {
    let report = sent(&app, &visitor, number).await?;
    let overview = app.overview(visitor.session.account).await?;
    Ok(page(&SentPage {
        frame: Frame::of(&app, &visitor, "Report to support", "wrong"),
        shown: Shown::of(report, &overview.currency, &overview.time_zone),
        is_frozen: overview.status == types::AccountStatus::Frozen,
    }))
}

fn plain(report: &RecoveryReport, currency: &str, zone: &str) -> Response {
    let text = report.text(currency, &|at| full_moment(at, zone));
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// GET /wrong/reports/{number}/text: the same to copy.
pub async fn sent_text(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(number): Path<u32>,
) -> Result<Response, Problem> {
    let report = sent(&app, &visitor, number).await?;
    let overview = app.overview(visitor.session.account).await?;
    Ok(plain(&report, &overview.currency, &overview.time_zone))
}

/// GET /wrong/report/text: as it stands, to copy for whoever cannot wait.
pub async fn text(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let seen = Seen::take(&app, &visitor).await?.ok_or_else(Problem::not_found)?;
    let report = fill(&app, &visitor, &seen, &Own::default()).await?;
    Ok(plain(&report, &seen.look.overview.currency, &seen.look.overview.time_zone))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_typed_is_read_or_refused_beside_its_field() {
        fn check(name: &str, value: &str, want: Result<Own, &str>) {
            let fields = [(name.to_owned(), value.to_owned())];
            let now = UnixMicros::from_seconds(1_795_390_800);
            let (own, errors) = read(&fields, "Europe/London", now);
            match want {
                Ok(want) => assert_eq!((own, errors.0), (want, Vec::new()), "{name}={value}"),
                Err(want) => {
                    let found = errors.of(name).unwrap_or("nothing");
                    assert!(found.contains(want), "{name}={value}: {found}");
                }
            }
        }
        let at = Some(UnixMicros::from_seconds(1_795_313_640));
        check("noticed", "2026-11-22T02:14", Ok(Own { noticed: at, ..Own::default() }));
        check("noticed", "2026-11-22 02:14", Ok(Own { noticed: at, ..Own::default() }));
        check("noticed", "", Ok(Own::default()));
        check("noticed", "last night", Err("is not a time that has been"));
        check("noticed", "2036-11-22T02:14", Err("is not a time that has been"));
        let words = "at night, I slept".to_owned();
        check("words", "at night,\r\nI slept", Ok(Own { words, ..Own::default() }));
        check("words", &"a".repeat(LONGEST_OWN + 1), Err("at most"));
        check("words", "a\u{1b}[31m", Err("at most"));
    }

    #[test]
    fn nothing_is_longer_than_it_may_be() {
        assert_eq!(short("aaaa", 4), "aaaa");
        assert_eq!(short("ääää", 2), "ää…");
        let codes: BTreeSet<&str> = RecoveryStep::ALL.map(RecoveryStep::code).into();
        assert!(
            !codes.contains("report") && !codes.contains("reports") && !codes.contains("nothing")
        );
    }
}
