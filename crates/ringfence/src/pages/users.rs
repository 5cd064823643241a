//! Web users, as staff set them up. Lives here: adding, a new link, removing; what is said of it. Never here: signing in
//! (web), how a change travels.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Reader;
use types::{OneTimeLink, TokenScope, UnixMicros, UserNote, WebUser, WebUserId};
use web::TokenWish;

use crate::commands::lookup::find_account;

/// A link is good for so long.
const LINK_MS: u64 = 86_400_000;

/// What is asked about web users.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserAsk {
    /// Somebody new.
    Add {
        /// Whose pages: id or name.
        account: String,
        /// His mail address.
        name: String,
    },
    /// A new link, and no password until it was used.
    Reset {
        /// His mail address.
        name: String,
        /// Take his authenticator away too.
        authenticator: bool,
    },
    /// Nobody signs in as him any more.
    Remove {
        /// His mail address.
        name: String,
    },
    /// His sessions end.
    SignOut {
        /// His mail address.
        name: String,
    },
    /// Who is signed in, of one user or of all.
    Sessions {
        /// His mail address.
        name: Option<String>,
    },
    /// A token for a program of his.
    AddToken {
        /// His mail address.
        name: String,
        /// What the token is called.
        label: String,
        /// What it is good for.
        scopes: Vec<TokenScope>,
        /// For how many days.
        days: u32,
    },
    /// A token is worth nothing any more.
    RevokeToken {
        /// His mail address.
        name: String,
        /// Its number.
        token: u32,
    },
    /// Their secrets are written again, so that they are sealed with the newest key.
    Reseal(Vec<WebUserId>),
}

/// What is to be done.
pub struct UserPlan {
    /// Users as they are from now on, and what changed.
    pub users: Vec<(WebUser, UserNote)>,
    /// Whose sessions end.
    pub sign_out: Option<WebUserId>,
    /// Whose sessions are asked for: one user's, or all.
    pub sessions: Option<Option<WebUserId>>,
    /// Said when it is done.
    pub answer: Value,
}

impl UserPlan {
    fn of(user: WebUser, words: &str, answer: Value) -> UserPlan {
        let id = user.id;
        let users = vec![(user, words.to_owned().into())];
        UserPlan { users, sign_out: Some(id), sessions: None, answer }
    }
}

/// From what is asked to what is to be done. `address`: the pages as people type their address.
pub fn plan(
    ask: UserAsk,
    reader: &dyn Reader,
    now: UnixMicros,
    address: Option<&str>,
) -> anyhow::Result<UserPlan> {
    match ask {
        UserAsk::Add { account, name } => add(&account, &name, reader, now, address),
        UserAsk::Reset { name, authenticator } => {
            let mut user = find(reader, &name)?;
            let (link, shown) = link(user.id, now, address)?;
            (user.link, user.password, user.password_since) = (Some(link), None, None);
            user.sessions.clear();
            user.browsers.clear();
            user.tokens.clear();
            let mut words = "a new one-time link was made, the password is gone".to_owned();
            if authenticator {
                user.totp = None;
                user.recovery.clear();
                words.push_str(", so is the authenticator");
            }
            let message =
                format!("{} signs in with this link, once, within a day:\n{shown}", user.name);
            let answer = json!({ "user": user.name, "link": shown, "message": message });
            Ok(UserPlan::of(user, &words, answer))
        }
        UserAsk::Remove { name } => {
            let mut user = find(reader, &name)?;
            user.is_removed = true;
            (user.link, user.password, user.totp) = (None, None, None);
            user.recovery.clear();
            user.sessions.clear();
            user.browsers.clear();
            user.tokens.clear();
            let message = format!("web user {} is removed", user.name);
            let answer = json!({ "user": user.name, "message": message });
            Ok(UserPlan::of(user, "removed", answer))
        }
        UserAsk::SignOut { name } => {
            let mut user = find(reader, &name)?;
            user.sessions.clear();
            let message = format!("{} is signed out everywhere", user.name);
            let answer = json!({ "user": user.name, "message": message });
            Ok(UserPlan::of(user, "signed out everywhere", answer))
        }
        UserAsk::Sessions { name } => {
            let user = name.map(|name| find(reader, &name)).transpose()?;
            let sessions = Some(user.map(|user| user.id));
            Ok(UserPlan { users: Vec::new(), sign_out: None, sessions, answer: json!([]) })
        }
        UserAsk::AddToken { name, label, scopes, days } => {
            let mut user = find(reader, &name)?;
            if let Some(problem) = web::token_name_fault(&label) {
                bail!("--name: {problem}");
            }
            let wish = TokenWish { name: label, scopes, days };
            let (token, words) =
                web::add_token(&mut user, &wish, now).map_err(anyhow::Error::msg)?;
            let message = format!(
                "token {} of {}, shown once:\n{}",
                user.tokens_made,
                user.name,
                token.as_str()
            );
            let answer = json!({
                "user": user.name,
                "token": user.tokens_made,
                "secret": token.as_str(),
                "message": message,
            });
            Ok(tokens_plan(user, format!("{words}, by staff"), answer))
        }
        UserAsk::RevokeToken { name, token } => {
            let mut user = find(reader, &name)?;
            let words = web::take_token(&mut user, token, "by staff").map_err(|why| {
                anyhow::anyhow!("{why} of {name}; `ringfence token list {name}` shows them")
            })?;
            let answer = json!({ "user": user.name, "token": token, "message": words });
            Ok(tokens_plan(user, words, answer))
        }
        UserAsk::Reseal(ids) => {
            let mut users = reader.web_users(None)?;
            users.retain(|user| ids.contains(&user.id) && user.totp.is_some());
            let count = users.len();
            let note = UserNote::Changed("sealed with another key".to_owned());
            let users = users.into_iter().map(|user| (user, note.clone())).collect();
            let answer = json!({ "message": format!("{count} secrets sealed anew") });
            Ok(UserPlan { users, sign_out: None, sessions: None, answer })
        }
    }
}

fn tokens_plan(user: WebUser, words: String, answer: Value) -> UserPlan {
    let users = vec![(user, UserNote::Token(words))];
    UserPlan { users, sign_out: None, sessions: None, answer }
}

fn add(
    account: &str,
    name: &str,
    reader: &dyn Reader,
    now: UnixMicros,
    address: Option<&str>,
) -> anyhow::Result<UserPlan> {
    let account = find_account(reader, account)?;
    let name = name.trim().to_lowercase();
    if let Some(other) = reader.web_user(&name)? {
        bail!("{name} signs in at account {} already", other.account);
    }
    let last = reader.web_users(None)?.last().map_or(0, |user| user.id.0);
    let id = WebUserId(last + 1);
    let (link, shown) = link(id, now, address)?;
    let user = WebUser {
        id,
        account: account.id,
        name,
        password: None,
        password_since: None,
        link: Some(link),
        totp: None,
        totp_step: 0,
        recovery: Vec::new(),
        created: now,
        last_seen: None,
        sessions: Vec::new(),
        browsers: Vec::new(),
        tokens: Vec::new(),
        tokens_made: 0,
        is_removed: false,
    };
    let message = format!("{} signs in with this link, once, within a day:\n{shown}", user.name);
    let answer =
        json!({ "user": user.name, "account": account.id, "link": shown, "message": message });
    Ok(UserPlan::of(user, "added with a one-time link", answer))
}

fn find(reader: &dyn Reader, name: &str) -> anyhow::Result<WebUser> {
    let name = name.trim().to_lowercase();
    let found = reader.web_user(&name)?;
    found.with_context(|| {
        format!("there is no web user {name}; `ringfence user list` shows those there are")
    })
}

/// What is kept of a link, and the link.
fn link(
    id: WebUserId,
    now: UnixMicros,
    address: Option<&str>,
) -> anyhow::Result<(OneTimeLink, String)> {
    let address =
        address.context("no pages are served (web.listen is none), so there is no link to give")?;
    let token = web::token()?;
    let kept = OneTimeLink { hash: web::hash(&token), until: now.plus_ms(LINK_MS) };
    Ok((kept, format!("{address}/welcome/{id}-{token}")))
}
