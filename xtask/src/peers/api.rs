//! The API and the pages against tools that look for holes (W1, W4, W6, S1). Lives here: a house with something to find, the commands of
//! the how-to, Schemathesis, Wapiti. Never here: what the API is (web).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::canaries::Canaries;
use super::web_client::Browser;
use super::{House, LONDON};
use crate::process::{free_port, until};
use crate::ringfence::{Ringfence, Setup};
use crate::setup::{schemathesis as schemathesis_program, wapiti as wapiti_program};
use crate::shell_out::{logs, root};
use crate::sip_client::{Behaviour, Phone};

const USER: &str = "alice@example.com";
/// Dearer than the account's cap.
const SOMALIA: &str = "+252611234567";
/// Every scope.
const SCOPES: [&str; 4] = ["read", "stop", "change", "contacts"];

/// A house with a phone, a call in progress, one that was stopped, a contact, a web user.
struct Full {
    house: House,
    web: u16,
    link: String,
    /// It stays on the line.
    _phone: Phone,
}

impl Full {
    fn open() -> Result<Full> {
        let web = free_port()?;
        let setup = Setup {
            web: Some(web),
            web_more: vec!["token_rate = 1000".to_owned()],
            ..Setup::default()
        };
        let house = House::open(setup, |_| Behaviour::Answer(600))?;
        let ringfence = &house.ringfence;
        ringfence.command(&["contact", "add", "a", "mail=alice@example.org", "name=Alice"])?;
        let link = add_user(ringfence, "a", USER)?;
        let mut phone = house.phone("alice")?;
        phone.register(3_600)?;
        let stopped = phone.invite(SOMALIA)?;
        ensure!(stopped.status() == 403, "Somalia was called: {}", stopped.status());
        let call = phone.invite(LONDON)?;
        ensure!(call.status() == 200, "the call was not answered: {}", call.status());
        Ok(Full { house, web, link, _phone: phone })
    }

    fn url(&self) -> String {
        format!("http://localhost:{}", self.web)
    }

    fn token(&self, user: &str) -> Result<String> {
        token(&self.house.ringfence, user)
    }
}

fn add_user(ringfence: &Ringfence, account: &str, user: &str) -> Result<String> {
    let added = ringfence.json(&["user", "add", account, user])?;
    let link = added.first().and_then(|value| value["link"].as_str());
    Ok(link.context("no link")?.to_owned())
}

/// A token with every scope.
fn token(ringfence: &Ringfence, user: &str) -> Result<String> {
    let mut arguments = vec!["token", "add", user, "--name", "check"];
    SCOPES.iter().for_each(|scope| arguments.extend(["--scope", scope]));
    let made = ringfence.json(&arguments)?;
    let secret = made.first().and_then(|value| value["secret"].as_str());
    Ok(secret.context("no token")?.to_owned())
}

/// One request, by curl: status and body.
fn ask(url: &str, token: &str, method: &str, key: &str, body: &str) -> Result<(u16, Value)> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]);
    curl.args(["--request", method, "--header", &format!("Authorization: Bearer {token}")]);
    if !key.is_empty() {
        curl.args(["--header", &format!("Idempotency-Key: {key}")]);
    }
    if !body.is_empty() {
        curl.args(["--header", "Content-Type: application/json", "--data", body]);
    }
    let output = curl.arg(url).output().context("curl is not there")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').context("curl said nothing")?;
    Ok((status.parse()?, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// Every block of commands of the how-to runs, one after the other, against a running node, and what they ask for is done.
pub fn how_to() -> Result<()> {
    let full = Full::open()?;
    let text = std::fs::read_to_string(root().join("docs/how-to/api.md"))?;
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    ensure!(blocks.len() >= 7, "only {} blocks of commands", blocks.len());
    // A pipe's end is that of `head`; a command that has to fail says so itself.
    let script = format!("set -e\n{}\nexit 0\n", blocks.join("\n"));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("URL", full.url()).env("TOKEN", full.token(USER)?);
    let output = shell.output().context("bash is not there")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "a command fails: {said}\n{errors}");
    for words in [
        "\"scopes\":[\"read\"",
        "\"reasons\":[\"price-cap\"]",
        "event: state",
        "urn:ringfence:problem:needs-holder",
    ] {
        ensure!(said.contains(words), "no {words}: {said}");
    }
    let shown = full.house.ringfence.json(&["account", "show", "a"])?;
    let shown = shown[0].to_string();
    for words in ["frozen", "10.00", "SO"] {
        ensure!(shown.contains(words), "{words}: {shown}");
    }
    let contacts = full.house.ringfence.json(&["contact", "list", "a"])?;
    ensure!(contacts.len() == 2, "{contacts:?}");
    Ok(())
}

/// W6: a token of another account finds nothing of this one. A key holds over kill -9. Telling: who is told is told of the token. S1: no token
/// lies in any file.
pub fn kept_apart() -> Result<()> {
    let mut full = Full::open()?;
    let (url, mine) = (full.url(), full.token(USER)?);
    add_user(&full.house.ringfence, "b", "bob@example.com")?;
    let other = full.token("bob@example.com")?;
    let get = |token: &str, path: &str| ask(&format!("{url}/api/v1/{path}"), token, "GET", "", "");
    let live = get(&mine, "live-calls")?.1;
    let live = live["calls"][0]["call"].as_str().context("a live call")?.to_owned();
    let stopped = get(&mine, "calls?outcome=stopped")?.1;
    let stopped = stopped["calls"][0]["call"].as_str().context("a stopped call")?.to_owned();
    let phone = get(&mine, "phones")?.1["phones"][0]["phone"].as_u64().context("a phone")?;
    let line = get(&mine, "lines")?.1["lines"][0]["line"].as_u64().context("a line")?;
    let contact =
        get(&mine, "contacts")?.1["contacts"][0]["contact"].as_u64().context("a contact")?;
    let all = [
        ("POST", format!("live-calls/{live}/cut"), ""),
        ("GET", format!("calls/{stopped}"), ""),
        ("POST", format!("calls/{stopped}/not-mine"), ""),
        ("POST", format!("calls/{stopped}/allow"), r#"{"lasts": "24h"}"#),
        ("POST", format!("phones/{phone}/mine"), ""),
        ("POST", format!("phones/{phone}/not-mine"), ""),
        ("POST", format!("lines/{line}/password"), ""),
        ("GET", format!("contacts/{contact}"), ""),
        ("PATCH", format!("contacts/{contact}"), r#"{"name": "Eve"}"#),
        ("DELETE", format!("contacts/{contact}"), ""),
        ("POST", format!("contacts/{contact}/test"), ""),
        ("POST", format!("contacts/{contact}/confirm"), r#"{"code": "x"}"#),
    ];
    for (method, path, body) in &all {
        let (status, said) = ask(&format!("{url}/api/v1/{path}"), &other, method, "", body)?;
        ensure!(status == 404, "{method} {path}: {status} {said}");
    }
    for path in ["live-calls", "calls", "phones", "contacts", "alerts"] {
        let name = path.trim_start_matches("live-");
        let (status, said) = get(&other, path)?;
        ensure!(status == 200 && said[name] == json!([]), "{path}: {status} {said}");
    }
    let raise = r#"{"stop_level_24h": "5000"}"#;
    let (status, said) = ask(&format!("{url}/api/v1/limits"), &mine, "PATCH", "", raise)?;
    ensure!(status == 403 && said["page"] == "/limits", "a token raises: {status} {said}");

    let add = r#"{"channel": "mail", "to": "amy@example.com"}"#;
    let contacts = format!("{url}/api/v1/contacts");
    let first = ask(&contacts, &mine, "POST", "key-1", add)?;
    ensure!(first.0 == 200, "{first:?}");
    full.house.ringfence.kill()?;
    full.house.ringfence.start()?;
    let again = until(Duration::from_secs(20), "the API answers", || {
        ask(&contacts, &mine, "POST", "key-1", add).ok().filter(|(status, _)| *status != 0)
    })?;
    ensure!(again == first, "{again:?}, and at first {first:?}");
    let known = full.house.ringfence.json(&["contact", "list", "a"])?;
    ensure!(known.len() == 2, "it was added twice: {known:?}");
    let used = full.house.ringfence.json(&["token", "list", USER])?;
    ensure!(used[0]["source"] == "127.0.0.1", "{used:?}");
    full.house.ringfence.command(&["token", "revoke", USER, "1"])?;
    let (status, said) = ask(&contacts, &mine, "GET", "", "")?;
    ensure!(status == 401, "a revoked token is good: {status} {said}");
    let alerts = full.house.ringfence.json(&["alert", "list", "--account", "a"])?;
    let told = alerts.iter().any(|alert| alert["kind"] == "token-changed");
    ensure!(told, "nobody was told of the token: {alerts:?}");
    let mut canaries = Canaries::default();
    for token in [&mine, &other] {
        canaries.plant("token", token.as_bytes());
        let secret = token.splitn(4, '_').nth(3).context("a token")?;
        canaries.plant("what is secret of a token", secret.as_bytes());
    }
    let found = canaries.find(full.house.ringfence.dir(), &[])?;
    ensure!(found.is_empty(), "found: {found:?}");
    Ok(())
}

/// All its checks, over every operation but the stream, which has no end; bounded in examples and time. That it was let in, and how often, is
/// counted.
pub fn schemathesis() -> Result<()> {
    let full = Full::open()?;
    let token = full.token(USER)?;
    // From here on it has a lane of its own: what is guessed here meanwhile does not lock it out.
    ensure!(
        ask(&format!("{}/api/v1/token", full.url()), &token, "GET", "", "")?.0 == 200,
        "the token is good"
    );
    let reports = logs().join("schemathesis");
    std::fs::create_dir_all(&reports)?;
    let report = reports.join("events.ndjson");
    let known = |path: &str, list: &str, name: &str| -> Result<String> {
        let found = ask(&format!("{}/api/v1/{path}", full.url()), &token, "GET", "", "")?.1;
        let found = &found[list][0][name];
        Ok(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    };
    let settings = std::fs::read_to_string(root().join("peers/schemathesis.toml"))?;
    let settings = settings
        .replace("$TOKEN", &token)
        .replace("$CALL", &known("calls?outcome=stopped", "calls", "call")?)
        .replace("$PHONE", &known("phones", "phones", "phone")?)
        .replace("$LINE", &known("lines", "lines", "line")?)
        .replace("$CONTACT", &known("contacts", "contacts", "contact")?);
    std::fs::write(reports.join("schemathesis.toml"), settings)?;
    let mut run = Command::new(schemathesis_program());
    run.current_dir(&reports)
        .env("SCHEMATHESIS_HOOKS", root().join("peers/schemathesis_hooks.py"))
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", full.url()))
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--max-examples", "15", "--seed", "1", "--generation-database", "none"])
        .args(["--continue-on-failure", "--no-color", "--request-timeout", "20"])
        // The stream has no end, and a token that is given back is worth nothing: both have tests of their own.
        .args(["--exclude-path", "/api/v1/events", "--exclude-operation-id", "delete_token"])
        .args(["--suppress-health-check", "all", "--report", "ndjson"])
        .arg("--report-ndjson-path")
        .arg(&report);
    let output = run.output().context("schemathesis is not there")?;
    let said = String::from_utf8_lossy(&output.stdout);
    std::fs::write(reports.join("said.txt"), said.as_bytes())?;
    let tail: Vec<&str> = said.lines().rev().take(40).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    ensure!(output.status.success(), "it finds something: {}", tail.join("\n"));
    let events = std::fs::read_to_string(&report)?;
    let answered = events.matches("\"status_code\":200").count()
        + events.matches("\"status_code\": 200").count();
    println!("        {answered} requests were answered with 200");
    ensure!(answered >= 200, "only {answered} requests were let in");
    ensure!(
        ask(&format!("{}/api/v1/token", full.url()), &token, "GET", "", "")?.0 == 200,
        "and it is good still"
    );
    Ok(())
}

/// Wapiti with a browser's session, from page to page and into every form, for two minutes; it was inside.
pub fn wapiti() -> Result<()> {
    let full = Full::open()?;
    let browser = Browser::welcome(full.web, &full.link)?;
    let cookies: Vec<String> =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let dir = tempfile::tempdir()?;
    let report = logs().join("wapiti.json");
    let mut run = Command::new(wapiti_program());
    run.args(["--url", &format!("{}/", full.url()), "--scope", "domain"])
        .args(["--header", &format!("Cookie: {}", cookies.join("; "))])
        // Without it our forms take nothing, and nothing behind them is tried.
        .args(["--header", &format!("Origin: {}", full.url())])
        .args(["--header", "Sec-Fetch-Site: same-origin"])
        .args([
            "--module",
            "sql,xss,permanentxss,exec,file,crlf,redirect,csp,cookieflags,http_headers,upload,xxe",
        ])
        .args(["--max-scan-time", "45", "--max-attack-time", "10", "--timeout", "10"])
        .args(["--max-links-per-page", "60", "--max-parameters", "20", "--depth", "4"])
        .args(["--no-bugreport", "--flush-session", "--verbose", "1", "--format", "json"])
        .arg("--output")
        .arg(&report)
        .arg("--store-session")
        .arg(dir.path());
    for path in
        ["/sign-out", "/log-in/sign-out-everywhere", "/live", "/phones/live", "/tokens/1/revoke"]
    {
        run.args(["--exclude", &format!("{}{path}", full.url())]);
    }
    let output = run.output().context("wapiti is not there")?;
    let said = String::from_utf8_lossy(&output.stdout);
    std::fs::write(logs().join("wapiti.txt"), said.as_bytes())?;
    let text = std::fs::read_to_string(&report).with_context(|| format!("no report: {said}"))?;
    let report: Value = serde_json::from_str(&text)?;
    let found: Vec<String> = report["vulnerabilities"]
        .as_object()
        .context("vulnerabilities")?
        .iter()
        .chain(report["anomalies"].as_object().into_iter().flatten())
        .filter(|(_, all)| all.as_array().is_some_and(|all| !all.is_empty()))
        .map(|(name, all)| format!("{name}: {all}"))
        .collect();
    ensure!(found.is_empty(), "{} kinds: {}", found.len(), found.join("; "));
    // Pages that only who is signed in sees, what only links of theirs name, and a form that did something.
    let visited = |path: &str| said.contains(&format!("GET {}{path} ", full.url()));
    for path in [
        "/phones",
        "/phones/1/not-mine",
        "/limits",
        "/from-where",
        "/alerts",
        "/contacts/1",
        "/passwords/1",
        "/log-in",
        "/tokens",
    ] {
        ensure!(visited(path), "{path} was not visited: {said}");
    }
    let history = full.house.ringfence.command(&["account", "history", "a"])?;
    ensure!(history.contains("by the holder"), "none of its forms did anything: {history}");
    let pages = report["infos"]["crawled_pages_nbr"].clone();
    println!("        pages crawled: {pages}");
    let mut browser = browser;
    ensure!(browser.get("/phones")?.status == 200, "and it is signed in still");
    Ok(())
}
