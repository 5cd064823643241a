//! "Calls": the list, what it is filtered by, the same as CSV. Lives here: reading the filter, rows, pages, the download.
//! Never here: one call (`call`), how calls are found (the desk).

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use types::cell::safe_cell;
use types::decision::Outcome;
use types::{AccountId, Cdr, Direction, LineId, UnixMicros};

use crate::app::Shared;
use crate::desk::{CallAsk, DeskError, Overview};
use crate::guard::Visitor;
use crate::page::{Errors, FieldError, Frame, Problem, answer, moment, page, round_money};
use crate::portal::limits::Fields;
use crate::portal::words::{other_side, outcome, story};

/// Calls on one page.
const PAGE: u32 = 50;
/// Calls that are read in one go for a download.
const CHUNK: u32 = 1_000;

/// The choices of a select, with the one that is chosen.
pub struct Choices {
    /// `id` and name of the field.
    pub id: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// Value, words, is it chosen.
    pub options: Vec<(String, String, bool)>,
}

/// One call in the list.
pub struct Row {
    /// Names it.
    pub decision: String,
    /// When, at the account's place.
    pub at: String,
    /// Who is at the other side.
    pub who: String,
    /// What kind of number, on which line.
    pub about: String,
    /// How it ended, in a word or two.
    pub outcome: String,
    /// Why it was stopped; empty for others.
    pub why: String,
    /// What it cost; empty for nothing.
    pub price: String,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage {
    frame: Frame,
    since: String,
    until: String,
    number: String,
    choices: Vec<Choices>,
    is_filtered: bool,
    rows: Vec<Row>,
    next: Option<String>,
    looked_back_to: Option<String>,
    newest: Option<String>,
    csv: String,
    errors: Errors,
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// What was typed, as a filter; and what is wrong with it.
pub fn read(
    fields: &[(String, String)],
    time_zone: &str,
    lines: &[(LineId, String)],
) -> (CallAsk, Errors) {
    let mut errors = Errors::default();
    let mut ask = CallAsk { limit: PAGE, ..CallAsk::default() };
    let mut day = |id: &'static str, plus: i64| match typed(fields, id) {
        "" => None,
        text => match midnight(text, plus, time_zone) {
            Some(at) => Some(at),
            None => {
                let problem = format!("“{text}” is not a day: write it like 2026-11-22");
                errors.0.push(FieldError { field: id, problem });
                None
            }
        },
    };
    (ask.since, ask.until) = (day("since", 0), day("until", 1));
    match digits(typed(fields, "number")) {
        Ok(digits) => ask.digits = digits,
        Err(problem) => errors.0.push(FieldError { field: "number", problem }),
    }
    ask.direction = match typed(fields, "direction") {
        "out" => Some(Direction::Outgoing),
        "in" => Some(Direction::Incoming),
        "within" => Some(Direction::OnNet),
        _ => None,
    };
    ask.outcome = match typed(fields, "outcome") {
        "let-out" => Some(Outcome::Admitted),
        "stopped" => Some(Outcome::Refused),
        _ => None,
    };
    ask.charged = match typed(fields, "charged") {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let line = typed(fields, "line");
    ask.line = lines.iter().find(|(_, user)| user == line).map(|(id, _)| *id);
    ask.before = typed(fields, "before").parse().ok();
    (ask, errors)
}

/// The midnight with which a day begins at a place, or one some days later.
fn midnight(text: &str, plus: i64, time_zone: &str) -> Option<UnixMicros> {
    let day: Date = text.parse().ok()?;
    let day = day.checked_add(jiff::Span::new().try_days(plus).ok()?).ok()?;
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let at = day.to_zoned(zone).ok()?;
    Some(UnixMicros(at.timestamp().as_microsecond()))
}

/// The digits that a number begins with, the country's code first.
fn digits(text: &str) -> Result<Option<String>, String> {
    let plain: String = text.chars().filter(|c| !" -().\u{a0}".contains(*c)).collect();
    if plain.is_empty() {
        return Ok(None);
    }
    let digits = plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")).unwrap_or(&plain);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 15;
    match is_number && !digits.is_empty() && !digits.starts_with('0') {
        true => Ok(Some(digits.to_owned())),
        false => Err(format!(
            "“{text}” is not how a number begins: write it with the country’s code, like +44 20"
        )),
    }
}

fn choices(fields: &[(String, String)], lines: &[(LineId, String)]) -> Vec<Choices> {
    let choice = |id, label, options: &[(&str, &str)]| {
        let chosen = typed(fields, id);
        let option = |(value, words): &(&str, &str)| {
            ((*value).to_owned(), (*words).to_owned(), *value == chosen)
        };
        Choices { id, label, options: options.iter().map(option).collect() }
    };
    let named: Vec<(&str, &str)> = std::iter::once(("", "All lines"))
        .chain(lines.iter().map(|(_, user)| (user.as_str(), user.as_str())))
        .collect();
    let mut all = vec![
        choice(
            "direction",
            "Which way",
            &[("", "Both ways"), ("out", "Out"), ("in", "In"), ("within", "Within the network")],
        ),
        choice(
            "outcome",
            "What became of them",
            &[("", "All"), ("let-out", "Let through"), ("stopped", "Stopped")],
        ),
        choice(
            "charged",
            "Cost",
            &[("", "All"), ("yes", "Cost something"), ("no", "Cost nothing")],
        ),
    ];
    if lines.len() > 1 {
        all.push(choice("line", "Line", &named));
    }
    all
}

/// The filter as it stands in an address, with another place to go on from.
fn query(fields: &[(String, String)], before: Option<&str>) -> String {
    let kept = fields.iter().filter(|(name, value)| name != "before" && !value.trim().is_empty());
    let pairs = kept.map(|(name, value)| (name.as_str(), value.trim()));
    let pairs = pairs.chain(before.map(|before| ("before", before)));
    let all: Vec<String> =
        pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn row(call: &Cdr, overview: &Overview, lines: &[(LineId, String)]) -> Row {
    let (who, kind) = other_side(call);
    let line = call.line.and_then(|id| lines.iter().find(|(known, _)| *known == id));
    let about = match line.filter(|_| lines.len() > 1) {
        Some((_, user)) => format!("{kind} · {user}"),
        None => kind,
    };
    let at = moment(call.started, &overview.time_zone);
    let time = at.rsplit_once(' ').map_or(at.as_str(), |(_, time)| time);
    let is_stopped = call.explanation.outcome == Outcome::Refused;
    Row {
        decision: call.decision.to_string(),
        who,
        about,
        outcome: outcome(call),
        why: if is_stopped { story(call, time, &overview.currency) } else { String::new() },
        price: match call.price.is_zero() {
            true => String::new(),
            false => round_money(call.price, &overview.currency),
        },
        at,
    }
}

/// GET /calls
pub async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    Query(fields): Query<Fields>,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let lines = app.ask(move |desk| desk.lines(account)).await?;
    let (ask, errors) = read(&fields, &overview.time_zone, &lines);
    let is_wrong = !errors.0.is_empty();
    let is_first = ask.before.is_none();
    let found = match is_wrong {
        true => crate::desk::CallsFound::default(),
        false => app.ask(move |desk| desk.calls(account, &ask)).await?,
    };
    let next = found.next.map(|next| next.to_string());
    // Fewer than asked for, and not at the end: only so many calls were looked at.
    let stopped_at = found.next.filter(|_| found.calls.len() < PAGE as usize);
    let view = CallsPage {
        frame: Frame::of(&app, &visitor, "Calls", "calls"),
        since: typed(&fields, "since").to_owned(),
        until: typed(&fields, "until").to_owned(),
        number: typed(&fields, "number").to_owned(),
        choices: choices(&fields, &lines),
        is_filtered: fields
            .iter()
            .any(|(name, value)| name != "before" && !value.trim().is_empty()),
        rows: found.calls.iter().map(|call| row(call, &overview, &lines)).collect(),
        next: next.map(|next| format!("/calls{}", query(&fields, Some(&next)))),
        looked_back_to: stopped_at.map(|id| moment(id.time(), &overview.time_zone)),
        newest: (!is_first).then(|| format!("/calls{}", query(&fields, None))),
        csv: format!("/calls.csv{}", query(&fields, None)),
        errors,
    };
    Ok(match is_wrong {
        true => answer(StatusCode::UNPROCESSABLE_ENTITY, &view),
        false => page(&view),
    })
}

/// GET /calls.csv: all that the filter lets through, read and sent a thousand at a time.
pub async fn download(
    State(app): State<Shared>,
    visitor: Visitor,
    Query(fields): Query<Fields>,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let lines = app.ask(move |desk| desk.lines(account)).await?;
    let (ask, errors) = read(&fields, &overview.time_zone, &lines);
    if let Some(error) = errors.0.first() {
        return Err(DeskError::Refused(error.problem.clone()).into());
    }
    let ask = CallAsk { limit: CHUNK, before: None, ..ask };
    let sheet = Sheet { app, account, lines, currency: overview.currency, ask: Some(ask) };
    let head = Ok::<_, std::io::Error>(Bytes::from(HEAD.join(",") + "\r\n"));
    let rest = stream::try_unfold(sheet, |mut sheet| async move {
        let Some(ask) = sheet.ask.take() else { return Ok(None) };
        let (asked, account) = (ask.clone(), sheet.account);
        let found = sheet.app.ask(move |desk| desk.calls(account, &asked)).await;
        let found = found.map_err(std::io::Error::other)?;
        sheet.ask = found.next.map(|next| CallAsk { before: Some(next), ..ask });
        let lines: String = found.calls.iter().map(|call| sheet.line(call)).collect();
        Ok(Some((Bytes::from(lines), sheet)))
    });
    let body = Body::from_stream(stream::StreamExt::chain(stream::iter([head]), rest));
    let named = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""),
    ];
    Ok((named, body).into_response())
}

const HEAD: [&str; 12] = [
    "call",
    "started",
    "direction",
    "caller",
    "called",
    "country",
    "kind",
    "line",
    "talk_seconds",
    "price",
    "currency",
    "what_happened",
];

/// A download on its way.
struct Sheet {
    app: Shared,
    account: AccountId,
    lines: Vec<(LineId, String)>,
    currency: String,
    /// What to read next; `None`: all is read.
    ask: Option<CallAsk>,
}

impl Sheet {
    fn line(&self, call: &Cdr) -> String {
        let line = call.line.and_then(|id| self.lines.iter().find(|(known, _)| *known == id));
        let started = call.started.to_string();
        let time = started.get(11..16).unwrap_or_default();
        let region = call.destination.region;
        let called = call.destination.e164.map(|number| number.to_string());
        let cells = [
            call.decision.to_string(),
            started.clone(),
            call.direction.code().to_owned(),
            call.caller.clone(),
            called.unwrap_or_else(|| call.dialled.clone()),
            region.map_or_else(String::new, |region| region.name().to_owned()),
            call.destination.class.code().to_owned(),
            line.map_or_else(String::new, |(_, user)| user.clone()),
            call.answered.map_or(0, |_| call.duration_ms.div_ceil(1_000)).to_string(),
            call.price.to_string(),
            self.currency.clone(),
            story(call, &format!("{time} UTC"), &self.currency),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(&safe_cell(cell))).collect();
        cells.join(",") + "\r\n"
    }
}

/// A cell as RFC 4180 §2 writes it.
fn quoted(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn filters_are_read_or_refused_with_the_reason() {
        fn check(name: &str, value: &str, want: Result<CallAsk, &str>) {
            let lines = [(LineId(7), "desk".to_owned())];
            let (ask, errors) = read(&fields(&[(name, value)]), "Europe/London", &lines);
            match want {
                Ok(want) => assert_eq!((ask, errors.0), (want, Vec::new()), "{name}={value}"),
                Err(want) => {
                    let found = errors.of(name).unwrap_or("nothing");
                    assert!(found.contains(want), "{name}={value}: {found}");
                }
            }
        }
        let any = || CallAsk { limit: PAGE, ..CallAsk::default() };
        // Summer time: the day begins an hour before that of UTC.
        let at = |seconds| Some(UnixMicros::from_seconds(seconds));
        check("since", "2026-07-01", Ok(CallAsk { since: at(1_782_860_400), ..any() }));
        check("until", "2026-07-01", Ok(CallAsk { until: at(1_782_946_800), ..any() }));
        check("since", "1 July", Err("“1 July” is not a day"));
        check("until", "2026-02-30", Err("is not a day"));
        let to = |digits: &str| CallAsk { digits: Some(digits.to_owned()), ..any() };
        check("number", "+252 61", Ok(to("25261")));
        check("number", "0025261", Ok(to("25261")));
        check("number", "252", Ok(to("252")));
        check("number", " ", Ok(any()));
        check("number", "020 7946", Err("with the country’s code"));
        check("number", "+44%", Err("with the country’s code"));
        check("direction", "in", Ok(CallAsk { direction: Some(Direction::Incoming), ..any() }));
        check("outcome", "stopped", Ok(CallAsk { outcome: Some(Outcome::Refused), ..any() }));
        check("charged", "no", Ok(CallAsk { charged: Some(false), ..any() }));
        check("line", "desk", Ok(CallAsk { line: Some(LineId(7)), ..any() }));
        check("line", "another's", Ok(any()));
        check("before", "nonsense", Ok(any()));
    }

    #[test]
    fn addresses_keep_the_filter() {
        let kept = fields(&[("number", "+44 20"), ("before", "X"), ("line", ""), ("a&b", "=")]);
        assert_eq!(query(&kept, None), "?number=%2B44%2020&a%26b=%3D");
        assert_eq!(query(&kept, Some("Y")), "?number=%2B44%2020&a%26b=%3D&before=Y");
        assert_eq!(query(&[], None), "");
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
