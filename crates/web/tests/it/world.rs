//! The pages over a desk of wood. Lives here: a desk that remembers what it was asked, a browser that is a socket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use ipnet::IpNet;
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::decision::{Destination, Explanation, Outcome as Decided};
use types::{
    AccountId, AccountRaises, AccountStatus, Cdr, ControlRequest, Controls, DecisionId,
    DestinationClass, Direction, Finding, KeptAnswer, LineId, LockTrial, Money, OneTimeLink, Proof,
    Region, Setting, TokenScope, UnixMicros, WebUser, WebUserId,
};
use web::{
    Amend, App, CallAsk, CallsFound, Country, Desk, DeskError, Destinations, Event, LiveCall,
    LogIn, Outcome, Overview, PhonesAndLocks, Prices, RegisteredPhone, Reported, Sessions,
    Settings, TokenDesk, TokenWish, TurnedOff, hash,
};

pub const NAME: &str = "alice@example.com";
pub const PASSWORD: &str = "velvet.harbour.mosaic.tundra";
pub const LINK: &str = "1-let-me-in";
/// Failures after which nobody is looked at any more.
pub const FAILURES: usize = 5;

/// What happened at the desk.
#[derive(Default)]
pub struct State {
    pub users: Vec<WebUser>,
    pub failures: BTreeMap<(String, IpAddr), usize>,
    pub status: Option<AccountStatus>,
    pub controls: Option<Controls>,
    pub cut: Vec<DecisionId>,
    pub proofs: Vec<Proof>,
    pub reported: Vec<Reported>,
    /// Calls that the account has made, newest first.
    pub calls: Vec<Cdr>,
    pub asked_until: Vec<String>,
    pub turned_off: Option<TurnedOff>,
    pub trial: Option<LockTrial>,
    pub told: crate::wood::Told,
    pub mending: crate::mending::Mending,
    /// What of tokens was told.
    pub token_words: Vec<String>,
    /// Answers that are kept.
    pub kept: BTreeMap<(WebUserId, u32, String), KeptAnswer>,
}

#[derive(Default)]
pub struct Wood(pub Mutex<State>, pub Gate);

/// Held by a test, it keeps the desk from hanging calls up.
#[derive(Default)]
pub struct Gate {
    pub way: Mutex<()>,
    /// Who is told that somebody stands before it.
    pub came: Mutex<Vec<SyncSender<()>>>,
}

impl Wood {
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nobody panicked")
    }
}

pub fn region(code: &str) -> Region {
    code.parse().expect("a code")
}

pub fn own_call() -> DecisionId {
    DecisionId(256_000)
}

/// A call to Somalia, from a phone that says something nasty, that was stopped for its price.
pub fn stopped_call(decision: DecisionId) -> Cdr {
    let at = decision.time();
    Cdr {
        decision,
        account: AccountId(1),
        line: Some(LineId(2)),
        device: None,
        to_account: None,
        direction: Direction::Outgoing,
        caller: "=HYPERLINK(1)".to_owned(),
        dialled: "00252611234567".to_owned(),
        destination: Destination {
            class: DestinationClass::International,
            e164: "+252611234567".parse().ok(),
            region: "SO".parse().ok(),
            tier: None,
            hotspot: false,
        },
        started: at,
        answered: None,
        ended: at,
        duration_ms: 0,
        price: Money::ZERO,
        cost: Money::ZERO,
        cost_rate: None,
        trunk: None,
        a_leg: LegRecord {
            peer: "192.0.2.7:5060".parse().ok(),
            call_id: "x".to_owned(),
            user_agent: "<script>alert(2)</script>".to_owned(),
        },
        b_leg: LegRecord::default(),
        cause: HangupCause::Refused,
        status: 403,
        side: HangupSide::Ringfence,
        explanation: Explanation {
            outcome: Decided::Refused,
            findings: vec![Finding::PriceCap {
                per_minute: Money::from_cents(92),
                cap: Money::from_cents(5),
            }],
            rate: None,
            rate_prefix: None,
        },
    }
}

/// A call that was answered.
pub fn answered_call(decision: DecisionId) -> Cdr {
    let mut call = stopped_call(decision);
    call.explanation.outcome = Decided::Admitted;
    call.explanation.findings.clear();
    call.answered = Some(call.started);
    (call.duration_ms, call.price) = (61_000, Money::from_cents(92));
    (call.cause, call.status, call.side) = (HangupCause::Normal, 200, HangupSide::Caller);
    call
}

/// What a try is counted by.
fn lane(tried: &LogIn) -> (String, IpAddr) {
    match tried.known {
        Some(key) => (format!("{}#{key}", tried.name), IpAddr::from([0, 0, 0, 0])),
        None => (tried.name.clone(), tried.source),
    }
}

impl Desk for Wood {
    fn now(&self) -> UnixMicros {
        UnixMicros::from_seconds(1_795_390_800)
    }

    fn overview(&self, account: AccountId) -> Result<Option<Overview>, DeskError> {
        let state = self.state();
        let controls = state.controls.clone().unwrap_or_else(Controls::residential);
        let call = LiveCall {
            decision: own_call(),
            line: Some("alice".to_owned()),
            direction: Direction::Outgoing,
            caller: "alice".to_owned(),
            dialled: "00252<script>alert(1)</script>".to_owned(),
            class: DestinationClass::International,
            started: self.now(),
            talk_ms: Some(61_000),
            cost: Money::from_cents(92),
            held: Money::from_cents(200),
            costly: true,
        };
        Ok((account == AccountId(1)).then(|| Overview {
            account,
            name: "Alice".to_owned(),
            status: state.status.unwrap_or(AccountStatus::Active),
            currency: "GBP".to_owned(),
            time_zone: "Europe/London".to_owned(),
            at: self.now(),
            ceiling: controls.clone(),
            stop_level: controls.stop_level_24h,
            controls,
            raises: state
                .trial
                .clone()
                .map(|trial| AccountRaises { trial: Some(trial), ..AccountRaises::none(account) }),
            unbilled: Money::from_cents(312),
            held: Money::from_cents(108),
            spent_24h: Money::from_cents(220),
            held_costly: Money::from_cents(200),
            headroom_costly: Money::from_units(15),
            off_hours: false,
            calls: vec![call],
            most: Vec::new(),
        }))
    }

    fn events(&self, _: AccountId, _: u32) -> Result<Vec<Event>, DeskError> {
        let words = "line 1 registered with <img src=x onerror=alert(1)>".to_owned();
        Ok(vec![Event { at: self.now(), words }])
    }

    fn requests(&self, _: AccountId) -> Result<Vec<ControlRequest>, DeskError> {
        Ok(Vec::new())
    }

    fn change_controls(
        &self,
        _: AccountId,
        settings: Vec<Setting>,
        until: &str,
        proof: Proof,
    ) -> Result<Outcome, DeskError> {
        let mut state = self.state();
        if until == "never" {
            return Err(DeskError::Refused("until: `never` is not a time".to_owned()));
        }
        let before = state.controls.clone().unwrap_or_else(Controls::residential);
        let (mut status, mut controls) =
            (state.status.unwrap_or(AccountStatus::Active), before.clone());
        settings.iter().for_each(|setting| setting.put(&mut status, &mut controls));
        let opens = |region: &Region| !controls.barred_countries.contains(region);
        let is_riskier = (controls.ip_lock.is_empty() && !before.ip_lock.is_empty())
            || before.barred_countries.iter().any(opens)
            || before.barred.iter().any(|class| !controls.barred.contains(class))
            || !before.barred_hours.is_within(controls.barred_hours)
            || controls.price_cap_international > before.price_cap_international
            || controls.stop_level_24h > before.stop_level_24h
            || (state.status == Some(AccountStatus::Frozen) && status == AccountStatus::Active);
        if is_riskier && proof != Proof::Fresh {
            return Err(DeskError::NeedsProof);
        }
        state.proofs.push(proof);
        state.asked_until.push(until.to_owned());
        (state.status, state.controls) = (Some(status), Some(controls));
        Ok(Outcome { message: "done".to_owned() })
    }

    fn calls(&self, _: AccountId, ask: &CallAsk) -> Result<CallsFound, DeskError> {
        let mut calls = self.state().calls.clone();
        calls.retain(|call| {
            ask.before.is_none_or(|before| call.decision < before)
                && ask.outcome.is_none_or(|want| call.explanation.outcome == want)
        });
        let next = calls.get(ask.limit as usize).map(|_| calls[ask.limit as usize - 1].decision);
        calls.truncate(ask.limit as usize);
        Ok(CallsFound { calls, next })
    }

    fn call(&self, _: AccountId, decision: DecisionId) -> Result<Option<Cdr>, DeskError> {
        Ok(self.state().calls.iter().find(|call| call.decision == decision).cloned())
    }

    fn lines(&self, _: AccountId) -> Result<Vec<(LineId, String)>, DeskError> {
        Ok(vec![(LineId(1), "alice".to_owned()), (LineId(2), "desk".to_owned())])
    }

    fn reported(&self, _: AccountId) -> Result<Vec<Reported>, DeskError> {
        Ok(self.state().reported.clone())
    }

    fn report_call(
        &self,
        _: AccountId,
        decision: DecisionId,
        by: &str,
        words: &str,
    ) -> Result<Outcome, DeskError> {
        let (by, words) = (by.to_owned(), words.to_owned());
        let at = self.now();
        self.state().reported.push(Reported { at, decision, by, words });
        Ok(Outcome { message: "reported".to_owned() })
    }

    fn destinations(&self, _: AccountId) -> Result<Destinations, DeskError> {
        let country = |code: &str, cents, hotspot| Country {
            region: region(code),
            prices: Prices { cheapest: Money::from_cents(1), dearest: Money::from_cents(cents) },
            hotspot,
        };
        use DestinationClass as Class;
        let prices = Prices { cheapest: Money::from_cents(1), dearest: Money::from_cents(1) };
        let classes = [Class::NationalFixed, Class::NationalService, Class::Premium];
        Ok(Destinations {
            countries: vec![
                country("FR", 1, false),
                country("LV", 20, true),
                country("SO", 92, false),
            ],
            classes: classes.map(|class| (class, prices)).to_vec(),
            used: vec![(Class::International, Some(region("FR")), self.now())],
            ever: vec![region("FR")],
            is_all: true,
        })
    }

    fn turned_off(&self, _: AccountId) -> Result<Option<TurnedOff>, DeskError> {
        Ok(self.state().turned_off.clone())
    }

    fn phones_and_locks(&self, _: AccountId) -> Result<PhonesAndLocks, DeskError> {
        let phone = RegisteredPhone {
            line: "desk".to_owned(),
            agent: "<i>Yealink</i>".to_owned(),
            address: "192.0.2.7".parse().expect("an address"),
        };
        let locks = vec![("alice".to_owned(), vec!["198.51.100.0/24".parse().expect("a network")])];
        Ok(PhonesAndLocks { phones: vec![phone], locks })
    }

    fn try_lock(&self, _: AccountId, lock: Vec<IpNet>, proof: Proof) -> Result<Outcome, DeskError> {
        let mut state = self.state();
        let mut controls = state.controls.clone().unwrap_or_else(Controls::residential);
        if !controls.ip_lock.is_empty() && proof != Proof::Fresh {
            return Err(DeskError::NeedsProof);
        }
        let before = std::mem::replace(&mut controls.ip_lock, lock);
        state.trial = Some(LockTrial { before, until: self.now().plus_ms(600_000) });
        state.controls = Some(controls);
        state.proofs.push(proof);
        Ok(Outcome { message: "on trial".to_owned() })
    }

    fn end_trial(&self, _: AccountId, keep: bool) -> Result<Outcome, DeskError> {
        let mut state = self.state();
        let trial = state.trial.take();
        let trial = trial.ok_or_else(|| DeskError::Refused("no lock is on trial".to_owned()))?;
        if !keep && let Some(controls) = &mut state.controls {
            controls.ip_lock = trial.before;
        }
        Ok(Outcome { message: "ended".to_owned() })
    }

    fn cut(&self, decision: DecisionId) -> Result<Outcome, DeskError> {
        for told in self.1.came.lock().expect("nobody panicked").drain(..) {
            told.send(()).expect("somebody listens");
        }
        let _through = self.1.way.lock().expect("nobody panicked");
        self.state().cut.push(decision);
        Ok(Outcome { message: "cut".to_owned() })
    }

    fn may_log_in(&self, tried: &LogIn) -> Result<bool, DeskError> {
        let failures = self.state().failures.get(&lane(tried)).copied();
        Ok(failures.unwrap_or(0) < FAILURES)
    }

    fn note_wrong_log_in(&self, tried: &LogIn) -> Result<(), DeskError> {
        *self.state().failures.entry(lane(tried)).or_default() += 1;
        Ok(())
    }

    fn user(&self, name: &str) -> Result<Option<WebUser>, DeskError> {
        Ok(self.state().users.iter().find(|user| user.name == name).cloned())
    }

    fn user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, DeskError> {
        Ok(self.state().users.iter().find(|user| user.id == id).cloned())
    }

    fn amend(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError> {
        let mut state = self.state();
        let user = state.users.iter_mut().find(|user| user.id == id).expect("he is there");
        change(user).map_err(DeskError::Refused)?;
        Ok(user.clone())
    }

    fn judge_password(&self, password: &str, _: &[&str]) -> Result<(), String> {
        if password.len() < 12 { Err("This password is too weak".to_owned()) } else { Ok(()) }
    }
}

impl TokenDesk for Wood {
    fn amend_tokens(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError> {
        let mut state = self.state();
        let user = state.users.iter_mut().find(|user| user.id == id).expect("he is there");
        let words = change(user).map_err(DeskError::Refused)?;
        let user = user.clone();
        if !words.is_empty() {
            state.token_words.push(words);
        }
        Ok(user)
    }

    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, DeskError> {
        Ok(self.state().kept.get(&(user, token, key.to_owned())).cloned())
    }

    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, DeskError> {
        let state = self.state();
        let of_account =
            state.kept.values().filter(|kept| kept.account == account && kept.at >= since);
        Ok(of_account.count() as u64)
    }

    fn keep_answer(&self, kept: KeptAnswer, gone: UnixMicros) -> Result<(), DeskError> {
        let mut state = self.state();
        state.kept.retain(|_, kept| kept.at >= gone);
        state.kept.insert((kept.user, kept.token, kept.key.clone()), kept);
        Ok(())
    }
}

/// Pages that are served, and the desk behind them.
pub struct World {
    pub desk: Arc<Wood>,
    pub sessions: Arc<Sessions>,
    pub address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, which is JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status, "{self:?}");
        let kind = json["type"].as_str().expect("a type");
        kind.strip_prefix("urn:ringfence:problem:").expect("ours").to_owned()
    }

    /// The session's cookie that was set, as a browser sends it back.
    pub fn cookie(&self) -> Option<String> {
        let set = self.header("set-cookie")?;
        set.split(';').next().map(str::to_owned)
    }
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        let desk = Arc::new(Wood::default());
        let link = OneTimeLink { hash: hash("let-me-in"), until: desk.now().plus_ms(60_000) };
        desk.state().users.push(WebUser {
            id: WebUserId(1),
            account: AccountId(1),
            name: NAME.to_owned(),
            password: None,
            password_since: None,
            link: Some(link),
            totp: None,
            totp_step: 0,
            recovery: Vec::new(),
            created: desk.now(),
            last_seen: None,
            sessions: Vec::new(),
            browsers: Vec::new(),
            tokens: Vec::new(),
            tokens_made: 0,
            is_removed: false,
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let sessions: Arc<Sessions> = Arc::default();
        let app = App::new(desk.clone(), sessions.clone(), settings);
        let address = web::start(listener, app).expect("served");
        World { desk, sessions, address }
    }

    /// Sends exactly these lines of a head, and a body.
    pub fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        let mut text = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || request.starts_with("POST") {
            if !headers.iter().any(|(name, _)| *name == "Content-Type") {
                text.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            }
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).expect("sent");
        read_answer(&mut BufReader::new(stream))
    }

    /// The same desk, after the program was started again.
    pub fn again(&self) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let sessions: Arc<Sessions> = Arc::default();
        let app = App::new(self.desk.clone(), sessions.clone(), Settings::default());
        let address = web::start(listener, app).expect("served");
        World { desk: self.desk.clone(), sessions, address }
    }

    /// A token of the user, good for this.
    pub fn token(&self, scopes: &[TokenScope]) -> String {
        let mut state = self.desk.state();
        let user = &mut state.users[0];
        let wish = TokenWish { name: "backup".to_owned(), scopes: scopes.to_vec(), days: 30 };
        let (token, _) = web::add_token(user, &wish, self.desk.now()).expect("a token");
        token.to_string()
    }

    /// Asks as a program does.
    pub fn api(&self, request: &str, token: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Authorization", bearer.as_str())];
        if !body.is_empty() && !more.iter().any(|(name, _)| *name == "Content-Type") {
            headers.push(("Content-Type", "application/json"));
        }
        headers.extend(more);
        self.send(request, &headers, body)
    }

    /// Opens a page, signed in or not.
    pub fn get(&self, path: &str, cookie: Option<&str>) -> Answer {
        let cookie: Vec<(&str, &str)> = cookie.map(|value| ("Cookie", value)).into_iter().collect();
        self.send(&format!("GET {path}"), &cookie, "")
    }

    /// Sends a form as a browser does from a page of ours.
    pub fn post(&self, path: &str, cookie: Option<&str>, body: &str) -> Answer {
        self.form("POST", path, cookie, body)
    }

    /// The same with another method.
    pub fn form(&self, method: &str, path: &str, cookie: Option<&str>, body: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let mut headers = vec![("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
        headers.extend(cookie.map(|value| ("Cookie", value)));
        self.send(&format!("{method} {path}"), &headers, body)
    }

    /// Signs in by the link, for the first time; the cookie.
    pub fn come_in(&self) -> String {
        let body = format!("password={PASSWORD}&again={PASSWORD}");
        let answer = self.post(&format!("/welcome/{LINK}"), None, &body);
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.cookie().expect("a cookie")
    }

    /// Tries a password.
    pub fn sign_in(&self, name: &str, password: &str) -> Answer {
        let name = name.replace('@', "%40");
        self.post("/sign-in", None, &format!("name={name}&password={password}"))
    }

    /// Lets what was fresh grow old.
    pub fn grow_old(&self, cookie: &str) {
        let token = cookie.split_once('=').expect("a cookie").1;
        self.sessions.amend(token, |session| session.fresh_until = UnixMicros(0));
    }
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> Answer {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    // A stream has no end: what is told first is enough.
    let is_stream = headers.iter().any(|(_, value)| value == "text/event-stream");
    let mut body = String::new();
    if is_stream {
        while !body.ends_with("\n\n") {
            reader.read_line(&mut body).expect("an event");
        }
    } else {
        reader.read_to_string(&mut body).expect("a body");
    }
    Answer { status, headers, body }
}
