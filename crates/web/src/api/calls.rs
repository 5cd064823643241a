//! Calls for programs: in progress, and over. Lives here: the list with its filter, one call, hanging up, "not mine", "allow". Never
//! here: how calls are found (the desk), which change is risky (engine).

use serde::{Deserialize, Serialize};
use types::decision::Outcome;
use types::{Cdr, DecisionId, Direction, Finding, LineId, Proof};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Amount, Lasts, Moment, Nothing, Said};
use crate::desk::{LiveCall, Overview};
use crate::page::moment;
use crate::portal::call::allowance;
use crate::portal::calls::read;
use crate::portal::words::story;

/// Calls in progress.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InProgress {
    /// The oldest first.
    calls: Vec<CallInProgress>,
}

/// A call in progress.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CallInProgress {
    /// Names it.
    call: String,
    /// The user name of its line.
    line: Option<String>,
    /// `outgoing`, `incoming` or `on-net`.
    direction: &'static str,
    /// Who calls.
    caller: String,
    /// What was dialled.
    dialled: String,
    /// The class of where it leads.
    kind: &'static str,
    /// When it was asked for.
    started: Moment,
    /// Seconds since it was answered, if it was.
    talk_seconds: Option<u64>,
    /// What it has cost to this second.
    cost: Amount,
    /// What is held for it.
    held: Amount,
    /// Does it count as costly?
    costly: bool,
}

impl From<&LiveCall> for CallInProgress {
    fn from(call: &LiveCall) -> CallInProgress {
        CallInProgress {
            call: call.decision.to_string(),
            line: call.line.clone(),
            direction: call.direction.code(),
            caller: call.caller.clone(),
            dialled: call.dialled.clone(),
            kind: call.class.code(),
            started: call.started.into(),
            talk_seconds: call.talk_ms.map(|ms| ms / 1_000),
            cost: call.cost.into(),
            held: call.held.into(),
            costly: call.costly,
        }
    }
}

impl From<&Overview> for InProgress {
    fn from(overview: &Overview) -> InProgress {
        InProgress { calls: overview.calls.iter().map(CallInProgress::from).collect() }
    }
}

/// GET /api/v1/live-calls
pub async fn live(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<InProgress, Fault> {
    Ok(InProgress::from(&caller.overview().await?))
}

fn named(id: &str) -> Result<DecisionId, Fault> {
    id.parse().map_err(|_| Fault::not_found())
}

/// POST /api/v1/live-calls/{call}/cut
pub async fn cut(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Said, Fault> {
    let decision = named(&sent.id)?;
    // Another's call is not there (W6).
    if !caller.overview().await?.calls.iter().any(|call| call.decision == decision) {
        return Err(Fault::not_found());
    }
    caller.ask(move |desk| desk.cut(decision)).await?;
    Ok(Said::that("The call is being hung up."))
}

/// Which calls: every condition must hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallFilter {
    /// From this day on, at the account's place.
    #[schema(format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2026-11-01")]
    since: Option<String>,
    /// To this day, it included.
    #[schema(format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2026-11-30")]
    until: Option<String>,
    /// To numbers that begin so, with the country's code.
    #[schema(pattern = r"^\+?[1-9][0-9]{0,14}$", example = "+252")]
    number: Option<String>,
    /// Which way.
    #[schema(inline)]
    direction: Option<Way>,
    /// What became of them.
    #[schema(inline)]
    outcome: Option<Became>,
    /// Did they cost anything?
    charged: Option<bool>,
    /// The user name of a line.
    #[schema(min_length = 1, max_length = 64)]
    line: Option<String>,
    /// Where a page before ended: its `next`.
    #[schema(pattern = "^[0-9A-F][0-9A-HJKMNP-TV-Z]{12}$", example = "0CR6M0Z2WM000")]
    before: Option<String>,
    /// How many at most. There may be fewer although there are more: go on with `next`.
    #[serde(default = "fifty")]
    #[schema(minimum = 1, maximum = 1000, default = 50)]
    limit: u32,
}

fn fifty() -> u32 {
    50
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Way {
    Out,
    In,
    Within,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Became {
    LetOut,
    Stopped,
}

impl CallFilter {
    /// As the page has it.
    fn fields(&self) -> Vec<(String, String)> {
        let way = self.direction.map(|way| match way {
            Way::Out => "out",
            Way::In => "in",
            Way::Within => "within",
        });
        let became = self.outcome.map(|became| match became {
            Became::LetOut => "let-out",
            Became::Stopped => "stopped",
        });
        let charged = self.charged.map(|charged| if charged { "yes" } else { "no" });
        let all = [
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("number", self.number.as_deref()),
            ("direction", way),
            ("outcome", became),
            ("charged", charged),
            ("line", self.line.as_deref()),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Calls, the newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Calls {
    calls: Vec<Call>,
    /// Go on with `before` of this; `null`: there is nothing before.
    next: Option<String>,
}

/// A call that is over, or was stopped.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Call {
    /// Names it.
    call: String,
    /// When it was asked for.
    started: Moment,
    /// When it was answered, if it was.
    answered: Option<Moment>,
    /// When it ended.
    ended: Moment,
    /// `outgoing`, `incoming` or `on-net`.
    direction: &'static str,
    /// The number shown.
    caller: String,
    /// What was dialled.
    dialled: String,
    /// The number called, with the country's code.
    called: Option<String>,
    /// Its country.
    country: Option<String>,
    /// Its class.
    kind: &'static str,
    /// The user name of the line.
    line: Option<String>,
    /// What the phone said that it is.
    phone: Option<String>,
    /// From where the phone called.
    address: Option<String>,
    /// Seconds of talk, begun ones whole.
    talk_seconds: u64,
    /// What a minute cost.
    per_minute: Option<Amount>,
    /// What it cost.
    price: Amount,
    /// Was it stopped?
    is_stopped: bool,
    /// Why: codes of the catalogue of reasons.
    reasons: Vec<&'static str>,
    /// What happened, in words.
    story: String,
}

fn shown(call: &Cdr, overview: &Overview, lines: &[(LineId, String)]) -> Call {
    let at = moment(call.started, &overview.time_zone);
    let time = at.rsplit_once(' ').map_or(at.as_str(), |(_, time)| time);
    let line = call.line.and_then(|id| lines.iter().find(|(known, _)| *known == id));
    let is_ours = call.direction != Direction::Incoming;
    let rate = call.explanation.rate.filter(|_| call.direction == Direction::Outgoing);
    Call {
        call: call.decision.to_string(),
        started: call.started.into(),
        answered: call.answered.map(Moment::from),
        ended: call.ended.into(),
        direction: call.direction.code(),
        caller: call.caller.clone(),
        dialled: call.dialled.clone(),
        called: call.destination.e164.map(|number| number.to_string()),
        country: call.destination.region.map(|region| region.to_string()),
        kind: call.destination.class.code(),
        line: line.map(|(_, user)| user.clone()),
        phone: is_ours.then(|| call.a_leg.user_agent.clone()),
        address: call.a_leg.peer.filter(|_| is_ours).map(|peer| peer.ip().to_string()),
        talk_seconds: call.answered.map_or(0, |_| call.duration_ms.div_ceil(1_000)),
        per_minute: rate.map(|rate| rate.per_minute.into()),
        price: call.price.into(),
        is_stopped: call.explanation.outcome == Outcome::Refused,
        reasons: call
            .explanation
            .findings
            .iter()
            .map(Finding::reason)
            .map(|one| one.code())
            .collect(),
        story: story(call, time, &overview.currency),
    }
}

/// GET /api/v1/calls
pub async fn list(caller: Caller, sent: Sent<CallFilter, Nothing>) -> Result<Calls, Fault> {
    let (account, filter) = (caller.account, sent.query);
    let overview = caller.overview().await?;
    let lines = caller.ask(move |desk| desk.lines(account)).await?;
    let (mut ask, wrong) = read(&filter.fields(), &overview.time_zone, &lines);
    let mut errors: Vec<FieldFault> =
        wrong.0.into_iter().map(|one| FieldFault::parameter(one.field, one.problem)).collect();
    if filter.line.is_some() && ask.line.is_none() {
        errors.push(FieldFault::parameter("line", "there is no such line"));
    }
    if let Some(before) = &filter.before {
        ask.before = before.parse().ok();
        if ask.before.is_none() {
            errors.push(FieldFault::parameter("before", "is not the `next` of a page"));
        }
    }
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    ask.limit = filter.limit;
    let found = caller.ask(move |desk| desk.calls(account, &ask)).await?;
    Ok(Calls {
        calls: found.calls.iter().map(|call| shown(call, &overview, &lines)).collect(),
        next: found.next.map(|next| next.to_string()),
    })
}

/// The call of this name, if it is the account's (W6).
async fn find(caller: &Caller, id: &str) -> Result<Cdr, Fault> {
    let (account, decision) = (caller.account, named(id)?);
    let found = caller.ask(move |desk| desk.call(account, decision)).await?;
    found.ok_or_else(Fault::not_found)
}

/// GET /api/v1/calls/{call}
pub async fn show(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Call, Fault> {
    let call = find(&caller, &sent.id).await?;
    let account = caller.account;
    let overview = caller.overview().await?;
    let lines = caller.ask(move |desk| desk.lines(account)).await?;
    Ok(shown(&call, &overview, &lines))
}

/// What is said about a call.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotMine {
    /// Anything that helps to find out who it was.
    #[serde(default)]
    #[schema(max_length = 500)]
    words: String,
}

/// POST /api/v1/calls/{call}/not-mine: kept on record, and staff are told.
pub async fn not_mine(caller: Caller, sent: Sent<Nothing, NotMine>) -> Result<Said, Fault> {
    let call = find(&caller, &sent.id).await?;
    // Whoever was called within the platform is not who pays.
    if call.direction == Direction::Incoming {
        return Err(Fault::refused("Who was called did not make the call"));
    }
    let (account, decision, by) = (caller.account, call.decision, caller.in_words());
    let words = sent.body.words.trim().to_owned();
    let said = caller.ask(move |desk| {
        if desk.reported(account)?.iter().any(|known| known.decision == decision) {
            return Ok("This call was reported before. It is on record.");
        }
        desk.report_call(account, decision, &by, &words)?;
        Ok("It is on record that the holder did not make this call, and the provider was told.")
    });
    Ok(Said::that(said.await?))
}

/// For how long.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowFor {
    /// For how long.
    #[schema(inline)]
    lasts: Lasts,
}

/// POST /api/v1/calls/{call}/allow: what stopped it goes up, so the holder does it himself.
pub async fn allow(caller: Caller, sent: Sent<Nothing, AllowFor>) -> Result<Said, Fault> {
    let call = find(&caller, &sent.id).await?;
    let overview = caller.overview().await?;
    let wanted = allowance(&call, &overview.controls, &overview.currency);
    if wanted.settings.is_empty() {
        return Ok(Said::that("Nothing was changed: the limits allow such a call as they are."));
    }
    let (account, lasts) = (caller.account, sent.body.lasts.text());
    let changed = caller
        .ask(move |desk| desk.change_controls(account, wanted.settings, lasts, Proof::Token))
        .await?;
    Ok(Said::that(changed.message))
}
