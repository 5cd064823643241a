//! Pages as answers. Lives here: the frame around every page, errors as pages and as RFC 9457 says, money and time for
//! people. Never here: what a single page shows.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use types::{Money, UnixMicros};

use crate::api::fault::Fault;
use crate::app::App;
use crate::desk::DeskError;
use crate::guard::Visitor;

/// What stands around every page.
pub struct Frame {
    /// Title, without the product's name.
    pub title: &'static str,
    /// Which entry of the navigation it is.
    pub here: &'static str,
    /// Who is signed in, if anybody.
    pub user: Option<String>,
    /// Said once, at the top.
    pub flash: Option<String>,
    /// Somebody is on his way through the steps of a recovery.
    pub recovering: bool,
}

impl Frame {
    /// Of a page that everybody may open.
    pub fn open(title: &'static str) -> Frame {
        Frame { title, here: "", user: None, flash: None, recovering: false }
    }

    /// Of a holder's page; takes what is to be said once.
    pub fn of(app: &App, visitor: &Visitor, title: &'static str, here: &'static str) -> Frame {
        let user = Some(visitor.session.name.clone());
        let flash = app.sessions.take_flash(&visitor.token);
        Frame { title, here, user, flash, recovering: visitor.session.recovering }
    }
}

/// A template as a page.
pub fn page(template: &impl Template) -> Response {
    answer(StatusCode::OK, template)
}

/// A template as a page with this status.
pub fn answer(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Something is wrong beside a field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `id` of the field.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Everything that is wrong with a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    /// Only this.
    pub fn one(field: &'static str, problem: impl Into<String>) -> Errors {
        Errors(vec![FieldError { field, problem: problem.into() }])
    }

    /// What is wrong with the field of this `id`, if anything.
    pub fn of(&self, field: &str) -> Option<&str> {
        let found = self.0.iter().find(|error| error.field == field);
        found.map(|error| error.problem.as_str())
    }
}

/// A request that does not get what it asked for.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    title: String,
    help: String,
    path: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'p> {
    frame: Frame,
    problem: &'p Problem,
}

impl Problem {
    /// With this title, which is a sentence without a full stop.
    pub fn new(status: StatusCode, title: &str) -> Problem {
        let (title, help) = (title.to_owned(), String::new());
        Problem { status, title, help, path: String::new() }
    }

    /// And what to do about it.
    pub fn help(mut self, help: &str) -> Problem {
        self.help = help.to_owned();
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What to do about it; may be empty.
    pub fn help_text(&self) -> &str {
        &self.help
    }

    /// Of a request to this path: those of the API are answered as RFC 9457 says.
    pub fn at(mut self, path: &str) -> Problem {
        self.path = path.to_owned();
        self
    }

    /// There is no such thing, or it is another's (W6).
    pub fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "There is nothing here")
            .help("The address may be mistyped, or what was here has ended.")
    }

    /// Nobody is signed in.
    pub fn signed_out() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "You are not signed in")
            .help("Your session may have ended: sign in again.")
    }

    /// A form of another site.
    pub fn foreign_form() -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "This did not come from our own page")
            .help("Nothing was changed. Open the page here, and try again.")
    }

    /// Too many at once.
    pub fn busy() -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many are asking at the moment")
            .help("Wait a minute, and try again. Your calls are not affected.")
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Problem {
        match error {
            DeskError::Refused(why) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "That cannot be done").help(&why)
            }
            DeskError::NeedsProof => {
                Problem::new(StatusCode::FORBIDDEN, "Show again that it is you")
                    .help("Sign in again, then go on.")
            }
            DeskError::Down(why) => {
                tracing::warn!(error = %why, "a page was not answered by the node");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The system does not answer")
                    .help("Nothing was changed. Try again in a minute.")
            }
        }
    }
}

impl From<crate::secrets::NoDice> for Problem {
    fn from(error: crate::secrets::NoDice) -> Problem {
        DeskError::Down(error.to_string()).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.path.starts_with("/api/") {
            let path = self.path.clone();
            return Fault::from(self).of(&path).into_response();
        }
        let frame = Frame::open("Something went wrong");
        answer(self.status, &ProblemPage { frame, problem: &self })
    }
}

/// An amount with the sign that people know: `£12.50`.
pub fn money(amount: Money, currency: &str) -> String {
    let sign = match currency {
        "GBP" => "£",
        "EUR" => "€",
        "USD" => "$",
        _ => "",
    };
    let text = amount.to_string();
    match (sign.is_empty(), text.strip_prefix('-')) {
        (true, _) => format!("{text} {currency}"),
        (false, Some(rest)) => format!("-{sign}{rest}"),
        (false, None) => format!("{sign}{text}"),
    }
}

/// An amount rounded up to pence: what people read at a glance.
pub fn round_money(amount: Money, currency: &str) -> String {
    const CENT: i64 = 10_000;
    let micros = amount.micros();
    let cents = micros.div_euclid(CENT) + i64::from(micros.rem_euclid(CENT) > 0);
    money(Money::from_micros(cents.saturating_mul(CENT)), currency)
}

/// A moment at the account's place: `Sun 22 Nov, 23:47`.
pub fn moment(at: UnixMicros, time_zone: &str) -> String {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    match Timestamp::from_microsecond(at.0) {
        Ok(stamp) => stamp.to_zoned(zone).strftime("%a %-d %b, %H:%M").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// A moment at the account's place with its year and zone, for what is kept: `Sun 22 Nov 2026, 23:47 GMT`.
pub fn full_moment(at: UnixMicros, time_zone: &str) -> String {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    match Timestamp::from_microsecond(at.0) {
        Ok(stamp) => stamp.to_zoned(zone).strftime("%a %-d %b %Y, %H:%M %Z").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// How long a call lasts: `4:07`, `1:02:03`.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        fn check(micros: i64, currency: &str, exact: &str, rounded: &str) {
            let amount = Money::from_micros(micros);
            assert_eq!(money(amount, currency), exact);
            assert_eq!(round_money(amount, currency), rounded);
        }
        check(12_500_000, "GBP", "£12.50", "£12.50");
        check(12_500, "GBP", "£0.0125", "£0.02");
        check(-1_500_000, "EUR", "-€1.50", "-€1.50");
        check(1_000_000, "CHF", "1.00 CHF", "1.00 CHF");
    }

    #[test]
    fn moments_and_lengths_read_as_people_say_them() {
        // 2026-07-01T12:00:00Z
        let at = UnixMicros::from_seconds(1_782_907_200);
        assert_eq!(moment(at, "Europe/London"), "Wed 1 Jul, 13:00");
        assert_eq!(moment(at, "nowhere"), "Wed 1 Jul, 12:00");
        assert_eq!(full_moment(at, "Europe/London"), "Wed 1 Jul 2026, 13:00 BST");
        assert_eq!([clock(0), clock(247_900), clock(3_723_000)], ["0:00", "4:07", "1:02:03"]);
    }
}
