//! Single rules by tables; the whole outbox in a world of its own (`tests/world.rs`).

use store::ContactEntry;
use types::record_samples::contact;
use types::{AccountId, By, Channel, Contact, DeviceId, LineId, fact_samples};

use super::*;

const NOW: UnixMicros = UnixMicros::from_seconds(1_795_313_640);

fn entry(seq: u64, contact: Contact) -> ContactEntry {
    ContactEntry { seq, contact }
}

fn staff(id: u32) -> Contact {
    Contact { account: None, ..contact(id) }
}

fn stored(fact: Fact) -> StoredFact {
    StoredFact { seq: 812, at: NOW, fact }
}

fn people(holder: Vec<Contact>, staff: Vec<Contact>) -> People {
    let numbered =
        |from: u64, list: Vec<Contact>| (from..).zip(list).map(|(seq, one)| entry(seq, one));
    People {
        holder: numbered(1, holder).collect(),
        staff: numbered(101, staff).collect(),
        holder_zone: "UTC".to_owned(),
        staff_zone: "UTC".to_owned(),
        ..People::default()
    }
}

fn of_kind(code: &str) -> Fact {
    let found = fact_samples::all().into_iter().find(|fact| catalogue::of(fact).code == code);
    found.unwrap_or_else(|| panic!("no fact {code}"))
}

fn told(fact: Fact, people: &People) -> Vec<u64> {
    recipients(&stored(fact), people).iter().map(|entry| entry.seq).collect()
}

#[test]
fn a_fact_concerns_whom_the_catalogue_says() {
    let people = people(vec![contact(1)], vec![staff(2)]);
    fn check(people: &People, code: &str, want: &[u64]) {
        assert_eq!(told(of_kind(code), people), want, "{code}");
    }
    check(&people, "new-device", &[1]);
    check(&people, "warning-level", &[1]);
    check(&people, "old-secret-leaked", &[1, 101]);
    check(&people, "request-made", &[1, 101]);
    check(&people, "trunk-reachable", &[101]);
    check(&people, "alert-given-up", &[101]);
    check(&people, "registered", &[]);
    check(&people, "banned", &[]);
    check(&people, "started", &[]);
    // What staff did not get is not told to staff.
    let of_staff = Fact::AlertGivenUp {
        account: None,
        contact: ContactId(2),
        alert: String::new(),
        channel: String::new(),
        why: String::new(),
    };
    assert!(told(of_staff, &people).is_empty());
    let quiet = Fact::NewDevice {
        account: AccountId(1),
        line: LineId(1),
        device: DeviceId(1),
        peer: ([192, 0, 2, 7], 5060).into(),
        agent: String::new(),
        new_agent: false,
        new_address: false,
        tell: false,
    };
    assert!(told(quiet, &people).is_empty(), "the holder does not want to be told");
}

#[test]
fn contacts_choose_classes_and_critical_passes() {
    let money = || Contact { classes: [EventClass::Money].into(), ..contact(1) };
    fn check(contact: Contact, code: &str, want: bool) {
        let people = people(vec![contact], vec![]);
        assert_eq!(!told(of_kind(code), &people).is_empty(), want, "{code}");
    }
    check(money(), "warning-level", true);
    check(money(), "new-device", false);
    check(money(), "outside-lock", true);
    check(Contact { classes: [].into(), ..contact(1) }, "outside-lock", true);
    check(Contact { is_on: false, ..contact(1) }, "outside-lock", false);
    check(Contact { is_removed: true, ..contact(1) }, "outside-lock", false);
    check(Contact { confirmed: None, ..contact(1) }, "outside-lock", false);
}

#[test]
fn raises_are_told_where_the_holder_was_reached_before() {
    let elsewhere = |address: &str| Contact {
        channel: Channel::Mail { address: address.to_owned() },
        ..contact(1)
    };
    let mut people = people(vec![elsewhere("mallory@example.com")], vec![]);
    people.holder_before = vec![entry(7, elsewhere("alice@example.com"))];
    assert_eq!(told(of_kind("raised"), &people), [1, 7]);
    assert_eq!(told(of_kind("lowered"), &people), [1]);
    people.holder_before = vec![entry(7, elsewhere("mallory@example.com"))];
    assert_eq!(told(of_kind("raised"), &people), [1], "each way of reaching somebody once");
}

#[test]
fn who_was_told_before_is_told_of_the_change() {
    let to = |address: &str, confirmed: bool| Contact {
        channel: Channel::Mail { address: address.to_owned() },
        confirmed: confirmed.then_some(NOW),
        ..contact(1)
    };
    fn check(history: Vec<Contact>, others: Vec<Contact>, want: &[u64]) {
        let numbered = (20..).zip(history).map(|(seq, one)| entry(seq, one));
        let people = People { of_contact: numbered.collect(), ..people(others, vec![]) };
        assert_eq!(told(of_kind("contact-changed"), &people), want);
    }
    // A new one by the holder is asked to confirm; others of the account are told.
    check(vec![to("new@x.org", false)], vec![contact(5)], &[20, 1]);
    // Moved: the new one is asked, the old one told.
    check(vec![to("new@x.org", false), to("old@x.org", true)], vec![], &[20, 21]);
    // Moved twice, the first never confirmed: the one who was really reached is told.
    check(
        vec![to("third@x.org", false), to("typo@x.org", false), to("old@x.org", true)],
        vec![],
        &[20, 22],
    );
    // Switched off, and removed: he is told.
    let off = Contact { is_on: false, ..to("old@x.org", true) };
    check(vec![off, to("old@x.org", true)], vec![], &[21]);
    let gone = Contact { is_removed: true, ..to("old@x.org", true) };
    check(vec![gone, to("old@x.org", true)], vec![], &[21]);
    // Something small: told once.
    let named = Contact { name: "home".to_owned(), ..to("old@x.org", true) };
    check(vec![named, to("old@x.org", true)], vec![], &[20]);
}

fn states(fact: Fact, holder: Vec<Contact>, recent: &mut Recent) -> Vec<AlertState> {
    let people = people(holder, vec![]);
    let alerts = derive(&stored(fact), &people, recent, &Rules::default(), NOW);
    alerts.into_iter().map(|alert| alert.state).collect()
}

#[test]
fn the_first_are_told_at_once_and_the_others_have_their_turn() {
    let later = |order: u8, wait_ms: u64| Contact { order, wait_ms, ..contact(9) };
    fn check(code: &str, holder: Vec<Contact>, want: &[AlertState]) {
        assert_eq!(states(of_kind(code), holder, &mut Recent::new()), want, "{code}");
    }
    let at = AlertState::Due { at: NOW };
    let waits = |ms: u64| AlertState::Waiting { until: NOW.plus_ms(ms) };
    check("new-device", vec![contact(1), later(1, 600_000)], &[at.clone(), waits(600_000)]);
    check("outside-lock", vec![contact(1), later(1, 600_000)], &[at.clone(), waits(45_000)]);
    check("outside-lock", vec![contact(1), later(1, 20_000)], &[at.clone(), waits(20_000)]);
    check("outside-lock", vec![later(3, 600_000)], &[at]);
}

#[test]
fn quiet_hours_hold_back_what_is_not_critical() {
    // It is 02:14.
    let asleep = || Contact { quiet: "22:00-07:00".parse().ok(), ..contact(1) };
    let morning = AlertState::Gathering { until: UnixMicros::from_seconds(1_795_330_800) };
    let mut recent = Recent::new();
    assert_eq!(states(of_kind("new-device"), vec![asleep()], &mut recent), [morning]);
    let now = AlertState::Due { at: NOW };
    assert_eq!(
        states(of_kind("outside-lock"), vec![asleep()], &mut recent),
        std::slice::from_ref(&now)
    );
    // A test is an answer to somebody who is awake.
    let people = People { of_contact: vec![entry(1, asleep())], ..people(vec![], vec![]) };
    let fact = stored(of_kind("alert-tested"));
    let alerts = derive(&fact, &people, &mut recent, &Rules::default(), NOW);
    assert_eq!(alerts[0].state, now);
}

#[test]
fn what_comes_too_often_is_gathered() {
    let (mut recent, mut seq) = (Recent::new(), 0);
    let mut next = |code: &str| {
        seq += 1;
        let fact = StoredFact { seq, at: NOW, fact: of_kind(code) };
        let people = people(vec![contact(1)], vec![]);
        derive(&fact, &people, &mut recent, &Rules::default(), NOW).remove(0).state
    };
    let now = AlertState::Due { at: NOW };
    for _ in 0..5 {
        assert_eq!(next("new-device"), now);
    }
    let gathered = AlertState::Gathering { until: NOW.plus_ms(600_000) };
    assert_eq!(next("new-device"), gathered);
    assert_eq!(next("device-moved"), gathered, "of the same class");
    assert_eq!(next("warning-level"), now, "of another class");
    for _ in 0..5 {
        assert_eq!(next("outside-lock"), now);
    }
    let soon = AlertState::Gathering { until: NOW.plus_ms(60_000) };
    assert_eq!(next("outside-lock"), soon, "what is critical waits for a minute only");
}

fn alert(order: u8, state: AlertState) -> Alert {
    Alert {
        id: AlertId { fact: 812, entry: u64::from(order) },
        account: Some(AccountId(1)),
        contact: ContactId(u32::from(order)),
        class: EventClass::Security,
        severity: Severity::Important,
        made: NOW,
        order,
        wait_ms: 600_000,
        state,
        tries: 0,
        trouble: String::new(),
        members: Vec::new(),
    }
}

#[test]
fn the_next_is_told_when_those_before_are_not_reached() {
    fn check(severity: Severity, before: AlertState, after_s: u64, want: Option<AlertState>) {
        let now = NOW.plus_ms(after_s * 1_000);
        let waiting = Alert { severity, ..alert(1, AlertState::Waiting { until: now }) };
        let all = [Alert { severity, ..alert(0, before.clone()) }, waiting.clone()];
        let got = turn(&waiting, &all, &Rules::default(), now);
        assert_eq!(got, want, "{severity} {before:?} after {after_s} s");
    }
    use Severity::{Critical, Important};
    let due = || AlertState::Due { at: NOW };
    let delivered = |s: u64| AlertState::Delivered { at: NOW.plus_ms(s * 1_000) };
    let waits = |s: u64| Some(AlertState::Waiting { until: NOW.plus_ms(s * 1_000) });
    check(Important, due(), 599, waits(600));
    check(Important, due(), 600, None);
    check(Important, delivered(5), 10, Some(AlertState::NotNeeded));
    check(Important, AlertState::GivenUp { at: NOW }, 1, None);
    let morning = AlertState::Gathering { until: NOW.plus_ms(3_600_000) };
    check(Important, morning, 600, waits(4_200));
    check(Critical, due(), 44, waits(45));
    check(Critical, due(), 45, None);
    check(Critical, delivered(5), 45, waits(605));
    check(Critical, delivered(5), 605, None);
    let known = AlertState::Acknowledged { at: NOW, by: By::STAFF };
    check(Critical, known.clone(), 605, Some(AlertState::NotNeeded));
    check(Important, known, 605, Some(AlertState::NotNeeded));
}

#[test]
fn tries_have_growing_pauses_and_an_end() {
    let rules = Rules::default();
    let failed = Outcome::Failed("no answer".to_owned());
    let mut one = alert(0, AlertState::Due { at: NOW });
    let mut now = NOW;
    let mut pauses = Vec::new();
    loop {
        let (mut alerts, is_given_up) = after_try(&one, Vec::new(), &failed, &rules, now);
        one = alerts.remove(0);
        if is_given_up {
            break;
        }
        let due = one.state.due().expect("tried again");
        pauses.push(due.ms_since(now) / 1_000);
        now = due;
    }
    assert_eq!(pauses[..7], [5, 15, 45, 135, 405, 1_215, 1_800]);
    assert!(pauses[7..].iter().all(|pause| *pause == 1_800));
    let day = now.ms_since(NOW) / 1_000;
    assert!((86_400..=88_200).contains(&day), "given up after {day} s");
    assert_eq!((one.trouble.as_str(), one.tries as usize), ("no answer", pauses.len() + 1));
    let refused = Outcome::Refused("550".to_owned());
    let one = alert(0, AlertState::Due { at: NOW });
    assert!(after_try(&one, Vec::new(), &refused, &rules, NOW).1, "an address that is none");
}

#[test]
fn a_digest_shares_its_fate() {
    let gathered: Vec<Alert> = (1..=3)
        .map(|fact| Alert {
            id: AlertId { fact, entry: 1 },
            ..alert(0, AlertState::Gathering { until: NOW })
        })
        .collect();
    let alerts = digest(gathered, NOW);
    let leader = &alerts[0];
    assert_eq!(leader.state, AlertState::Due { at: NOW });
    assert_eq!(leader.members, [alerts[1].id, alerts[2].id]);
    let mut members = alerts[1..].to_vec();
    members[1].state = AlertState::Acknowledged { at: NOW, by: By::STAFF };
    let rules = Rules::default();
    let (done, _) = after_try(leader, members.clone(), &Outcome::Delivered, &rules, NOW);
    let delivered = AlertState::Delivered { at: NOW };
    assert_eq!(done.iter().map(|one| &one.state).collect::<Vec<_>>(), [&delivered, &delivered]);
    let failed = Outcome::Failed(String::new());
    let (again, _) = after_try(leader, members, &failed, &rules, NOW);
    assert_eq!(again.len(), 1, "members wait with their leader");
}
