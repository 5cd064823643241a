//! People are told, by a real mail server and a receiver of webhooks in another language. Lives here: how soon, how often, what
//! survives kill -9, what no message may hold. Never here: rules of who is told (crates/notify).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::canaries::Canaries;
use super::{House, LONDON, SECRET};
use crate::process::{Guard, free_port, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::tls::Authority;
use crate::sip_client::{Behaviour, Carrier, Phone};

/// Accounts that are told something.
const ACCOUNTS: usize = 220;
/// The password of the log-in at the mail server.
const MAIL_PASSWORD: &str = "mail-canary-hufol-63";
/// What the gateway for SMS wants.
const GATEWAY: &str = "Bearer gateway-canary-nadir-08";

/// A mail server or a receiver of webhooks, and what it was told.
pub(super) struct Told {
    log: PathBuf,
    port: u16,
    arguments: Vec<String>,
    guard: Option<Guard>,
}

impl Told {
    pub(super) fn new(ringfence: &Ringfence, name: &str, port: u16, arguments: &[&str]) -> Told {
        let log = ringfence.dir().join(format!("{name}.jsonl"));
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Told { log, port, arguments, guard: None }
    }

    /// Listens from now on.
    pub(super) fn start(&mut self) -> Result<()> {
        let python = crate::setup::python_with("aiosmtpd").context("no Python with aiosmtpd")?;
        let script = crate::shell_out::root().join("peers/told.py");
        let mut command = Command::new(python);
        let what = if self.arguments.is_empty() { "mail" } else { &self.arguments[0] };
        command.arg(script).arg(what).arg(self.port.to_string()).arg(&self.log);
        command.args(self.arguments.iter().skip(1));
        let out = self.log.with_extension("out");
        self.guard = Some(Guard::start("told.py", &mut command, &out)?);
        until(Duration::from_secs(20), "told.py listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        })?;
        Ok(())
    }

    /// Nobody listens any more.
    fn stop(&mut self) {
        self.guard = None;
    }

    /// What came so far.
    pub(super) fn all(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.lines().filter(|line| line.ends_with('}'));
        Ok(whole.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// Waits until something is among it.
    pub(super) fn wait(
        &self,
        what: &str,
        limit: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(limit, what, || self.all().ok()?.into_iter().find(|one| is_it(one)))
    }
}

/// A server that writes to this port.
fn prepare(mail: u16, more: &[&str]) -> Result<Ringfence> {
    let alerts = "[alerts]\nplatform = \"Test Voice\"\nportal_url = \"https://voice.example.com\"";
    let mail = format!("[mail]\nserver = \"127.0.0.1\"\nport = {mail}\ntls = \"none\"");
    let webhook = "[webhook]\nallow_private = true";
    let section = |start: &str| {
        let own: Vec<&str> = more.iter().copied().filter(|line| line.starts_with(start)).collect();
        own.iter().map(|line| line[start.len()..].trim().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let mail = match section("mail:") {
        own if own.is_empty() => mail,
        own => format!("[mail]\nserver = \"127.0.0.1\"\n{own}"),
    };
    let sections = vec![
        format!("{alerts}\n{}", section("alerts:")),
        mail,
        format!("{webhook}\n{}", section("webhook:")),
        section("log:"),
    ];
    let ringfence = Ringfence::prepare(Setup { more: sections, ..Setup::default() })?;
    Ok(ringfence)
}

fn header<'m>(mail: &'m Value, name: &str) -> &'m str {
    mail["headers"][name].as_str().unwrap_or_default()
}

/// REGISTER by a phone that says what it is.
fn register(ringfence: &Ringfence, user: &str, agent: &str) -> Result<u16> {
    let mut phone = Phone::udp(ringfence.address(), user, SECRET)?;
    agent.clone_into(&mut phone.agent);
    phone.register(600)?.status().context("a status")
}

/// RFC 3339 with milliseconds, as microseconds since 1970: both clocks are this machine's.
pub(super) fn micros(text: &str) -> Result<i64> {
    let time: jiff::Timestamp = text.parse()?;
    Ok(time.as_microsecond())
}

/// Accounts with a line and a contact each; the mails about the contacts have arrived when it returns.
fn settle(ringfence: &Ringfence, accounts: usize) -> Result<()> {
    let name = |n: usize| format!("user{n:03}");
    let lines = (0..accounts).map(|n| (name(n), name(n), SECRET.to_owned()));
    ringfence.import_lines(lines)?;
    for n in 0..accounts {
        let to = format!("mail={}@example.org", name(n));
        ringfence.command(&["contact", "add", &name(n), &to])?;
    }
    Ok(())
}

/// A new phone registers, and a mail names it: at once, for each of two hundred.
pub fn new_phones() -> Result<()> {
    let port = free_port()?;
    let mut ringfence = prepare(port, &[])?;
    let mut mails = Told::new(&ringfence, "mail", port, &[]);
    mails.start()?;
    ringfence.start()?;
    settle(&ringfence, ACCOUNTS)?;
    for n in 0..ACCOUNTS {
        let agent = format!("Canary Phone {n}");
        ensure!(register(&ringfence, &format!("user{n:03}"), &agent)? == 200, "phone {n}");
    }
    let about = |mail: &Value| header(mail, "x-ringfence-class") == "devices";
    until(Duration::from_secs(30), "every mail about a phone", || {
        (mails.all().ok()?.iter().filter(|mail| about(mail)).count() >= ACCOUNTS).then_some(())
    })?;
    let alerts = ringfence.json(&["alert", "list", "--limit", "0"])?;
    let happened: BTreeMap<String, i64> = alerts
        .iter()
        .map(|alert| {
            let at = alert["happened"].as_str().context("a time")?;
            Ok((alert["alert"].as_str().context("a name")?.to_owned(), micros(at)?))
        })
        .collect::<Result<_>>()?;
    let mut delays = Vec::new();
    for mail in mails.all()?.iter().filter(|mail| about(mail)) {
        let name = header(mail, "x-ringfence-alert");
        let at = happened.get(name).with_context(|| format!("alert {name} is not listed"))?;
        delays.push((mail["at_us"].as_i64().context("a time")? - at) as f64 / 1_000.0);
    }
    delays.sort_by(f64::total_cmp);
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize];
    println!(
        "        {} mails about new phones: half of them within {:.0} ms of the fact, p99 {:.0} ms, the last {:.0} ms",
        delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    ensure!(delays.len() == ACCOUNTS, "{} mails for {ACCOUNTS} phones", delays.len());
    ensure!(at(0.99) <= 2_000.0, "p99 is {:.0} ms", at(0.99));
    let seven = mails.wait("the mail about phone 7", Duration::from_secs(1), |mail| {
        about(mail) && mail["to"][0] == "user007@example.org"
    })?;
    for part in ["text", "html"] {
        let words = seven[part].as_str().unwrap_or_default();
        for wanted in ["Canary Phone 7", "on line user007", "A new phone uses your account"] {
            ensure!(words.contains(wanted), "no `{wanted}` in the {part} part:\n{words}");
        }
    }
    ensure!(header(&seven, "auto-submitted") == "auto-generated", "{}", seven["headers"]);
    ensure!(
        seven["text"].as_str().is_some_and(|t| t.contains("https://voice.example.com/alerts/"))
    );
    let undelivered = ringfence.json(&["alert", "list", "--undelivered"])?;
    ensure!(undelivered.is_empty(), "{undelivered:?}");
    ringfence.stop()
}

/// The mail server is away, the node dies: before, between and after. Each alert arrives, each once for its reader.
pub fn none_lost_none_twice() -> Result<()> {
    const MANY: usize = 60;
    let port = free_port()?;
    let mut ringfence =
        prepare(port, &["alerts: first_pause_s = 1", "alerts: longest_pause_s = 2"])?;
    let mut mails = Told::new(&ringfence, "mail", port, &[]);
    ringfence.start()?;
    settle(&ringfence, MANY)?;
    for n in 0..MANY / 2 {
        register(&ringfence, &format!("user{n:03}"), "Canary Phone")?;
    }
    ringfence.kill()?;
    ringfence.start()?;
    for n in MANY / 2..MANY {
        register(&ringfence, &format!("user{n:03}"), "Canary Phone")?;
    }
    let in_trouble = until(Duration::from_secs(10), "tries that failed", || {
        let status = ringfence.json(&["status"]).ok()?.pop()?;
        status["alerts"]["in_trouble"].as_u64().filter(|count| *count > 0)
    })?;
    // As soon as some have arrived, it dies again; twice.
    let mut deaths = 0;
    mails.start()?;
    for part in [10, MANY] {
        until(Duration::from_secs(30), "some mails", || {
            (mails.all().ok()?.len() >= part).then_some(())
        })?;
        ringfence.kill()?;
        deaths += 1;
        if part == MANY {
            mails.stop();
        }
        ringfence.start()?;
    }
    mails.start()?;
    until(Duration::from_secs(60), "nothing is undelivered", || {
        ringfence.json(&["alert", "list", "--undelivered"]).ok()?.is_empty().then_some(())
    })?;
    let alerts = ringfence.json(&["alert", "list", "--limit", "0"])?;
    let names: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["alert"].as_str()).collect();
    let all = mails.all()?;
    let mut by_alert: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for mail in &all {
        let ids = by_alert.entry(header(mail, "x-ringfence-alert")).or_default();
        ids.insert(mail["id"].as_str().context("a Message-ID")?);
    }
    let arrived: BTreeSet<&str> = by_alert.keys().copied().collect();
    let ids: usize = by_alert.values().map(BTreeSet::len).sum();
    println!(
        "        {} alerts, {} in trouble at once, the node killed {} times: {} mails with {ids} Message-IDs",
        names.len(),
        in_trouble,
        deaths + 1,
        all.len()
    );
    ensure!(names.len() == 2 * MANY, "{} alerts of {} facts", names.len(), 2 * MANY);
    ensure!(arrived == names, "lost: {:?}", names.difference(&arrived).collect::<Vec<_>>());
    ensure!(ids == names.len(), "an alert has more than one Message-ID");
    ringfence.stop()
}

/// The first channel is away: the second has what is critical within a minute, signed, and tried again until it is taken.
pub fn second_channel() -> Result<()> {
    let (mail, hook) = (free_port()?, free_port()?);
    let mut ringfence = prepare(mail, &["alerts: first_pause_s = 1"])?;
    ringfence.start()?;
    ringfence.add_account("a", "residential")?;
    ringfence.add_line("a", "alice", SECRET)?;
    ringfence.command(&["contact", "add", "a", "mail=alice@example.org"])?;
    let url = format!("webhook=http://127.0.0.1:{hook}/told");
    ringfence.command(&["contact", "add", "a", &url, "order=1"])?;
    let secret = ringfence.command(&["contact", "secret", "2"])?;
    let mut hooks = Told::new(&ringfence, "hook", hook, &["hook", secret.trim(), "1"]);
    hooks.start()?;
    ringfence.set("a", &["ip_lock=192.0.2.0/24"])?;
    // Somebody elsewhere knows the password.
    ensure!(register(&ringfence, "alice", "Canary Thief")? == 403, "the lock holds");
    let critical = |one: &Value| one["body"]["severity"] == "critical" && one["status"] == 200;
    let told = hooks.wait("the second channel", Duration::from_secs(60), critical)?;
    let happened = told["body"]["items"][0]["at"].as_str().context("a time")?;
    let after = (told["at_us"].as_i64().context("a time")? - micros(happened)?) / 1_000;
    println!("        the second channel has it {after} ms after the fact");
    ensure!(after <= 60_000, "after {after} ms");
    ensure!(told["body"]["items"][0]["kind"] == "outside-lock", "{told}");
    let all = hooks.all()?;
    ensure!(all.iter().all(|one| one["signed"] == true), "Python's hmac disagrees: {all:?}");
    let tries = all.iter().filter(|one| one["id"] == told["id"]).count();
    ensure!(tries == 2, "{tries} tries: one was refused, and one taken");
    ensure!(all.iter().any(|one| one["status"] == 503), "none was refused");
    // The holder says that he knows: the mail is not sent any more.
    let name = told["alert"].as_str().context("a name")?;
    ringfence.command(&["alert", "ack", name])?;
    let left = ringfence.json(&["alert", "list", "--undelivered"])?;
    ensure!(left.iter().all(|one| one["kind"] != "outside-lock"), "{left:?}");
    ringfence.stop()
}

/// A mail server with STARTTLS and a log-in; a gateway for SMS. No secret is in any message, log or database.
pub fn no_secret_leaves() -> Result<()> {
    let (mail, hook) = (free_port()?, free_port()?);
    let keys = tempfile::tempdir()?;
    let path = |name: &str| keys.path().join(name).to_string_lossy().into_owned();
    let authority = Authority::new()?;
    std::fs::write(path("authority.pem"), authority.pem())?;
    authority.issue(
        &["127.0.0.1", "localhost"],
        path("cert.pem").as_ref(),
        path("key.pem").as_ref(),
    )?;
    std::fs::write(path("mail.password"), format!("{MAIL_PASSWORD}\n"))?;
    std::fs::write(path("gateway"), format!("{GATEWAY}\n"))?;
    let settings = [
        format!("mail: port = {mail}\ntls = \"required\"\nca_file = {:?}", path("authority.pem")),
        format!("mail: user = \"ringfence\"\npassword_file = {:?}", path("mail.password")),
        format!("webhook: sms_url = \"http://127.0.0.1:{hook}/sms\""),
        format!("webhook: sms_authorization_file = {:?}", path("gateway")),
        "log: [log]\nlevel = \"trace\"".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let ringfence = prepare(mail, &settings)?;
    let carrier = Carrier::start(|_| Behaviour::Answer(1))?;
    ringfence.add_trunk("carrier", carrier.address(), &["--emergency"])?;
    ringfence.add_account("a", "residential")?;
    ringfence.add_line("a", "alice", SECRET)?;
    let mut house = House { ringfence, carrier };
    house.ringfence.start()?;
    let ringfence = &house.ringfence;
    let log_in = [&path("cert.pem"), &path("key.pem"), "ringfence", MAIL_PASSWORD];
    let mut mails = Told::new(ringfence, "mail", mail, &[&["mail"], &log_in[..]].concat());
    mails.start()?;
    ringfence.command(&["contact", "add", "a", "mail=alice@example.org"])?;
    ringfence.command(&["contact", "add", "a", "sms=+447700900123"])?;
    let secret = ringfence.command(&["contact", "secret", "2"])?;
    let mut hooks = Told::new(ringfence, "hook", hook, &["hook", secret.trim()]);
    hooks.start()?;
    // By the holder: a code goes out, and confirms.
    ringfence.command(&["contact", "add", "a", "mail=bob@example.org", "--by-holder"])?;
    let asked = mails
        .wait("the code", Duration::from_secs(10), |mail| mail["to"][0] == "bob@example.org")?;
    let text = asked["text"].as_str().unwrap_or_default();
    let code = text.lines().map(str::trim).find(|line| line.len() == 11 && line.contains('-'));
    ringfence.command(&["contact", "confirm", "3", code.context("a mail with a code")?])?;
    ensure!(asked["tls"] == true && asked["logged_in"] == true, "{asked}");
    // Things happen that have to do with secrets.
    let mut canaries = Canaries::default();
    canaries.plant_line("alice", SECRET)?;
    canaries.plant("password of the mail server", MAIL_PASSWORD.as_bytes());
    canaries.plant("authorization of the gateway", GATEWAY.as_bytes());
    canaries.plant("secret of the webhook", secret.trim().as_bytes());
    let key = std::fs::read_to_string(ringfence.dir().join("data/webhook.key"))?;
    canaries.plant("key of the codes", key.trim().as_bytes());
    ensure!(register(ringfence, "alice", "Canary Phone")? == 200, "registered");
    let mut phone = Phone::udp(ringfence.address(), "alice", SECRET)?;
    ensure!(phone.invite(LONDON)?.status() == 200, "a call");
    let made = ringfence.json(&["line", "secret", "alice"])?;
    let made = made.first().and_then(|made| made["secret"].as_str()).context("a secret")?;
    canaries.plant_line("alice", made)?;
    ensure!(
        register(ringfence, "alice", "Canary Stranger")? != 200,
        "the old one is worth nothing"
    );
    ringfence.command(&["alert", "test", "1"])?;
    mails.wait("the test", Duration::from_secs(10), |mail| {
        mail["text"].as_str().is_some_and(|text| text.contains("A test: you are reached"))
    })?;
    let about_phone =
        |one: &Value| one["body"]["text"].as_str().is_some_and(|t| t.contains("phone"));
    let sms = hooks.wait("an SMS", Duration::from_secs(10), about_phone)?;
    ensure!(sms["body"]["to"] == "+447700900123" && sms["authorization"] == GATEWAY, "{sms}");
    ensure!(sms["signed"] == true, "{sms}");
    let count = (mails.all()?.len(), hooks.all()?.len());
    // What the gateway wants is for the gateway: its own log is not searched for it.
    let hook_log = std::fs::read_to_string(&hooks.log)?.replace(GATEWAY, "");
    std::fs::write(&hooks.log, hook_log)?;
    house.ringfence.stop()?;
    let found =
        canaries.find(house.ringfence.dir(), &["data/webhook.key", "data/ringfence.key"])?;
    ensure!(found.is_empty(), "found: {found:?}");
    println!(
        "        {} canaries are in none of {} mails and {} webhooks, no log at trace, no database",
        canaries.len(),
        count.0,
        count.1
    );
    Ok(())
}
