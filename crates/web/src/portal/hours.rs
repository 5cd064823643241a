//! "When calls may be made". Lives here: the hours of each day as people choose them, what they leave closed. Never here: which
//! change is risky (engine), what hours are (types).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::{HourSet, Proof, Setting, WeekHour};

use crate::app::Shared;
use crate::desk::DeskError;
use crate::guard::Visitor;
use crate::page::{Errors, FieldError, Frame, Problem, answer, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::sessions::Pending;

const NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The fields of a form, in the order of the days.
const FIELDS: [(&str, &str); 7] = [
    ("from-mon", "to-mon"),
    ("from-tue", "to-tue"),
    ("from-wed", "to-wed"),
    ("from-thu", "to-thu"),
    ("from-fri", "to-fri"),
    ("from-sat", "to-sat"),
    ("from-sun", "to-sun"),
];
const HOURS: u8 = 24;

/// A day as it is chosen: calls from one hour until another; the same twice is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Day {
    fields: (&'static str, &'static str),
    name: &'static str,
    from: u8,
    to: u8,
    /// The hours in which calls may be made, where one stretch does not tell them.
    exactly: Option<String>,
}

#[derive(Template)]
#[template(path = "hours.html")]
struct HoursPage {
    frame: Frame,
    days: Vec<Day>,
    hours: Vec<u8>,
    is_bounded: bool,
    time_zone: String,
    errors: Errors,
}

/// The hours of a day in which nothing is barred.
fn open_of(barred: HourSet, day: u8) -> Vec<(u8, u8)> {
    let open = (0..HOURS).map(|hour| WeekHour { day, hour }).filter(|at| !barred.contains(*at));
    open.fold(HourSet::EMPTY, HourSet::with).of_day(day)
}

fn days_of(barred: HourSet) -> Vec<Day> {
    let day = |((at, fields), name): ((u8, _), _)| {
        let open = open_of(barred, at);
        let (from, to) = match (open.first(), open.last()) {
            (Some((from, _)), Some((_, to))) => (*from, *to),
            _ => (0, 0),
        };
        let stretches = || open.iter().map(|(from, to)| format!("{from}:00 to {to}:00"));
        let exactly = (open.len() > 1).then(|| stretches().collect::<Vec<_>>().join(", "));
        Day { fields, name, from, to, exactly }
    };
    (0..7).zip(FIELDS).zip(NAMES).map(day).collect()
}

/// In a few words, for pages that lead here.
pub fn in_words(barred: HourSet) -> Option<String> {
    (!barred.is_empty()).then(|| {
        let days = days_of(barred);
        let words = |day: &Day| match (&day.exactly, day.from, day.to) {
            (Some(exactly), ..) => exactly.clone(),
            (None, from, to) if from == to => "none".to_owned(),
            (None, 0, HOURS) => "all day".to_owned(),
            (None, from, to) => format!("{from}:00 to {to}:00"),
        };
        let mut parts: Vec<(&str, &str, String)> = Vec::new();
        for day in &days {
            match parts.last_mut() {
                Some((_, last, same)) if *same == words(day) => *last = day.name,
                _ => parts.push((day.name, day.name, words(day))),
            }
        }
        let parts = parts.iter().map(|(first, last, words)| match first == last {
            true => format!("{first} {words}"),
            false => format!("{first} to {last} {words}"),
        });
        parts.collect::<Vec<_>>().join("; ")
    })
}

/// What was chosen, and what is wrong with it. A day that was left as it was shown stays as it stands.
fn chosen(fields: &Fields, stands: HourSet) -> (Vec<Day>, Result<HourSet, Errors>) {
    let mut errors = Errors::default();
    let mut wrong = |day: &Day, what: &str| {
        let problem = format!("{}: {what}", day.name);
        errors.0.push(FieldError { field: day.fields.0, problem });
    };
    let mut barred = HourSet::EMPTY;
    let mut days = days_of(stands);
    for (at, day) in (0..7).zip(&mut days) {
        let typed = |name: &str| {
            let found = fields.iter().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.parse::<u8>().ok()).filter(|hour| *hour <= HOURS)
        };
        let (Some(from), Some(to)) = (typed(day.fields.0), typed(day.fields.1)) else {
            wrong(day, "choose both hours");
            continue;
        };
        if from > to {
            wrong(day, "from the earlier hour to the later one, please");
        }
        let is_as_shown = (from, to) == (day.from, day.to);
        let is_closed = |hour: &u8| match is_as_shown {
            true => stands.contains(WeekHour { day: at, hour: *hour }),
            false => !(from..to).contains(hour),
        };
        let closed = (0..HOURS).filter(is_closed).map(|hour| WeekHour { day: at, hour });
        barred = closed.fold(barred, HourSet::with);
        if !is_as_shown {
            (day.from, day.to, day.exactly) = (from, to, None);
        }
    }
    let read = if errors.0.is_empty() { Ok(barred) } else { Err(errors) };
    (days, read)
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    days: Option<Vec<Day>>,
    errors: Errors,
) -> Result<HoursPage, Problem> {
    let overview = app.overview(visitor.session.account).await?;
    let barred = overview.controls.barred_hours;
    Ok(HoursPage {
        frame: Frame::of(app, visitor, "When calls may be made", "from"),
        days: days.unwrap_or_else(|| days_of(barred)),
        hours: (0..=HOURS).collect(),
        is_bounded: !barred.is_empty(),
        time_zone: overview.time_zone,
        errors,
    })
}

/// GET /from-where/hours
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    Ok(page(&view(&app, &visitor, None, Errors::default()).await?))
}

/// POST /from-where/hours: less is done at once, more needs fresh proof.
pub async fn save(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    save_now(&app, &visitor, fields, is_fresh).await
}

/// By the controls as they stand in this moment.
pub async fn save_now(
    app: &Shared,
    visitor: &Visitor,
    fields: Fields,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let stands = app.overview(account).await?.controls.barred_hours;
    let (days, read) = chosen(&fields, stands);
    let again = |errors: Errors| async move {
        let page = view(app, visitor, Some(days), errors).await?;
        Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
    };
    let barred = match read {
        Ok(barred) => barred,
        Err(errors) => return again(errors).await,
    };
    let back = || Redirect::to("/from-where/hours").into_response();
    if barred == stands {
        say(app, visitor, "Nothing was changed.");
        return Ok(back());
    }
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    let settings = vec![Setting::BarredHours(barred)];
    match app.ask(move |desk| desk.change_controls(account, settings, "", proof)).await {
        Ok(_) => {
            let stands = app.overview(account).await?.controls.barred_hours;
            let said = if stands != barred {
                "Your provider was asked about the hours that you may not open yourself."
            } else if barred.is_empty() {
                "Calls can be made at every hour again."
            } else {
                "Saved. Calls that cost money are made in these hours only. A call that goes on when they end is not cut."
            };
            say(app, visitor, said);
            Ok(back())
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::Hours(fields));
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(DeskError::Refused(problem)) => again(Errors::one("from-mon", problem)).await,
        Err(down) => Err(down.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(days: [(u8, u8); 7]) -> Fields {
        let both = |((from, to), names): ((u8, u8), (&str, &str))| {
            [(names.0.to_owned(), from.to_string()), (names.1.to_owned(), to.to_string())]
        };
        days.into_iter().zip(FIELDS).flat_map(both).collect()
    }

    #[test]
    fn what_is_chosen_is_read() {
        fn check(stands: &str, days: [(u8, u8); 7], want: Result<&str, &str>) {
            let stands = stands.parse().expect("hours");
            let (_, read) = chosen(&typed(days), stands);
            let read = read.map(|hours| hours.to_string());
            let read = read.map_err(|errors| errors.of("from-tue").unwrap_or("").to_owned());
            assert_eq!(read.as_deref().map_err(String::as_str), want, "{days:?}");
        }
        let office = [(8, 18), (8, 18), (8, 18), (8, 18), (8, 18), (0, 0), (0, 0)];
        let closed = "mon-fri:0-8,mon-fri:18-24,sat-sun:0-24";
        check("none", office, Ok(closed));
        check(closed, office, Ok(closed));
        check(closed, [(0, 24); 7], Ok("none"));
        check("none", [(9, 9); 7], Ok("mon-sun:0-24"));
        let mut wrong = office;
        wrong[1] = (18, 8);
        check("none", wrong, Err("Tuesday: from the earlier hour to the later one, please"));
        wrong[1] = (3, 25);
        check("none", wrong, Err("Tuesday: choose both hours"));
        // A day that was not touched keeps its break, one that was has none.
        let mut breaks = [(0, 24); 7];
        breaks[0] = (8, 18);
        check(
            "mon-tue:12-13,mon:0-8,mon:18-24",
            breaks,
            Ok("mon:0-8,mon:12-13,mon:18-24,tue:12-13"),
        );
        breaks[0] = (8, 17);
        check("mon-tue:12-13,mon:0-8,mon:18-24", breaks, Ok("mon:0-8,mon:17-24,tue:12-13"));
    }

    #[test]
    fn hours_are_told_in_words() {
        fn check(barred: &str, want: Option<&str>) {
            assert_eq!(in_words(barred.parse().expect("hours")).as_deref(), want, "{barred}");
        }
        check("none", None);
        check(
            "mon-fri:0-8,mon-fri:18-24,sat-sun:0-24",
            Some("Monday to Friday 8:00 to 18:00; Saturday to Sunday none"),
        );
        check("mon-sun:0-24", Some("Monday to Sunday none"));
        check(
            "wed:12-13",
            Some(
                "Monday to Tuesday all day; Wednesday 0:00 to 12:00, 13:00 to 24:00; Thursday to Sunday all day",
            ),
        );
    }
}
