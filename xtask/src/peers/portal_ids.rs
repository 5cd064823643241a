//! W6: what belongs to another account is not there, whatever page is asked by its id. Lives here: every route with an id, as the
//! route table has them. Never here: who may open pages at all (the tests of web).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::web_client::Browser;
use super::{House, LONDON};
use crate::process::{free_port, until};
use crate::ringfence::{Ringfence, Setup};
use crate::shell_out::root;
use crate::sip_client::Behaviour;

/// What is typed into every form: each route finds what it needs.
const FORM: &str =
    "shape=type&overlap=none&lasts=24h&words=x&channel=mail&to=x%40example.com&code=AAAAA-AAAAA";
/// Parameters that are no ids of an account: a secret of its own opens them.
const SECRETS: [&str; 1] = ["link"];
/// Parameters that are no ids either: names that are the same for everybody.
const NAMES: [&str; 2] = ["step", "point"];
/// Pages for which a code is enough, which is looked for in the account of whoever is signed in.
const BY_CODE: &str = "/contacts/{contact}/confirm";

/// Every route that has an id in it: what its owner may open is 404 for another holder, with GET and POST, and nothing of his changes.
pub fn another_s_are_not_there() -> Result<()> {
    let web = free_port()?;
    let house =
        House::open(Setup { web: Some(web), ..Setup::default() }, |_| Behaviour::Answer(600))?;
    let ringfence = &house.ringfence;
    ringfence.command(&["contact", "add", "a", "mail=alice@example.org"])?;
    let mut phone = house.phone("alice")?;
    phone.register(600)?;
    // One that is over, and one that goes on.
    let mut over = phone.invite(LONDON)?;
    phone.bye(over.dialog.as_mut().context("it was not answered")?)?;
    house.records(1)?;
    let mut live = phone.invite(LONDON)?;
    let (mut owner, mut other) = (signed_in(ringfence, web, "a")?, signed_in(ringfence, web, "b")?);
    owner.post("/wrong", "stop=no")?;
    owner.post("/wrong/report", "left=no+time")?;
    ringfence.command(&["token", "add", "a@example.com", "--name", "check", "--scope", "read"])?;
    let ids = ids(ringfence)?;
    let before = state(ringfence)?;
    let mut tried = 0;
    for (method, pattern) in routes()? {
        let path = filled(&pattern, &ids)?;
        let body = if method == "GET" { "" } else { FORM };
        let page = other.page(&method, &path, body)?;
        ensure!(page.status == 404, "{method} {pattern} is there for another: {}", page.status);
        if method == "GET" {
            let page = owner.get(&path)?;
            ensure!(page.status < 400, "{pattern} is not there for its owner: {}", page.status);
        }
        tried += 1;
    }
    ensure!(tried >= 15, "only {tried} routes have an id");
    ensure!(state(ringfence)? == before, "something of the owner's has changed");
    println!("        {tried} routes with an id are not there for another");
    phone.bye(live.dialog.as_mut().context("it was not answered")?)?;
    Ok(())
}

/// Method and path of the routes with an id, as the table in the code has them.
fn routes() -> Result<Vec<(String, String)>> {
    let table = std::fs::read_to_string(root().join("crates/web/src/routes.rs"))?;
    let mut found = Vec::new();
    for line in table.lines().map(str::trim) {
        let kinds = [("page(\"", "GET"), ("form(\"", "POST")];
        let Some((rest, method)) =
            kinds.iter().find_map(|(start, method)| Some((line.strip_prefix(start)?, method)))
        else {
            continue;
        };
        let path = rest.split('"').next().unwrap_or_default();
        let is_secret =
            SECRETS.iter().chain(&NAMES).any(|name| path.contains(&format!("{{{name}}}")));
        if path.contains('{') && !is_secret && path != BY_CODE {
            found.push(((*method).to_owned(), path.to_owned()));
        }
    }
    Ok(found)
}

/// Ids of account `a`, by the name of their parameter.
fn ids(ringfence: &Ringfence) -> Result<BTreeMap<&'static str, String>> {
    let first = |arguments: &[&str], key: &str| -> Result<String> {
        until(Duration::from_secs(5), &arguments.join(" "), || {
            let found = ringfence.json(arguments).ok()?;
            match found.first().map(|one| &one[key]) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => None,
            }
        })
    };
    Ok(BTreeMap::from([
        ("decision", first(&["calls", "--account", "a"], "decision")?),
        ("live", first(&["calls", "--live", "--account", "a"], "decision")?),
        ("device", first(&["device", "list", "--account", "a"], "id")?),
        ("line", first(&["line", "list", "--account", "a"], "id")?),
        ("contact", first(&["contact", "list", "a"], "id")?),
        ("number", first(&["report", "list", "--account", "a"], "recovery")?),
        ("token", first(&["token", "list", "--account", "a"], "token")?),
        ("alert", first(&["alert", "list", "--account", "a"], "alert")?),
    ]))
}

fn filled(pattern: &str, ids: &BTreeMap<&str, String>) -> Result<String> {
    // Only a call that goes on can be cut.
    let mut path = pattern.replace("{decision}/cut", "{live}/cut");
    for (name, id) in ids {
        path = path.replace(&format!("{{{name}}}"), id);
    }
    if path.contains('{') {
        bail!("{pattern}: add an id of this kind to the check");
    }
    Ok(path)
}

/// What could have been changed.
fn state(ringfence: &Ringfence) -> Result<Vec<Vec<Value>>> {
    [
        ["device", "list", "--account", "a"].as_slice(),
        &["line", "list", "--account", "a"],
        &["contact", "list", "a"],
        &["token", "list", "--account", "a"],
    ]
    .into_iter()
    .map(|arguments| ringfence.json(arguments))
    .collect()
}

fn signed_in(ringfence: &Ringfence, web: u16, account: &str) -> Result<Browser> {
    let added = ringfence.json(&["user", "add", account, &format!("{account}@example.com")])?;
    let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
    Browser::welcome(web, link)
}
