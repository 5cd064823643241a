//! "Something is wrong" and "Check-up": what the desk of wood knows of them, and what the pages do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use types::{
    AccountId, AccountStatus, CheckPoint, DecisionId, DeviceId, LineId, Money, OpenPort,
    RecoveryReport, RecoveryStep, StepOutcome, StepWord, UnixMicros, WebUserId,
};
use web::{
    CheckUp, CheckUpDesk, Desk, DeskError, LineSecret, OnRecord, PageUser, PointSaid, PortsSeen,
    Recovery, RecoveryDesk, Software, StepSaid,
};

use crate::world::{NAME, PASSWORD, Wood, World, answered_call};

/// What the desk was told.
#[derive(Default)]
pub struct Mending {
    pub open: Option<Recovery>,
    pub begun: u32,
    pub ended: Vec<String>,
    pub reports: Vec<RecoveryReport>,
    pub points: BTreeMap<CheckPoint, PointSaid>,
    pub looked_at: Vec<IpAddr>,
    /// When the password of the line was set.
    pub line_set: UnixMicros,
    pub lowered: Option<UnixMicros>,
    pub most_spent: Money,
    pub ports: Vec<PortsSeen>,
}

impl RecoveryDesk for Wood {
    fn recovery(&self, account: AccountId) -> Result<Option<Recovery>, DeskError> {
        Ok(self.state().mending.open.clone().filter(|_| account == AccountId(1)))
    }

    fn on_record(&self, _: AccountId, _: UnixMicros) -> Result<OnRecord, DeskError> {
        let state = self.state();
        let user = |user: &types::WebUser| PageUser {
            id: user.id,
            name: user.name.clone(),
            password_since: user.password_since,
            has_totp: user.totp.is_some(),
        };
        let set = state.mending.line_set;
        let line = LineSecret { line: LineId(1), user: "alice".to_owned(), set };
        let lowered = state.mending.lowered;
        let users = state.users.iter().map(user).collect();
        Ok(OnRecord { users, lines: vec![line], stopped: None, lowered })
    }

    fn begin_recovery(&self, _: AccountId, by: &str) -> Result<(), DeskError> {
        let started = self.now();
        let mut state = self.state();
        if state.mending.open.is_none() {
            state.mending.begun += 1;
            let (number, by) = (state.mending.begun, by.to_owned());
            state.mending.open = Some(Recovery { number, started, by, said: BTreeMap::new() });
        }
        Ok(())
    }

    fn say_step(&self, _: AccountId, step: RecoveryStep, said: &StepSaid) -> Result<(), DeskError> {
        let mut state = self.state();
        let open = state.mending.open.as_mut().expect("one is open");
        open.said.insert(step, said.clone());
        Ok(())
    }

    fn end_recovery(&self, _: AccountId, _: &str, why: &str) -> Result<(), DeskError> {
        let mut state = self.state();
        state.mending.open = None;
        state.mending.ended.push(why.to_owned());
        Ok(())
    }

    fn send_report(&self, report: RecoveryReport) -> Result<(), DeskError> {
        let mut state = self.state();
        state.mending.open = None;
        state.mending.reports.push(report);
        Ok(())
    }

    fn reports(&self, account: AccountId) -> Result<Vec<RecoveryReport>, DeskError> {
        let all = self.state().mending.reports.clone();
        Ok(if account == AccountId(1) { all } else { Vec::new() })
    }
}

impl CheckUpDesk for Wood {
    fn check_up(&self, _: AccountId) -> Result<CheckUp, DeskError> {
        let state = self.state();
        let software = vec![Software {
            agent: "Asterisk <b>PBX</b> 11".to_owned(),
            trouble: "version 11 is not looked after".to_owned(),
        }];
        let (said, ports) = (state.mending.points.clone(), state.mending.ports.clone());
        Ok(CheckUp { said, ports, software, most_spent: state.mending.most_spent })
    }

    fn say_point(
        &self,
        _: AccountId,
        point: CheckPoint,
        is_done: bool,
        by: &str,
    ) -> Result<(), DeskError> {
        let said = PointSaid { at: self.now(), is_done, by: by.to_owned() };
        self.state().mending.points.insert(point, said);
        Ok(())
    }

    fn check_ports(
        &self,
        _: AccountId,
        address: IpAddr,
        _: &str,
    ) -> Result<Option<PortsSeen>, DeskError> {
        let mut state = self.state();
        state.mending.looked_at.push(address);
        let says = "<script>alert(3)</script>".to_owned();
        let open = vec![OpenPort { is_udp: true, port: 5060, says }];
        let seen =
            PortsSeen { at: UnixMicros::from_seconds(1_795_390_800), address, tried: 14, open };
        let is_there = address == IpAddr::from([192, 0, 2, 7]);
        if is_there {
            state.mending.ports = vec![seen.clone()];
        }
        Ok(is_there.then_some(seen))
    }
}

fn call(seconds: u64) -> types::Cdr {
    let id = DecisionId::at(UnixMicros::from_seconds(1_795_300_000).plus_ms(seconds * 1_000));
    answered_call(id)
}

/// Where a step stands, as its page says.
fn outcome(world: &World, cookie: &str, step: RecoveryStep) -> String {
    let page = world.get(&format!("/wrong/{step}"), Some(cookie)).body;
    let (_, list) = page.split_once("class=\"steps\"").expect("a list of steps");
    let (before, _) = list.split_once(&format!("href=\"/wrong/{step}\"")).expect("the step");
    let class = before.rsplit("<li class=\"").next().expect("a class");
    class.split('"').next().unwrap_or_default().to_owned()
}

#[test]
fn it_is_reached_from_every_page_and_looking_begins_nothing() {
    let world = World::new();
    let cookie = world.come_in();
    for path in ["/", "/limits", "/phones", "/calls", "/check-up", "/nothing-here"] {
        let page = world.get(path, Some(&cookie)).body;
        assert!(page.contains("href=\"/wrong\">Something is wrong</a>"), "{path}");
        assert!(!page.contains("Go on with the steps"), "{path}");
    }
    let page = world.get("/wrong", Some(&cookie)).body;
    assert!(page.contains("Stop outgoing calls now, and begin"), "{page}");
    for path in ["/wrong/stop", "/wrong/report"] {
        assert_eq!(world.get(path, Some(&cookie)).header("location"), Some("/wrong"), "{path}");
    }
    assert!(world.desk.state().mending.open.is_none());
    assert_eq!(world.get("/sign-in?then=/wrong", None).status, 200);
}

#[test]
fn beginning_stops_calls_and_every_page_leads_back() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    assert_eq!(world.post("/wrong", Some(&cookie), "stop=yes").header("location"), Some("/wrong"));
    assert_eq!(world.desk.state().status, Some(AccountStatus::Frozen));
    assert_eq!(outcome(&world, &cookie, RecoveryStep::Stop), "proved");
    for path in ["/", "/limits", "/passwords"] {
        let page = world.get(path, Some(&cookie)).body;
        assert!(page.contains("Go on with the steps"), "{path}");
    }
    // In another browser too: it is the account's, not the session's.
    let other = world.sign_in(NAME, PASSWORD).cookie().expect("a cookie");
    assert!(world.get("/", Some(&other)).body.contains("of 10 steps are done"));
    assert!(world.get("/limits", Some(&other)).body.contains("Go on with the steps"));
    world.post("/wrong", Some(&other), "stop=no");
    assert_eq!(world.desk.state().mending.begun, 1, "one is open at a time");
}

/// What can be proved is not taken on a word: each step, before and after what proves it.
#[test]
fn the_record_proves_and_a_tick_does_not() {
    let world = World::new();
    let cookie = world.come_in();
    let now = world.desk.now();
    world.desk.state().mending.open = Some(Recovery {
        number: 1,
        started: now.plus_ms(1_000),
        by: NAME.to_owned(),
        said: BTreeMap::new(),
    });
    let check = |step: RecoveryStep, prove: &dyn Fn(&World), want: (&str, &str)| {
        world.post(&format!("/wrong/{step}"), Some(&cookie), "how=done");
        let before = outcome(&world, &cookie, step);
        prove(&world);
        let after = outcome(&world, &cookie, step);
        assert_eq!((before.as_str(), after.as_str()), want, "{step}");
    };
    let later = now.plus_ms(2_000);
    use RecoveryStep as R;
    check(
        R::Stop,
        &|world| world.desk.state().status = Some(AccountStatus::Frozen),
        ("open", "proved"),
    );
    check(
        R::Web,
        &|world| world.desk.state().users[0].password_since = Some(later),
        ("open", "proved"),
    );
    check(R::Lines, &|world| world.desk.state().mending.line_set = later, ("open", "proved"));
    let totp = |world: &World| {
        world.desk.state().users[0].totp = Some(types::TotpSecret(vec![7; 20]));
    };
    check(R::Authenticator, &totp, ("open", "proved"));
    // A word counts where nothing else can be known, and the record counts for more.
    check(R::Mail, &|_| {}, ("confirmed", "confirmed"));
    check(
        R::Limits,
        &|world| world.desk.state().mending.lowered = Some(later),
        ("confirmed", "proved"),
    );
    check(R::Review, &|_| {}, ("confirmed", "confirmed"));
    let mark = |world: &World| {
        world.desk.state().calls = vec![call(1)];
        let id = call(1).decision;
        world.post("/wrong/calls", Some(&cookie), &format!("how=now&call={id}"));
    };
    check(R::Calls, &mark, ("confirmed", "proved"));
    // A phone that nobody knows is there: his word is not taken; when it is gone, it is wanted.
    check(
        R::Phones,
        &|world| world.desk.state().told.judged.push((DeviceId(4), true)),
        ("open", "open"),
    );
    check(
        R::Phones,
        &|world| world.desk.state().told.judged.push((DeviceId(4), false)),
        ("proved", "open"),
    );
}

#[test]
fn sessions_elsewhere_are_ended_for_all_users_of_the_account() {
    let world = World::new();
    let cookie = world.come_in();
    let other = world.sign_in(NAME, PASSWORD).cookie().expect("a cookie");
    let started = world.desk.now().plus_ms(1_000);
    let said = BTreeMap::new();
    world.desk.state().mending.open =
        Some(Recovery { number: 1, started, by: NAME.to_owned(), said });
    assert_eq!(outcome(&world, &cookie, RecoveryStep::Sessions), "open");
    world.post("/wrong/sessions", Some(&cookie), "how=now");
    assert_eq!(outcome(&world, &cookie, RecoveryStep::Sessions), "proved");
    assert_eq!(world.get("/limits", Some(&other)).status, 303, "signed out");
    assert!(world.sessions.list(Some(WebUserId(1)), world.desk.now()).len() == 1);
}

#[test]
fn a_step_is_left_out_for_a_reason() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/wrong", Some(&cookie), "stop=no");
    let long = "a".repeat(401);
    for words in ["", "+", &long] {
        let answer =
            world.post("/wrong/authenticator", Some(&cookie), &format!("how=skip&words={words}"));
        assert_eq!(answer.status, 422, "{words}");
        assert!(answer.body.contains("id=\"words-wrong\""), "{words}");
    }
    let kept = world.post("/wrong/authenticator", Some(&cookie), &format!("how=skip&words={long}"));
    assert!(kept.body.contains(&format!("value=\"{long}\"")), "what was typed is kept");
    world.post("/wrong/authenticator", Some(&cookie), "how=skip&words=no+app");
    assert_eq!(outcome(&world, &cookie, RecoveryStep::Authenticator), "skipped");
    let state = world.desk.state();
    let said = &state.mending.open.as_ref().expect("open").said[&RecoveryStep::Authenticator];
    assert_eq!(
        (said.word, said.words.as_str(), said.by.as_str()),
        (StepWord::Skipped, "no app", NAME)
    );
}

#[test]
fn calls_are_ticked_and_go_on_record_once() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/wrong", Some(&cookie), "stop=no");
    let calls: Vec<_> = (1..=3).rev().map(call).collect();
    world.desk.state().calls = calls.clone();
    // One from a phone that was said to be another's is ticked already.
    world.desk.state().calls[1].device = Some(DeviceId(4));
    world.desk.state().told.judged.push((DeviceId(4), false));
    let page = world.get("/wrong/calls", Some(&cookie)).body;
    assert_eq!((page.matches("name=\"call\"").count(), page.matches(" checked>").count()), (3, 1));
    assert!(page.contains("From a phone that is not yours"), "{page}");
    let ticks =
        |ids: &[DecisionId]| -> String { ids.iter().map(|id| format!("&call={id}")).collect() };
    let both = [calls[0].decision, calls[1].decision];
    let strange = DecisionId(77);
    world.post("/wrong/calls", Some(&cookie), &format!("how=now{}", ticks(&[both[0], strange])));
    world.post("/wrong/calls", Some(&cookie), &format!("how=now{}", ticks(&both)));
    let told: Vec<DecisionId> =
        world.desk.state().reported.iter().map(|one| one.decision).collect();
    assert_eq!(told, both, "each once, and nothing that is not there");
    let page = world.get("/wrong/calls", Some(&cookie)).body;
    assert_eq!(page.matches("name=\"call\"").count(), 1);
}

#[test]
fn the_report_is_filled_in_shown_first_and_sent_once() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/wrong", Some(&cookie), "stop=yes");
    world.desk.state().calls = vec![call(1), call(2)];
    let id = call(1).decision;
    world.post("/wrong/calls", Some(&cookie), &format!("how=now&call={id}"));
    let page = world.get("/wrong/report", Some(&cookie)).body;
    for part in ["+252611234567", "Somalia", "Not done yet", "£0.92", "Evil &#60;img", "192.0.2.7"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let text = world.get("/wrong/report/text", Some(&cookie));
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(text.body.contains("Account number   1") && text.body.contains("+252611234567"));
    assert!(world.desk.state().mending.reports.is_empty(), "looking sends nothing");
    let form = "noticed=2026-11-22T02:14&words=I+woke+up%0D%0Aand+saw+it";
    let answer = world.post("/wrong/report", Some(&cookie), form);
    assert_eq!(answer.status, 422, "steps are open, and no reason is given");
    assert!(
        answer.body.contains("id=\"left-wrong\"")
            && answer.body.contains("I woke up\r\nand saw it")
    );
    let bad = world.post("/wrong/report", Some(&cookie), "noticed=yesterday&left=later");
    assert!(bad.status == 422 && bad.body.contains("id=\"noticed-wrong\""));
    let sent = world.post("/wrong/report", Some(&cookie), &format!("{form}&left=it+is+late"));
    assert_eq!(sent.header("location"), Some("/wrong/reports/1"), "{}", sent.body);
    let report = world.desk.state().mending.reports[0].clone();
    assert_eq!(report.words, "I woke up and saw it");
    assert_eq!(report.noticed, Some(UnixMicros::from_seconds(1_795_313_640)));
    assert_eq!(report.by, (NAME.to_owned(), NAME.to_owned()));
    assert_eq!((report.calls.len(), report.price), (1, Money::from_cents(92)));
    let step = |step| report.steps.iter().find(|one| one.step == step).expect("all steps");
    assert_eq!(step(RecoveryStep::Stop).outcome, StepOutcome::Proved);
    assert_eq!(step(RecoveryStep::Calls).outcome, StepOutcome::Proved);
    let mail = step(RecoveryStep::Mail);
    assert_eq!((mail.outcome, mail.words.as_str()), (StepOutcome::Skipped, "it is late"));
    assert!(report.steps.iter().all(|step| step.outcome != StepOutcome::Open));
    let page = world.get("/wrong/reports/1", Some(&cookie)).body;
    assert!(page.contains("your contacts are told") && page.contains("still stopped"), "{page}");
    assert!(
        world.get("/wrong/reports/1/text", Some(&cookie)).body.contains("I woke up and saw it")
    );
    assert_eq!(world.get("/wrong/reports/2", Some(&cookie)).status, 404);
    let again = world.post("/wrong/report", Some(&cookie), "left=x");
    assert_eq!(again.header("location"), Some("/wrong"));
    assert_eq!(world.desk.state().mending.reports.len(), 1);
    assert!(!world.get("/limits", Some(&cookie)).body.contains("Go on with the steps"));
}

#[test]
fn nothing_was_wrong_is_said_with_a_reason() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/wrong", Some(&cookie), "stop=no");
    let refused = world.post("/wrong/nothing", Some(&cookie), "why=");
    assert!(refused.status == 422 && refused.body.contains("id=\"why-wrong\""), "{}", refused.body);
    assert!(world.desk.state().mending.open.is_some());
    world.post("/wrong/nothing", Some(&cookie), "why=it+was+my+son");
    let state = world.desk.state();
    assert!(state.mending.open.is_none() && state.mending.ended == ["it was my son"]);
}

/// The state of a point, as its page says.
fn point(world: &World, cookie: &str, point: CheckPoint) -> String {
    let page = world.get("/check-up", Some(cookie)).body;
    let (_, rest) = page.split_once(&format!("<li id=\"{point}\">")).expect("the point");
    let (_, rest) = rest.split_once("<span class=\"hint\">").expect("its state");
    rest.split('<').next().unwrap_or_default().to_owned()
}

#[test]
fn points_stand_as_the_record_says_and_else_as_he_says() {
    let world = World::new();
    let cookie = world.come_in();
    use CheckPoint as P;
    let check = |at: P, said: &str, want: (&str, &str)| {
        let before = point(&world, &cookie, at);
        world.post(&format!("/check-up/{at}"), Some(&cookie), &format!("is={said}"));
        let after = point(&world, &cookie, at);
        assert_eq!((before.as_str(), after.as_str()), want, "{at}");
    };
    check(P::RouterPassword, "done", ("Not known", "Good, you say"));
    check(P::RouterFirmware, "to-do", ("Not known", "To do"));
    check(P::RouterFirmware, "done", ("To do", "Good, you say"));
    check(P::Malware, "nonsense", ("Not known", "Not known"));
    // What we see, nobody says otherwise.
    check(P::PhoneSoftware, "done", ("To do", "To do"));
    check(P::Rotation, "done", ("To do", "To do"));
    check(P::StalePhones, "done", ("To do", "To do"));
    check(P::NewPhones, "done", ("To do", "To do"));
    check(P::Contacts, "done", ("To do", "To do"));
    check(P::Authenticator, "done", ("To do", "To do"));
    check(P::Limits, "done", ("Good", "Good"));
    check(P::IpLock, "done", ("Not known", "Good, you say"));
    check(P::UnusedLines, "done", ("Good", "Good"));
    world.desk.state().mending.line_set = world.desk.now();
    assert_eq!(point(&world, &cookie, P::Rotation), "Good");
    world.desk.state().told.confirmed = true;
    assert_eq!(point(&world, &cookie, P::Contacts), "Good");
    world.desk.state().mending.points.get_mut(&P::RouterPassword).expect("said").at = UnixMicros(0);
    assert_eq!(
        point(&world, &cookie, P::RouterPassword),
        "Not known",
        "a word is good for a while"
    );
    let page = world.get("/check-up", Some(&cookie)).body;
    assert!(page.contains("Asterisk &#60;b&#62;PBX"), "what a phone says is text: {page}");
    let count = page.split("points are good").next().and_then(|text| text.rsplit('>').next());
    let safe = world.get("/", Some(&cookie)).body;
    assert!(
        count.is_some_and(|count| safe.contains(&format!("{count}points are good"))),
        "{count:?}"
    );
    assert_eq!(world.post("/check-up/nonsense", Some(&cookie), "is=done").status, 404);
}

#[test]
fn a_look_from_outside_is_asked_for_and_tells_what_to_do() {
    let world = World::new();
    let cookie = world.come_in();
    assert!(world.get("/check-up", Some(&cookie)).body.contains("Look at 192.0.2.7"));
    assert!(world.desk.state().mending.looked_at.is_empty(), "looking at the page looks at nobody");
    assert_eq!(point(&world, &cookie, CheckPoint::Dmz), "Not known");
    for bad in ["192.0.2.99", "", "localhost", "192.0.2.7:80"] {
        let answer = world.post("/check-up/outside", Some(&cookie), &format!("address={bad}"));
        assert_eq!(answer.status, 404, "{bad}");
    }
    let done = world.post("/check-up/outside", Some(&cookie), "address=192.0.2.7");
    assert_eq!(done.header("location"), Some("/check-up#outside"));
    let page = world.get("/check-up", Some(&cookie)).body;
    assert!(page.contains("UDP 5060") && page.contains("takes calls from anybody"), "{page}");
    assert!(page.contains("&#60;script&#62;alert(3)") && !page.contains("<script>alert"));
    assert_eq!(point(&world, &cookie, CheckPoint::Dmz), "To do");
    assert_eq!(point(&world, &cookie, CheckPoint::RemoteAccess), "To do");
    world.desk.state().mending.ports[0].open.clear();
    assert_eq!(point(&world, &cookie, CheckPoint::Dmz), "Good");
}
