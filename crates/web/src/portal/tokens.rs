//! "Tokens for programs". Lives here: those there are, making one, which is shown once, revoking. Never here: what a token is good for
//! (`routes`), letting programs in (`api::bearer`).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::{ApiToken, TokenScope, WebUser, WebUserId};
use zeroize::Zeroizing;

use crate::api::bearer;
use crate::app::{App, Shared};
use crate::desk::DeskError;
use crate::guard::Visitor;
use crate::page::{Errors, FieldError, Frame, Problem, answer, moment, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::sessions::{Pending, TokenWish};

/// Tokens of one user.
pub const MOST: usize = 10;
/// The longest name, in characters.
pub const LONGEST_NAME: usize = 40;
/// For how many days a token may be good, and in words.
const DAYS: [(u32, &str); 3] = [(30, "30 days"), (90, "90 days"), (365, "a year")];

/// A token as a row.
struct Row {
    number: u32,
    name: String,
    scopes: String,
    created: String,
    until: String,
    used: String,
    is_over: bool,
}

impl Row {
    fn of(app: &App, user: &WebUser, token: &ApiToken, zone: &str) -> Row {
        let used = app.paces.used((user.id, token.number)).or(token.used);
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.code()).collect();
        Row {
            number: token.number,
            name: token.name.clone(),
            scopes: scopes.join(", "),
            created: moment(token.created, zone),
            until: moment(token.until, zone),
            used: match used {
                Some((at, source)) => format!("Last used {} from {source}", moment(at, zone)),
                None => "Never used".to_owned(),
            },
            is_over: app.now() >= token.until,
        }
    }
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<Row>,
    is_full: bool,
    name: String,
    scopes: Vec<(&'static str, &'static str, bool)>,
    days: Vec<(u32, &'static str, bool)>,
    errors: Errors,
}

async fn user_of(app: &App, user: WebUserId) -> Result<WebUser, Problem> {
    let found = app.ask(move |desk| desk.user_of_id(user)).await?;
    found.filter(|user| !user.is_removed).ok_or_else(Problem::signed_out)
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

async fn view(
    app: &App,
    visitor: &Visitor,
    fields: Option<&[(String, String)]>,
    errors: Errors,
) -> Result<TokensPage, Problem> {
    let user = user_of(app, visitor.session.user).await?;
    let zone = app.looked(visitor.session.account).await?.time_zone.clone();
    let is_chosen = |scope: TokenScope| match fields {
        Some(fields) => !typed(fields, &format!("scope-{scope}")).is_empty(),
        None => scope == TokenScope::Read,
    };
    let days = fields.map_or("90", |fields| typed(fields, "days"));
    let mut tokens: Vec<Row> =
        user.tokens.iter().map(|token| Row::of(app, &user, token, &zone)).collect();
    tokens.sort_by_key(|row| (row.is_over, std::cmp::Reverse(row.number)));
    Ok(TokensPage {
        frame: Frame::of(app, visitor, "Tokens for programs", "log-in"),
        is_full: user.tokens.len() >= MOST,
        tokens,
        name: fields.map_or("", |fields| typed(fields, "name")).to_owned(),
        scopes: TokenScope::ALL
            .map(|scope| (scope.code(), scope.words(), is_chosen(scope)))
            .to_vec(),
        days: DAYS.map(|(count, words)| (count, words, count.to_string() == days)).to_vec(),
        errors,
    })
}

/// GET /tokens
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    Ok(page(&view(&app, &visitor, None, Errors::default()).await?))
}

/// What is wrong with a name, if anything. Names stand in mails and on record.
pub fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("Give it a name, so that you know later which program it is".to_owned());
    }
    if name.chars().count() > LONGEST_NAME {
        return Some(format!("At most {LONGEST_NAME} characters"));
    }
    name.chars().any(char::is_control).then(|| "Only letters, digits and signs".to_owned())
}

fn read(fields: &[(String, String)]) -> Result<TokenWish, Errors> {
    let mut errors = Vec::new();
    let mut wrong = |field, problem: String| errors.push(FieldError { field, problem });
    let name = typed(fields, "name").to_owned();
    if let Some(problem) = name_fault(&name) {
        wrong("name", problem);
    }
    let scopes: Vec<TokenScope> = TokenScope::ALL
        .into_iter()
        .filter(|scope| !typed(fields, &format!("scope-{scope}")).is_empty())
        .collect();
    if scopes.is_empty() {
        wrong("scope-read", "Choose what it is good for".to_owned());
    }
    let days = DAYS.iter().find(|(count, _)| count.to_string() == typed(fields, "days"));
    if days.is_none() {
        wrong("days", "Choose for how long".to_owned());
    }
    match days {
        Some((days, _)) if errors.is_empty() => Ok(TokenWish { name, scopes, days: *days }),
        _ => Err(Errors(errors)),
    }
}

/// POST /tokens: needs fresh proof.
pub async fn make(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let wish = match read(&fields) {
        Ok(wish) => wish,
        Err(errors) => {
            let page = view(&app, &visitor, Some(&fields), errors).await?;
            return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    if !visitor.session.is_fresh(app.now()) {
        let pending = Some(Pending::Token(wish));
        app.sessions.amend(&visitor.token, |session| session.pending = pending);
        return Ok(Redirect::to("/confirm").into_response());
    }
    make_now(&app, &visitor, wish).await
}

#[derive(Template)]
#[template(path = "token_shown.html")]
struct ShownPage {
    frame: Frame,
    name: String,
    token: Zeroizing<String>,
    scopes: String,
    until: String,
}

/// Makes it, and shows it: here and nowhere else.
pub async fn make_now(app: &App, visitor: &Visitor, wish: TokenWish) -> Result<Response, Problem> {
    let zone = app.looked(visitor.session.account).await?.time_zone.clone();
    let (user, asked) = (visitor.session.user, wish.clone());
    let made = app.ask(move |desk| {
        let mut shown = None;
        let now = desk.now();
        desk.amend_tokens(user, &mut |user| {
            let (token, words) = add(user, &asked, now)?;
            shown = Some(token);
            Ok(words)
        })?;
        shown.ok_or_else(|| DeskError::Down("no token was made".to_owned()))
    });
    let token = match made.await {
        Err(DeskError::Refused(why)) => {
            say(app, visitor, &format!("That was not done: {why}."));
            return Ok(Redirect::to("/tokens").into_response());
        }
        made => made?,
    };
    let scopes: Vec<&str> = wish.scopes.iter().map(|scope| scope.words()).collect();
    let until = app.now().plus_ms(u64::from(wish.days) * 86_400_000);
    Ok(page(&ShownPage {
        frame: Frame::of(app, visitor, "Your new token", "log-in"),
        name: wish.name,
        token,
        scopes: scopes.join("; "),
        until: moment(until, &zone),
    }))
}

/// Gives a user a token: the token, and what is said of it.
pub fn add(
    user: &mut WebUser,
    wish: &TokenWish,
    now: types::UnixMicros,
) -> Result<(Zeroizing<String>, String), String> {
    user.tokens.retain(|token| now < token.until);
    if user.tokens.len() >= MOST {
        return Err(format!("there are {MOST} tokens already: revoke one first"));
    }
    let number = user.tokens_made + 1;
    let (shown, hash) = bearer::make(user.id, number).map_err(|error| error.to_string())?;
    let until = now.plus_ms(u64::from(wish.days) * 86_400_000);
    let TokenWish { name, scopes, .. } = wish.clone();
    let codes: Vec<&str> = scopes.iter().map(|scope| scope.code()).collect();
    let words =
        format!("token {number} “{name}” made, good for {}, until {until}", codes.join(", "));
    user.tokens_made = number;
    user.tokens.push(ApiToken { number, name, hash, scopes, created: now, until, used: None });
    Ok((Zeroizing::new(shown), words))
}

/// Takes a token from a user: what is said of it.
pub fn take(user: &mut WebUser, number: u32, by: &str) -> Result<String, String> {
    let place = user.tokens.iter().position(|token| token.number == number);
    let place = place.ok_or_else(|| format!("there is no token {number}"))?;
    let token = user.tokens.remove(place);
    Ok(format!("token {number} “{}” revoked {by}", token.name))
}

/// POST /tokens/{token}/revoke: safer, so it is done at once.
pub async fn revoke(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(number): Path<u32>,
) -> Result<Response, Problem> {
    revoke_now(&app, visitor.session.user, number, "by its user").await?;
    say(&app, &visitor, "Revoked. The program that has it is kept out from now on.");
    Ok(Redirect::to("/tokens").into_response())
}

/// A token is worth nothing from now on; one that is not there, or another's, is not found (W6).
pub async fn revoke_now(
    app: &App,
    user: WebUserId,
    number: u32,
    by: &'static str,
) -> Result<(), Problem> {
    let done = app.ask(move |desk| desk.amend_tokens(user, &mut |user| take(user, number, by)));
    match done.await {
        Ok(_) => Ok(()),
        Err(DeskError::Refused(_)) => Err(Problem::not_found()),
        Err(other) => Err(other.into()),
    }
}
