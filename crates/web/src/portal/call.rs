//! One call. Lives here: everything about it that concerns its account, "I did not make this call", "This was me: allow
//! it". Never here: lists (`calls`), which change is risky (engine).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::decision::Outcome;
use types::{
    Cdr, Controls, DecisionId, DestinationClass, Direction, Finding, HourSet, Money, Proof, Reason,
    Setting, UnixMicros,
};

use crate::app::Shared;
use crate::desk::{DeskError, Overview};
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, clock, moment, page, round_money};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::portal::words::{other_side, places, small_money, story, why};
use crate::sessions::Pending;

/// The longest that a holder says about a call, in characters.
const LONGEST_WORDS: usize = 500;
/// How long a raise may last, as the form has it.
const LASTS: [(&str, &str); 4] =
    [("1h", "for an hour"), ("24h", "for a day"), ("7d", "for a week"), ("", "for good")];

/// What of the controls stopped a call, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// What would have to be otherwise.
    pub settings: Vec<Setting>,
    /// The same in words, one for each.
    pub words: Vec<String>,
    /// What is done elsewhere: words and address.
    pub elsewhere: Vec<(&'static str, &'static str)>,
}

/// What lets a call like this one out, by the controls as they stand.
pub fn allowance(call: &Cdr, controls: &Controls, currency: &str) -> Allowance {
    let findings = call.explanation.findings.iter();
    let (settings, words) = findings
        .filter_map(|finding| raise(finding, call.destination.class, controls, currency))
        .unzip();
    let reasons = call.explanation.findings.iter().map(Finding::reason);
    let mut elsewhere: Vec<_> = reasons.filter_map(elsewhere).collect();
    elsewhere.dedup();
    Allowance { settings, words, elsewhere }
}

/// What would have to be otherwise for a finding not to be there, and the same in words; `None`: it would not be there now,
/// or no limit is behind it.
fn raise(
    finding: &Finding,
    class: DestinationClass,
    controls: &Controls,
    currency: &str,
) -> Option<(Setting, String)> {
    use Setting as S;
    let show = |amount: Money| small_money(amount, currency);
    let above = |name: &str, is: Money, wanted: Money| {
        (wanted > is).then(|| format!("{name}: {}, it is {} now.", show(wanted), show(is)))
    };
    let more = |name: &str, is: u16, limit: u16| {
        (is <= limit).then(|| (is.saturating_add(1), format!("{name}: {}.", is.saturating_add(1))))
    };
    Some(match finding {
        Finding::PriceCap { per_minute, .. } if class.is_national() => {
            let name = "Highest price a minute, in the country";
            let words = above(name, controls.price_cap_national, *per_minute)?;
            (S::PriceCapNational(*per_minute), words)
        }
        Finding::PriceCap { per_minute, .. } => {
            let name = "Highest price a minute, abroad";
            let words = above(name, controls.price_cap_international, *per_minute)?;
            (S::PriceCapInternational(*per_minute), words)
        }
        Finding::ConnectFeeCap { fee, .. } => (
            S::ConnectFeeCap(*fee),
            above("Highest fee to connect", controls.connect_fee_cap, *fee)?,
        ),
        Finding::BarredClass { class } if controls.barred.contains(*class) => {
            let words = format!("Calls to {} are switched on.", places(*class));
            (S::Barred(controls.barred.without(*class)), words)
        }
        Finding::BarredCountry { region } if controls.barred_countries.contains(region) => {
            let rest = controls.barred_countries.iter().filter(|one| *one != region);
            let words = format!("Calls to {} are switched on.", region.name());
            (S::BarredCountries(rest.copied().collect()), words)
        }
        Finding::BarredHour { at } if controls.barred_hours.contains(*at) => {
            let rest = controls.barred_hours.less(HourSet::EMPTY.with(*at));
            (S::BarredHours(rest), format!("Calls may be made on {at}."))
        }
        Finding::CallLimit { limit, .. } => {
            let (count, words) = more("All calls at once", controls.calls, *limit)?;
            (S::Calls(count), words)
        }
        Finding::CostlyCallLimit { limit, .. } => {
            let (count, words) = more("Costly calls at once", controls.costly_calls, *limit)?;
            (S::CostlyCalls(count), words)
        }
        Finding::HotspotLimit { limit, .. } => {
            let name = "Calls to known fraud targets in 12 hours";
            let (count, words) = more(name, controls.hotspot_calls, *limit)?;
            (S::HotspotCalls(count), words)
        }
        _ => return None,
    })
}
/// What is not undone from a call's page.
fn elsewhere(reason: Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        Reason::StopLevel | Reason::NewDeviceCap => Some(("Look at your money limits", "/limits")),
        Reason::AccountStatus => Some(("See how your account stands", "/")),
        _ => None,
    }
}

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    frame: Frame,
    decision: DecisionId,
    story: String,
    reasons: Vec<String>,
    facts: Vec<(&'static str, String)>,
    reported: Option<String>,
    can_report: bool,
    words: String,
    is_stopped: bool,
    allowance: Allowance,
    lasts: Vec<(&'static str, &'static str, bool)>,
    errors: Errors,
}

/// What is on record of a call, a row each.
fn facts(call: &Cdr, overview: &Overview, line: Option<&str>) -> Vec<(&'static str, String)> {
    let currency = &overview.currency;
    let when = |at: UnixMicros| moment(at, &overview.time_zone);
    let (who, kind) = other_side(call);
    let mut all = vec![("When", when(call.started)), ("Who", who), ("What kind", kind)];
    if call.direction != Direction::Incoming && call.destination.e164.is_some() {
        all.push(("Dialled", call.dialled.clone()));
    }
    if call.direction != Direction::Incoming {
        all.push(("Number shown", call.caller.clone()));
    }
    all.extend(line.map(|line| ("Line", line.to_owned())));
    if let Some(peer) = call.a_leg.peer.filter(|_| call.direction != Direction::Incoming) {
        let agent = match call.a_leg.user_agent.as_str() {
            "" => "a phone that does not say what it is",
            agent => agent,
        };
        all.push(("From which phone", format!("{agent}, at {}", peer.ip())));
    }
    if call.answered.is_some() {
        all.push(("How long", clock(call.duration_ms)));
        all.push(("Ended", when(call.ended)));
    }
    if let Some(rate) = call.explanation.rate.filter(|_| call.direction == Direction::Outgoing) {
        let fee = match rate.connect_fee.is_zero() {
            true => String::new(),
            false => format!(", and {} to connect", small_money(rate.connect_fee, currency)),
        };
        all.push(("Price a minute", format!("{}{fee}", small_money(rate.per_minute, currency))));
    }
    all.push(("Cost", round_money(call.price, currency)));
    all.push(("Name of the call", call.decision.to_string()));
    all
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    call: &Cdr,
    (words, lasts): (&str, &str),
    errors: Errors,
) -> Result<CallPage, Problem> {
    let (account, decision, line) = (visitor.session.account, call.decision, call.line);
    let overview = app.overview(account).await?;
    let (lines, reported) =
        app.ask(move |desk| Ok((desk.lines(account)?, desk.reported(account)?))).await?;
    let line = lines.iter().find(|(id, _)| Some(*id) == line).map(|(_, user)| user.as_str());
    let reported = reported.iter().find(|one| one.decision == decision).map(|one| {
        let at = moment(one.at, &overview.time_zone);
        match one.words.as_str() {
            "" => format!("{at}, by {}", one.by),
            words => format!("{at}, by {}: “{words}”", one.by),
        }
    });
    let at = moment(call.started, &overview.time_zone);
    let time = at.rsplit_once(' ').map_or(at.as_str(), |(_, time)| time);
    let class = call.destination.class;
    let reasons = call.explanation.findings.iter().skip(1);
    Ok(CallPage {
        frame: Frame::of(app, visitor, "One call", "calls"),
        decision,
        story: story(call, time, &overview.currency),
        reasons: reasons.map(|one| why(one, class, &overview.currency)).collect(),
        facts: facts(call, &overview, line),
        can_report: call.direction != Direction::Incoming && reported.is_none(),
        reported,
        words: words.to_owned(),
        is_stopped: call.explanation.outcome == Outcome::Refused,
        allowance: allowance(call, &overview.controls, &overview.currency),
        lasts: LASTS.map(|(value, words)| (value, words, value == lasts)).to_vec(),
        errors,
    })
}

/// The call of this name, if it is the visitor's (W6).
async fn find(app: &Shared, visitor: &Visitor, decision: &str) -> Result<Cdr, Problem> {
    let decision: DecisionId = decision.parse().map_err(|_| Problem::not_found())?;
    let account = visitor.session.account;
    let found = app.ask(move |desk| desk.call(account, decision)).await?;
    found.ok_or_else(Problem::not_found)
}

/// GET /calls/{decision}
pub async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(decision): Path<String>,
) -> Result<Response, Problem> {
    let call = find(&app, &visitor, &decision).await?;
    Ok(page(&view(&app, &visitor, &call, ("", "24h"), Errors::default()).await?))
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// POST /calls/{decision}/not-mine: kept on record, and staff are told.
pub async fn report(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(decision): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let call = find(&app, &visitor, &decision).await?;
    // Whoever was called within the platform is not who pays.
    if call.direction == Direction::Incoming {
        return Err(Problem::not_found());
    }
    let words = typed(&fields, "words").split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > LONGEST_WORDS || words.chars().any(char::is_control) {
        let problem = format!("Please say it in at most {LONGEST_WORDS} characters");
        let errors = Errors::one("words", problem);
        let page = view(&app, &visitor, &call, (&words, "24h"), errors).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let (account, id, by) = (visitor.session.account, call.decision, visitor.session.name.clone());
    let said = app.ask(move |desk| {
        if desk.reported(account)?.iter().any(|one| one.decision == id) {
            return Ok("You have told us of this call before. It is on record.");
        }
        desk.report_call(account, id, &by, &words)?;
        Ok("Thank you. It is on record that you did not make this call, and your provider was told.")
    });
    say(&app, &visitor, said.await?);
    Ok(Redirect::to(&format!("/calls/{}", call.decision)).into_response())
}

/// POST /calls/{decision}/allow: what stopped it goes up, with fresh proof, until a time.
pub async fn allow(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(decision): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    let lasts = typed(&fields, "lasts").to_owned();
    allow_now(&app, &visitor, (decision, lasts), is_fresh).await
}

/// By the controls as they stand in this moment: they may be others than when it was asked.
pub async fn allow_now(
    app: &Shared,
    visitor: &Visitor,
    (decision, lasts): (String, String),
    is_fresh: bool,
) -> Result<Response, Problem> {
    let call = find(app, visitor, &decision).await?;
    let account = visitor.session.account;
    let before = app.overview(account).await?;
    let wanted = allowance(&call, &before.controls, &before.currency);
    let Some((_, words)) = LASTS.into_iter().find(|(value, _)| *value == lasts) else {
        let errors = Errors::one("lasts", "Say for how long");
        let page = view(app, visitor, &call, ("", "24h"), errors).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let back = Redirect::to(&format!("/calls/{}", call.decision)).into_response();
    if wanted.settings.is_empty() {
        say(app, visitor, "Nothing was changed: your limits allow such a call as they are.");
        return Ok(back);
    }
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    let (settings, until) = (wanted.settings.clone(), lasts.clone());
    let changed = app.ask(move |desk| desk.change_controls(account, settings, &until, proof)).await;
    match changed {
        Ok(_) => {
            let after = app.overview(account).await?.controls;
            let done =
                wanted.settings.iter().all(|want| want.same_in(before.status, &after) == *want);
            say(app, visitor, &match done {
                true => format!("Done: such a call is allowed {words}. Call again."),
                false => "This is above what you may give yourself, so your provider was asked. You hear from us."
                    .to_owned(),
            });
            Ok(back)
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::Allow { decision: call.decision.to_string(), lasts });
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(DeskError::Refused(problem)) => {
            let errors = Errors::one("lasts", problem);
            let page = view(app, visitor, &call, ("", &lasts), errors).await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(down) => Err(down.into()),
    }
}
