//! "Am I safe?": the portal's first page. Lives here: one sentence of status, un-billed usage as a bar, live calls, the
//! most that can be lost, what happened last. Never here: changing limits, stopping calls (`freeze`).

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountStatus, DecisionId, Direction, Money};

use crate::app::Shared;
use crate::desk::{Event, LiveCall, Overview};
use crate::guard::Visitor;
use crate::page::{Frame, Problem, clock, moment, money, page, round_money};
use crate::portal::points::{self, Look};
use crate::portal::recovery::steps::Seen;
use crate::portal::recovery::wrong::mark;

/// Events on the page.
const EVENTS: u32 = 8;
/// Calls that are shown, the dearest.
const CALLS: usize = 10;
/// Width of the bar, in its own units.
const WIDTH: i64 = 1_000;

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// Nothing to do.
    Green,
    /// Worth a look.
    Amber,
    /// Something was stopped.
    Red,
}

impl Light {
    /// Class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Light::Green => "green",
            Light::Amber => "amber",
            Light::Red => "red",
        }
    }

    /// Beside the icon: colour alone tells nobody anything.
    pub fn word(self) -> &'static str {
        match self {
            Light::Green => "Safe",
            Light::Amber => "Take a look",
            Light::Red => "Stopped",
        }
    }
}

/// One sentence about an account.
pub fn status(overview: &Overview) -> (Light, String) {
    use AccountStatus as S;
    let show = |amount| round_money(amount, &overview.currency);
    let used = overview.spent_24h.saturating_add(overview.held_costly);
    match overview.status {
        S::Frozen => (
            Light::Amber,
            "Outgoing calls are stopped, as you asked. You can be called, and emergency calls work.".to_owned(),
        ),
        S::Limited => (
            Light::Red,
            "We saw something unusual and stopped costly calls. Call us, and we sort it out together.".to_owned(),
        ),
        S::Suspended => {
            (Light::Red, "Your provider has stopped outgoing calls. You can be called, and emergency calls work.".to_owned())
        }
        S::Closed => (Light::Red, "This account is closed.".to_owned()),
        S::Watched => (
            Light::Amber,
            "We are keeping an eye on costly calls: one at a time, ten minutes each.".to_owned(),
        ),
        S::Active if overview.headroom_costly <= Money::ZERO => (
            Light::Red,
            format!(
                "Your limit of {} is used up: costly calls are stopped until older ones are a day old. \
                 Everyday calls may still work.",
                show(overview.stop_level)
            ),
        ),
        S::Active if is_past_warning(overview) => (
            Light::Amber,
            format!(
                "You have used {}, which is past your warning level of {}. Is that you?",
                show(overview.unbilled),
                show(overview.controls.warning_level)
            ),
        ),
        S::Active if used.saturating_mul(5) >= overview.stop_level.saturating_mul(4) => (
            Light::Amber,
            format!("Costly calls come near your limit of {}.", show(overview.stop_level)),
        ),
        S::Active => (Light::Green, "All is well. Nothing unusual is going on.".to_owned()),
    }
}

fn is_past_warning(overview: &Overview) -> bool {
    let level = overview.controls.warning_level;
    level > Money::ZERO && overview.unbilled >= level
}

trait Times {
    fn saturating_mul(self, times: i64) -> Money;
}

impl Times for Money {
    fn saturating_mul(self, times: i64) -> Money {
        self.checked_mul(times).unwrap_or(Money::MAX)
    }
}

/// The bar of un-billed usage: used, held, and the two levels, in units of [`WIDTH`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Used.
    pub used: i64,
    /// Where held money begins and how wide it is.
    pub held: (i64, i64),
    /// Where the warning level is.
    pub warning: i64,
    /// Where the stop level is.
    pub stop: i64,
    /// The same in words.
    pub words: String,
}

impl Bar {
    /// Of an account.
    pub fn of(overview: &Overview) -> Bar {
        let (used, held) = (overview.unbilled.max(Money::ZERO), overview.held.max(Money::ZERO));
        let (warning, stop) = (overview.controls.warning_level, overview.stop_level);
        let largest = [used.saturating_add(held), warning, stop].into_iter().max();
        let whole = largest.unwrap_or(Money::ZERO).micros().max(1);
        // A tenth of air, so that a level at the end is still a line.
        let place = |amount: Money| {
            let scaled =
                i128::from(amount.micros()) * i128::from(WIDTH) * 10 / (i128::from(whole) * 11);
            i64::try_from(scaled).unwrap_or(WIDTH).clamp(0, WIDTH)
        };
        let end = place(used.saturating_add(held));
        let show = |amount| money(amount, &overview.currency);
        let words = format!(
            "{} used and not billed yet, {} more held for calls in progress. Warning level {}, stop level {}.",
            show(used),
            show(held),
            show(warning),
            show(stop)
        );
        let from = place(used);
        Bar {
            used: from,
            held: (from, end - from),
            warning: place(warning),
            stop: place(stop),
            words,
        }
    }
}

/// A call as a row.
pub struct CallRow {
    /// Names it.
    pub decision: DecisionId,
    /// Who, in words.
    pub who: String,
    /// What kind, how long.
    pub about: String,
    /// What it has cost so far.
    pub cost: String,
}

impl CallRow {
    fn of(call: &LiveCall, currency: &str) -> CallRow {
        let who = match call.direction {
            Direction::Incoming => format!("From {}", call.caller),
            _ => format!("To {}", call.dialled),
        };
        let state = match call.talk_ms {
            Some(ms) => clock(ms),
            None => "ringing".to_owned(),
        };
        let line = call.line.as_deref().map_or_else(String::new, |line| format!(" · {line}"));
        let about = format!("{} · {state}{line}", in_words(call.class));
        CallRow { decision: call.decision, who, about, cost: round_money(call.cost, currency) }
    }
}

/// A class of destinations, as people say it.
pub fn in_words(class: types::DestinationClass) -> &'static str {
    use types::DestinationClass as C;
    match class {
        C::Emergency => "emergency",
        C::Support => "your provider",
        C::OnNet => "within the network",
        C::Freephone => "free",
        C::NationalFixed => "landline",
        C::NationalMobile => "mobile",
        C::NationalService => "service number",
        C::Personal => "personal number",
        C::Pager => "pager",
        C::Premium => "premium rate",
        C::International => "abroad",
        C::Satellite => "satellite",
        C::InternationalPremium => "premium rate abroad",
        C::Invalid => "not a number",
    }
}

/// What may change while one looks.
#[derive(Template)]
#[template(path = "live.html")]
pub struct Live {
    light: Light,
    word: &'static str,
    sentence: String,
    used: String,
    held: String,
    warning: String,
    stop: String,
    stop_is_off_hours: bool,
    bar: Bar,
    calls: Vec<CallRow>,
    more_calls: usize,
    most: Vec<(&'static str, String, String)>,
    can_stop: bool,
    is_frozen: bool,
}

impl Live {
    /// Of an account.
    pub fn of(overview: &Overview) -> Live {
        let (light, sentence) = status(overview);
        let show = |amount| round_money(amount, &overview.currency);
        let most = overview.most.iter().map(|most| {
            let name = match most.horizon.as_str() {
                "now" => "In the next moment",
                "tonight" => "Until tomorrow morning",
                _ => "Until the weekend is over",
            };
            (name, show(most.all), moment(most.until, &overview.time_zone))
        });
        let mut dearest: Vec<&LiveCall> = overview.calls.iter().collect();
        dearest.sort_by_key(|call| (std::cmp::Reverse(call.cost), call.decision));
        dearest.truncate(CALLS);
        Live {
            light,
            word: match overview.status {
                AccountStatus::Frozen => "Stopped by you",
                _ => light.word(),
            },
            sentence,
            used: show(overview.unbilled),
            held: show(overview.held),
            warning: show(overview.controls.warning_level),
            stop: show(overview.stop_level),
            stop_is_off_hours: overview.off_hours
                && overview.stop_level < overview.controls.stop_level_24h,
            bar: Bar::of(overview),
            more_calls: overview.calls.len().saturating_sub(CALLS),
            calls: dearest.into_iter().map(|call| CallRow::of(call, &overview.currency)).collect(),
            most: most.collect(),
            can_stop: matches!(
                overview.status,
                AccountStatus::Active | AccountStatus::Watched | AccountStatus::Limited
            ),
            is_frozen: overview.status == AccountStatus::Frozen,
        }
    }
}

#[derive(Template)]
#[template(path = "safe.html")]
struct SafePage {
    frame: Frame,
    live: Live,
    events: Vec<(String, String)>,
    /// Points of the check-up that are good, of how many.
    check_up: (usize, usize),
    /// Steps of a recovery that are over, of how many.
    recovery: Option<(usize, usize)>,
}

/// GET /
pub async fn show(State(app): State<Shared>, mut visitor: Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let recovery = Seen::take(&app, &visitor).await?;
    mark(&app, &mut visitor, recovery.is_some());
    let points = match &recovery {
        Some(seen) => seen.look.points(),
        None => Look::take(&app, visitor.session.account, overview.clone()).await?.points(),
    };
    let recovery = recovery.map(|seen| {
        let steps = seen.steps();
        (steps.iter().filter(|step| step.is_over()).count(), steps.len())
    });
    let events = app.ask(move |desk| desk.events(account, EVENTS)).await?;
    let told = |event: &Event| (moment(event.at, &overview.time_zone), event.words.clone());
    let events = events.iter().map(told).collect();
    let frame = Frame::of(&app, &visitor, "Am I safe?", "safe");
    let check_up = points::count(&points);
    Ok(page(&SafePage { frame, live: Live::of(&overview), events, check_up, recovery }))
}

/// POST /calls/{decision}/cut
pub async fn cut(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(decision): Path<String>,
) -> Result<Response, Problem> {
    let decision: DecisionId = decision.parse().map_err(|_| Problem::not_found())?;
    let overview = app.overview(visitor.session.account).await?;
    // Another's call is not there (W6).
    if !overview.calls.iter().any(|call| call.decision == decision) {
        return Err(Problem::not_found());
    }
    app.ask(move |desk| desk.cut(decision)).await?;
    let said = "The call is being hung up.".to_owned();
    app.sessions.amend(&visitor.token, |session| session.flash = Some(said));
    Ok(Redirect::to("/").into_response())
}
