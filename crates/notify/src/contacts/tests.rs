//! What may be changed by whom, and what is written for it.

use store::{Backend, Batch, MemoryStore};
use types::Proof;

use super::*;

const HOLDER: By = By::Holder { proof: Proof::Fresh };

struct Desk {
    store: MemoryStore,
    codes: Codes,
    now: UnixMicros,
}

impl Desk {
    fn new() -> Desk {
        let now = UnixMicros::from_seconds(1_795_313_640);
        Desk { store: MemoryStore::new(), codes: Codes::new([7; 32]), now }
    }

    fn ask(&mut self, order: ContactOrder, by: &By) -> Result<String, String> {
        let asked = (by.clone(), String::new());
        let planned = plan(order, asked, self.now, &self.store, &self.codes);
        let planned = planned.map_err(|error| error.to_string())?;
        let batch = Batch { ticket: 0, records: planned.records };
        self.store.commit(&[batch]).map_err(|error| error.to_string())?;
        Ok(planned.message)
    }

    fn add(&mut self, account: Option<u32>, settings: &str, by: &By) -> Result<String, String> {
        let account = account.map(AccountId);
        self.ask(ContactOrder::Add { account, settings: pairs(settings) }, by)
    }

    fn set(&mut self, id: u32, settings: &str, by: &By) -> Result<String, String> {
        self.ask(ContactOrder::Set { contact: ContactId(id), settings: pairs(settings) }, by)
    }

    fn now(&self, id: u32) -> Contact {
        let history = self.store.contact_history(ContactId(id)).unwrap_or_default();
        history.into_iter().next().expect("a contact").contact
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.into(), value.into()));
    text.split(' ').filter_map(pair).collect()
}

#[test]
fn settings_are_checked() {
    fn check(settings: &str, want: &str) {
        let got = Desk::new().add(Some(1), settings, &By::STAFF);
        let said = got.unwrap_or_else(|error| format!("! {error}"));
        assert_eq!(said, want, "{settings}");
    }
    check("mail=alice@example.com", "contact 1 added: mail alice@example.com");
    check("sms=+447700900123 order=1 wait=10m", "contact 1 added: sms +447700900123");
    check(
        "webhook=https://h.example/secret template=chat",
        "contact 1 added: webhook https://h.example/…",
    );
    check("name=alice", "! say how it is reached: mail=, webhook= or sms=");
    check("mail=alice", "! `alice` is not a mail address: expected one like alice@example.com");
    check(
        "mail=a@b.org quiet=22-7",
        "! quiet=22-7: `22-7` are no quiet hours: expected 22:00-07:00",
    );
    check(
        "mail=a@b.org classes=money,cats",
        "! classes=money,cats: `cats` is no class of events: expected one of security, money, devices, controls, billing",
    );
    check("mail=a@b.org on=perhaps", "! on=perhaps: expected yes or no");
    check("mail=a@b.org order=10", "! order=10: expected a number from 0 to 9");
    check("mail=a@b.org wait=10", "! wait=10: expected a time up to seven days: 30s, 15m, 2h");
    check(
        "mail=a@b.org template=chat",
        "! template=chat: only a webhook has a template: set webhook= first",
    );
    check(
        "webhook=https://h.example template=../x",
        "! template=../x: expected the name of a template, without .json",
    );
    check(
        "mail=a@b.org colour=red",
        "! colour=red: there is no such setting; there are mail, webhook, template, sms, name, classes, on, quiet, order, wait",
    );
}

#[test]
fn what_a_holder_sets_has_to_be_confirmed() {
    let mut desk = Desk::new();
    desk.add(Some(1), "mail=alice@example.com", &By::STAFF).expect("added");
    assert!(desk.now(1).is_told(), "staff have looked at it");
    let moved = desk.set(1, "mail=mallory@example.com", &HOLDER).expect("moved");
    assert_eq!(
        moved,
        "contact 1 mail alice@example.com to mail mallory@example.com; a code is sent there, to be confirmed within seven days"
    );
    assert!(!desk.now(1).is_told());
    let confirm = |code: &str| ContactOrder::Confirm { contact: ContactId(1), code: code.into() };
    let wrong = desk.ask(confirm("AAAAA-AAAAA"), &HOLDER).expect_err("a wrong code");
    assert!(wrong.starts_with("this is not the code"), "{wrong}");
    let code = desk.codes.confirmation(&desk.now(1));
    assert_eq!(desk.ask(confirm(&code), &HOLDER), Ok("contact 1 confirmed".to_owned()));
    assert!(desk.now(1).is_told());
    let twice = desk.ask(confirm(&code), &HOLDER).expect_err("once");
    assert_eq!(twice, "contact 1 is confirmed already");
    // Back to where he was reached before: that was shown already, and counts since then.
    let since = desk.now(1).since;
    desk.now = desk.now.plus_ms(5_000);
    desk.set(1, "mail=typo@example.com", &HOLDER).expect("moved");
    desk.ask(ContactOrder::Undo { contact: ContactId(1) }, &HOLDER).expect("undone");
    assert!(desk.now(1).is_told() && desk.now(1).since == since);
    // What is no address needs no code.
    desk.set(1, "quiet=22:00-07:00", &HOLDER).expect("set");
    assert!(desk.now(1).is_told());
}

#[test]
fn changes_are_appended_and_undone() {
    let mut desk = Desk::new();
    desk.add(Some(1), "mail=a@example.com name=home", &By::STAFF).expect("added");
    let since = desk.now(1).since;
    desk.now = desk.now.plus_ms(5_000);
    let off = desk.set(1, "on=no classes=money", &HOLDER).expect("set");
    assert_eq!(off, "contact 1 switched off, classes all to money");
    assert_eq!(desk.now(1).since, since, "it is reached in the same way since then");
    assert_eq!(desk.set(1, "on=no", &HOLDER), Err("contact 1 is like that already".to_owned()));
    let order = ContactOrder::Undo { contact: ContactId(1) };
    assert_eq!(
        desk.ask(order, &By::STAFF),
        Ok("contact 1 switched on, classes money to all".to_owned())
    );
    let remove = || ContactOrder::Remove { contact: ContactId(1) };
    assert_eq!(desk.ask(remove(), &HOLDER), Ok("contact 1 removed: mail a@example.com".to_owned()));
    let gone = desk.ask(remove(), &HOLDER).expect_err("gone");
    assert!(gone.starts_with("there is no contact 1"), "{gone}");
    // All in one moment: entries have times of their own nevertheless.
    let history = desk.store.contact_history(ContactId(1)).expect("history");
    assert_eq!(history.len(), 4);
    assert!(history.windows(2).all(|pair| pair[0].contact.at > pair[1].contact.at));
    let facts = desk.store.facts_after(0, 9).expect("facts");
    assert_eq!(facts.len(), 4, "each change is a fact");
}

#[test]
fn holders_have_nothing_to_do_with_staff() {
    let mut desk = Desk::new();
    desk.add(None, "mail=noc@example.com", &By::STAFF).expect("added");
    assert!(desk.set(1, "on=no", &HOLDER).is_err());
    assert!(desk.add(None, "mail=x@example.com", &HOLDER).is_err());
    let undo = ContactOrder::Undo { contact: ContactId(1) };
    assert!(desk.ask(undo, &HOLDER).is_err());
    let twice = desk.add(None, "mail=noc@example.com", &By::STAFF).expect_err("twice");
    assert_eq!(twice, "contact 1 is reached in this way already");
}

#[test]
fn there_is_a_bound() {
    let mut desk = Desk::new();
    for n in 0..20 {
        desk.add(Some(1), &format!("mail=a{n}@example.com"), &By::STAFF).expect("added");
    }
    assert!(desk.add(Some(1), "mail=b@example.com", &By::STAFF).is_err());
    assert!(desk.add(Some(2), "mail=b@example.com", &By::STAFF).is_ok());
}

#[test]
fn a_test_is_a_fact_and_needs_somebody_who_is_told() {
    let mut desk = Desk::new();
    desk.add(Some(1), "mail=a@example.com", &HOLDER).expect("added");
    let test = || ContactOrder::Test { contact: ContactId(1) };
    assert_eq!(desk.ask(test(), &By::STAFF), Err("contact 1 is not confirmed".to_owned()));
    let code = desk.codes.confirmation(&desk.now(1));
    desk.ask(ContactOrder::Confirm { contact: ContactId(1), code }, &HOLDER).expect("confirmed");
    assert_eq!(
        desk.ask(test(), &By::STAFF),
        Ok("a test is on its way to a@example.com".to_owned())
    );
}

#[test]
fn what_tells_less_needs_fresh_proof() {
    fn check(order: impl Fn(ContactId) -> ContactOrder, needs: bool) {
        let mut desk = Desk::new();
        desk.add(Some(1), "mail=alice@example.com order=1 classes=security", &By::STAFF)
            .expect("done");
        let logged_in = By::Holder { proof: Proof::LoggedIn };
        let order = order(ContactId(1));
        let got = desk.ask(order.clone(), &logged_in);
        let wants_proof = got == Err(ContactError::NeedsProof.to_string());
        assert_eq!(wants_proof, needs, "{order:?}: {got:?}");
        if needs {
            desk.ask(order, &HOLDER).expect("done");
        }
    }
    let set =
        |text: &'static str| move |contact| ContactOrder::Set { contact, settings: pairs(text) };
    check(|contact| ContactOrder::Remove { contact }, true);
    check(|contact| ContactOrder::NewSecret { contact }, true);
    check(|contact| ContactOrder::Test { contact }, false);
    check(set("on=no"), true);
    check(set("mail=bob@example.com"), true);
    check(set("classes=money"), true);
    check(set("classes=security,money"), false);
    check(set("quiet=22:00-07:00"), true);
    check(set("order=2"), true);
    check(set("order=0"), false);
    check(set("wait=2h"), true);
    check(set("wait=1m"), false);
    check(set("name=Amy"), false);
}

#[test]
fn nobody_is_flooded_with_codes() {
    let mut desk = Desk::new();
    let asked = |desk: &mut Desk, account: u32, to: &str| {
        desk.add(Some(account), &format!("mail={to}"), &HOLDER)
    };
    // One address, whoever asks, and however it is asked.
    asked(&mut desk, 1, "victim@example.org").expect("done");
    asked(&mut desk, 2, "Victim@example.org").expect("done");
    desk.now = desk.now.plus_ms(1_000);
    desk.set(1, "name=again", &HOLDER).expect("done");
    let third = asked(&mut desk, 3, "victim@example.org");
    assert!(third.as_ref().is_err_and(|why| why.contains("was sent 3 codes")), "{third:?}");
    let renamed = desk.set(2, "name=again", &HOLDER);
    assert!(renamed.is_err(), "{renamed:?}");
    // Staff have looked at it; and what is switched off sends none.
    desk.add(Some(4), "mail=victim@example.org", &By::STAFF).expect("done");
    desk.set(2, "on=no", &HOLDER).expect("done");
    desk.now = desk.now.plus_ms(86_400_000);
    asked(&mut desk, 3, "victim@example.org").expect("done");
    // One account.
    for n in 0..9 {
        asked(&mut desk, 3, &format!("someone{n}@example.org")).expect("done");
    }
    let eleventh = asked(&mut desk, 3, "another@example.org");
    assert!(eleventh.as_ref().is_err_and(|why| why.starts_with("10 codes")), "{eleventh:?}");
    asked(&mut desk, 5, "another@example.org").expect("done");
}
