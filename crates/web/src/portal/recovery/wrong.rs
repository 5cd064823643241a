//! "Something is wrong": the pages. Lives here: beginning, one page per step, what the holder says of a step, leaving without
//! a report. Never here: how a step stands (`steps`), the calls (`calls`), the report (`report`).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountStatus, Proof as Shown, RecoveryStep, Setting, StepOutcome, StepWord};

use super::calls::{CallList, list};
use super::steps::{Seen, Step, Word, takes_word};
use crate::app::{App, Shared};
use crate::desk::StepSaid;
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;

/// The longest that a holder says about a step, in characters.
pub const LONGEST_WORDS: usize = 400;

/// What a step says of itself.
struct Guide {
    /// Why, and how.
    text: &'static str,
    /// Where it is done: address and words.
    link: Option<(&'static str, &'static str)>,
    /// What is pressed here: words, and is it red?
    button: Option<(&'static str, bool)>,
    /// His word for it.
    confirm: Option<&'static str>,
}

fn guide_of(step: RecoveryStep) -> Guide {
    use RecoveryStep as R;
    let mut guide = Guide { text: text_of(step), link: None, button: None, confirm: None };
    match step {
        R::Stop => guide.button = Some(("Stop outgoing calls now", true)),
        R::Mail => guide.confirm = Some("I have changed it"),
        R::Web => guide.link = Some(("/log-in", "Change my password")),
        R::Sessions => guide.button = Some(("Sign everybody else out", true)),
        R::Lines => {}
        R::Phones => guide.confirm = Some("All of these are mine"),
        R::Authenticator => guide.link = Some(("/log-in/authenticator", "Add an authenticator")),
        R::Limits => {
            guide.link = Some(("/limits", "Look at my limits"));
            guide.confirm = Some("They are as I want them");
        }
        R::Review => {
            guide.link = Some(("/check-up", "Go through the check-up"));
            guide.confirm = Some("I have gone through it");
        }
        R::Calls => guide.confirm = Some("All calls were mine"),
    }
    guide
}

fn text_of(step: RecoveryStep) -> &'static str {
    use RecoveryStep as R;
    match step {
        R::Stop => {
            "This comes first: nobody can make calls at your cost any more, and calls that cost money are hung up. You can still be \
             called, and emergency calls work."
        }
        R::Mail => {
            "Whoever reads your mail can set new passwords everywhere. Go to your mail provider’s page, choose a password that you use \
             nowhere else, and come back."
        }
        R::Web => {
            "Choose one that you use nowhere else. Everybody who is signed in with the old one is signed out."
        }
        R::Sessions => {
            "Whoever is signed in already stays so with an old password. This ends all sessions but yours here."
        }
        R::Lines => {
            "With the password of a line, calls are made from anywhere. We make a new one for you; you then enter it in your phone. Do \
             it even if you do not know how they got in."
        }
        R::Phones => {
            "Look at each one: is it yours, is it where you are? Say “Not mine” to those that are not: they are cut off at once, and \
             cannot come back."
        }
        R::Authenticator => {
            "From then on a stolen password alone opens nothing here. You need an app on your mobile; it takes two minutes."
        }
        R::Limits => {
            "So that the next thief gets little: set what can be lost in a day to a little more than you use."
        }
        R::Review => {
            "Find out how they got in, or they come again. The check-up has ten points for your router, phones and computers."
        }
        R::Calls => {
            "Tick each call that nobody of you made. It goes on record, and your provider looks at it. Calls of a phone that you said is not \
             yours are ticked already."
        }
    }
}

/// A step in the list of all.
struct Row {
    step: RecoveryStep,
    number: usize,
    title: &'static str,
    words: String,
    outcome: StepOutcome,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct StepPage {
    frame: Frame,
    rows: Vec<Row>,
    done: usize,
    current: Step,
    number: usize,
    guide: Guide,
    can_confirm: bool,
    since: String,
    next: Option<RecoveryStep>,
    calls: Option<CallList>,
    words: String,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "wrong_begin.html")]
struct BeginPage {
    frame: Frame,
    can_stop: bool,
    is_frozen: bool,
    calls: usize,
    steps: Vec<&'static str>,
    reports: Vec<(u32, String)>,
}

/// Each page leads back to the steps while they are not over.
pub fn mark(app: &App, visitor: &mut Visitor, recovering: bool) {
    visitor.session.recovering = recovering;
    app.sessions.amend(&visitor.token, |session| session.recovering = recovering);
}

/// GET /wrong: how to begin, or the first step that is not over.
pub async fn show(State(app): State<Shared>, mut visitor: Visitor) -> Result<Response, Problem> {
    let Some(seen) = Seen::take(&app, &visitor).await? else {
        mark(&app, &mut visitor, false);
        return begin_page(&app, &visitor).await;
    };
    mark(&app, &mut visitor, true);
    let steps = seen.steps();
    match steps.iter().find(|step| !step.is_over()).map(|step| step.step) {
        Some(step) => {
            Ok(page(&view(&app, &visitor, (seen, steps), step, (None, Errors::default())).await?))
        }
        None => Ok(Redirect::to("/wrong/report").into_response()),
    }
}

async fn begin_page(app: &Shared, visitor: &Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let reports = app.ask(move |desk| desk.reports(account)).await?;
    let sent = reports.iter().map(|one| (one.recovery, moment(one.made, &overview.time_zone)));
    let costing = |call: &&crate::desk::LiveCall| call.direction == types::Direction::Outgoing;
    Ok(page(&BeginPage {
        frame: Frame::of(app, visitor, "Something is wrong", "wrong"),
        can_stop: matches!(
            overview.status,
            AccountStatus::Active | AccountStatus::Watched | AccountStatus::Limited
        ),
        is_frozen: overview.status == AccountStatus::Frozen,
        calls: overview.calls.iter().filter(costing).count(),
        steps: RecoveryStep::ALL.map(RecoveryStep::title).to_vec(),
        reports: sent.collect(),
    }))
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    (seen, steps): (Seen, Vec<Step>),
    step: RecoveryStep,
    (before, errors): (Option<types::DecisionId>, Errors),
) -> Result<StepPage, Problem> {
    let rows = (1..).zip(&steps).map(|(number, one)| Row {
        step: one.step,
        number,
        title: one.step.title(),
        words: match one.outcome {
            StepOutcome::Proved | StepOutcome::Confirmed => "Done".to_owned(),
            StepOutcome::Skipped => "Left out".to_owned(),
            StepOutcome::Open => "To do".to_owned(),
        },
        outcome: one.outcome,
        is_here: one.step == step,
    });
    let at = steps.iter().position(|one| one.step == step).ok_or_else(Problem::not_found)?;
    let calls = match step {
        RecoveryStep::Calls => Some(list(app, visitor, &seen, before).await?),
        _ => None,
    };
    let current = steps[at].clone();
    let can_confirm = match takes_word(step) {
        Word::None => false,
        Word::Alone => true,
        // Marking calls says the opposite.
        Word::Beside => !current.proof.is_done,
        Word::Both => current.proof.is_done,
    };
    let mut guide = guide_of(step);
    if step == RecoveryStep::Phones && current.proof.items.is_empty() {
        guide.confirm = Some("That is right");
    }
    Ok(StepPage {
        frame: Frame::of(app, visitor, step.title(), "wrong"),
        rows: rows.collect(),
        done: steps.iter().filter(|one| one.is_over()).count(),
        number: at + 1,
        guide,
        can_confirm,
        since: current.at.map_or_else(String::new, |at| seen.when(at)),
        next: steps.get(at + 1).map(|one| one.step),
        calls,
        words: String::new(),
        current,
        errors,
    })
}

/// The recovery that is open, or a way to begin one.
async fn open(app: &Shared, visitor: &mut Visitor) -> Result<Result<Seen, Response>, Problem> {
    Ok(match Seen::take(app, visitor).await? {
        Some(seen) => {
            mark(app, visitor, true);
            Ok(seen)
        }
        None => Err(Redirect::to("/wrong").into_response()),
    })
}

/// GET /wrong/{step}
pub async fn show_step(
    State(app): State<Shared>,
    mut visitor: Visitor,
    Path(step): Path<String>,
    axum::extract::Query(fields): axum::extract::Query<Fields>,
) -> Result<Response, Problem> {
    let step: RecoveryStep = step.parse().map_err(|_| Problem::not_found())?;
    let seen = match open(&app, &mut visitor).await? {
        Ok(seen) => seen,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let before = typed(&fields, "before").parse().ok();
    let steps = seen.steps();
    Ok(page(&view(&app, &visitor, (seen, steps), step, (before, Errors::default())).await?))
}

/// What was typed in a field.
pub fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// Words on one line.
pub fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// POST /wrong: begins, and stops outgoing calls first if that is wanted.
pub async fn begin(
    State(app): State<Shared>,
    mut visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let (account, by) = (visitor.session.account, visitor.session.name.clone());
    app.ask(move |desk| desk.begin_recovery(account, &by)).await?;
    mark(&app, &mut visitor, true);
    if typed(&fields, "stop") == "yes" {
        stop(&app, &visitor).await?;
    }
    Ok(Redirect::to("/wrong").into_response())
}

/// Safer, so it is done at once.
async fn stop(app: &Shared, visitor: &Visitor) -> Result<(), Problem> {
    let account = visitor.session.account;
    if app.overview(account).await?.status != AccountStatus::Frozen {
        let frozen = vec![Setting::Status(AccountStatus::Frozen)];
        app.ask(move |desk| desk.change_controls(account, frozen, "", Shown::LoggedIn)).await?;
    }
    say(
        app,
        visitor,
        "Outgoing calls are stopped, and calls that cost money were hung up. Now the rest, step by step.",
    );
    Ok(())
}

/// Ends all sessions of the account but this one.
async fn sign_out_others(app: &Shared, visitor: &Visitor, seen: &Seen) -> Result<(), Problem> {
    let mut ended = 0;
    for user in &seen.record.users {
        ended += app.sessions.end_all(user.id, Some(&visitor.token));
        app.keep_sessions(user.id).await?;
    }
    say(app, visitor, &format!("Signed out everywhere else. Sessions ended: {ended}."));
    Ok(())
}

/// POST /wrong/{step}: it is done here, it is confirmed, or it is left.
pub async fn say_step(
    State(app): State<Shared>,
    mut visitor: Visitor,
    Path(step): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let step: RecoveryStep = step.parse().map_err(|_| Problem::not_found())?;
    let seen = match open(&app, &mut visitor).await? {
        Ok(seen) => seen,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let done = Redirect::to("/wrong").into_response();
    match (typed(&fields, "how"), step) {
        ("now", RecoveryStep::Stop) => stop(&app, &visitor).await?,
        ("now", RecoveryStep::Sessions) => sign_out_others(&app, &visitor, &seen).await?,
        ("now", RecoveryStep::Calls) => {
            super::calls::report(&app, &visitor, &seen, &fields).await?;
            return Ok(Redirect::to("/wrong/calls").into_response());
        }
        ("done", _) => {
            let steps = seen.steps();
            let now = view(&app, &visitor, (seen, steps), step, (None, Errors::default())).await?;
            if !now.can_confirm {
                let words = "That cannot be taken on your word alone: see below what is missing.";
                say(&app, &visitor, words);
                return Ok(Redirect::to(&format!("/wrong/{step}")).into_response());
            }
            keep(&app, &visitor, step, StepWord::Done, String::new()).await?;
        }
        ("skip", _) => {
            let words = on_one_line(typed(&fields, "words"));
            if let Err(problem) = reason(&words) {
                let errors = Errors::one("words", problem);
                let steps = seen.steps();
                let mut page = view(&app, &visitor, (seen, steps), step, (None, errors)).await?;
                page.words = words;
                return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
            }
            keep(&app, &visitor, step, StepWord::Skipped, words).await?;
        }
        _ => return Err(Problem::not_found()),
    }
    Ok(done)
}

/// Is it a reason?
pub fn reason(words: &str) -> Result<(), String> {
    let length = words.chars().count();
    if length == 0 {
        return Err("Say in a few words why you leave it out".to_owned());
    }
    if length > LONGEST_WORDS || words.chars().any(char::is_control) {
        return Err(format!("Please say it in at most {LONGEST_WORDS} characters"));
    }
    Ok(())
}

/// Keeps what is said of a step.
pub async fn keep(
    app: &App,
    visitor: &Visitor,
    step: RecoveryStep,
    word: StepWord,
    words: String,
) -> Result<(), Problem> {
    let account = visitor.session.account;
    let said = StepSaid { at: app.now(), word, by: visitor.session.name.clone(), words };
    app.ask(move |desk| desk.say_step(account, step, &said)).await?;
    Ok(())
}

/// POST /wrong/nothing: nothing was wrong.
pub async fn nothing(
    State(app): State<Shared>,
    mut visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let seen = match open(&app, &mut visitor).await? {
        Ok(seen) => seen,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let why = on_one_line(typed(&fields, "why"));
    if let Err(problem) = reason(&why) {
        let problem = problem.replace("you leave it out", "nothing was wrong");
        return super::report::again(&app, &visitor, seen, (fields, Errors::one("why", problem)))
            .await;
    }
    let (account, by) = (visitor.session.account, visitor.session.name.clone());
    app.ask(move |desk| desk.end_recovery(account, &by, &why)).await?;
    mark(&app, &mut visitor, false);
    say(
        &app,
        &visitor,
        "Good that nothing was wrong. If you stopped outgoing calls, start them again on this page.",
    );
    Ok(Redirect::to("/").into_response())
}
