//! Contacts and alerts: both backends answer alike, whatever was written; the history of contacts is chained.

use std::collections::BTreeSet;

use store::{AlertFilter, AlertReader, Backend, Break, ChainQuestion, MemoryStore, SqliteStore};
use types::*;

use crate::samples::*;

fn contact(id: u32, account: Option<u32>, offset: i64) -> Contact {
    Contact {
        id: ContactId(id),
        account: account.map(AccountId),
        name: "Alice — “home”".to_owned(),
        channel: Channel::Mail { address: format!("alice{offset}@example.com") },
        classes: BTreeSet::from([EventClass::Money, EventClass::Devices]),
        is_on: true,
        quiet: "22:00-07:00".parse().ok(),
        order: 0,
        wait_ms: 0,
        confirmed: Some(at(0)),
        since: at(offset),
        secret_version: 0,
        is_removed: false,
        at: at(offset),
        by: By::STAFF,
        why: String::new(),
    }
}

fn alert(fact: u64, entry: u64, state: AlertState) -> Alert {
    Alert {
        id: AlertId { fact, entry },
        account: (!entry.is_multiple_of(3)).then_some(AccountId(entry as u32 % 3)),
        contact: ContactId(entry as u32 % 4),
        class: EventClass::ALL[fact as usize % 5],
        severity: Severity::Important,
        made: at(fact as i64),
        order: 0,
        wait_ms: 60_000,
        state,
        tries: fact as u32 % 3,
        trouble: String::new(),
        members: vec![AlertId { fact: 1, entry: 2 }],
    }
}

fn states(at: UnixMicros) -> [AlertState; 8] {
    let leader = AlertId { fact: 1, entry: 1 };
    [
        AlertState::Waiting { until: at },
        AlertState::Gathering { until: at },
        AlertState::Due { at },
        AlertState::Digested { leader },
        AlertState::Delivered { at },
        AlertState::Acknowledged { at, by: By::STAFF },
        AlertState::GivenUp { at },
        AlertState::NotNeeded,
    ]
}

fn record(dice: &mut Dice) -> Record {
    let offset = dice.below(50) as i64;
    match dice.below(6) {
        0 | 1 => {
            let id = dice.below(6) as u32 + 1;
            // A contact is of one owner, all its life.
            let account = (!id.is_multiple_of(3)).then_some(id % 3);
            let is_removed = dice.chance(200);
            Record::Contact(Box::new(Contact { is_removed, ..contact(id, account, offset) }))
        }
        2..=3 => {
            let state = states(at(offset))[dice.below(8) as usize].clone();
            Record::Alert(Box::new(alert(dice.below(9) + 1, dice.below(5) + 1, state)))
        }
        4 => Record::AlertMark(offset.cast_unsigned()),
        _ => Record::Fact(at(offset), Fact::Started { recovered: 1 }),
    }
}

/// Every answer there is.
fn answers(store: &dyn AlertReader) -> Vec<String> {
    let mut all = vec![
        format!("{:?}", store.facts_after(3, 4).unwrap()),
        format!("{:?}", store.fact(2).unwrap()),
        format!("{:?}", store.alert_mark().unwrap()),
        format!("{:?}", store.all_contacts().unwrap()),
        format!("{:?}", store.due_alerts(at(25), 7).unwrap()),
        format!("{:?}", store.next_due().unwrap()),
        format!("{:?}", store.alert_counts().unwrap()),
    ];
    for n in 0..7_u32 {
        let account = (n > 0).then_some(AccountId(n));
        let filter = |undelivered| AlertFilter { account: Some(account), undelivered, limit: 5 };
        let (contact, entry) = (ContactId(n), u64::from(n));
        let class = EventClass::ALL[n as usize % 5];
        all.extend([
            format!("{:?}", store.contacts(account).unwrap()),
            format!("{:?}", store.contacts_at(account, at(20)).unwrap()),
            format!("{:?}", store.contact_history(contact).unwrap()),
            format!("{:?}", store.contact_entry(entry).unwrap()),
            format!("{:?}", store.contact_entries_since(at(i64::from(n) * 3)).unwrap()),
            format!("{:?}", store.alerts(&filter(false)).unwrap()),
            format!("{:?}", store.alerts(&filter(true)).unwrap()),
            format!("{:?}", store.alert(AlertId { fact: 2, entry }).unwrap()),
            format!("{:?}", store.alerts_of(entry).unwrap()),
            format!("{:?}", store.recent_alerts(contact, class, at(3), 4).unwrap()),
            format!("{:?}", store.gathering(entry, class, 4).unwrap()),
        ]);
    }
    all
}

#[test]
fn sqlite_answers_like_memory() {
    let mut told = 0;
    for seed in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let mut sqlite = SqliteStore::open(directory.path().join("rf.db"), options()).unwrap();
        let mut memory = MemoryStore::new();
        let mut dice = Dice::simulated(seed, 0);
        for _ in 0..15 {
            let records: Vec<Record> = (0..=dice.below(6)).map(|_| record(&mut dice)).collect();
            put(&mut memory, records.clone());
            put(&mut sqlite, records);
        }
        let (here, there) = (answers(&memory), answers(&sqlite));
        for (at, (here, there)) in here.iter().zip(&there).enumerate() {
            assert!(here == there, "seed {seed}, answer {at}");
        }
        told += here.iter().filter(|answer| answer.len() > 10).count();
        for store in [&memory as &dyn Backend, &sqlite] {
            assert_eq!(walked(store).breaks, [], "seed {seed}");
        }
    }
    assert!(told > 600, "{told} answers said something");
}

/// An alert that is told again stands as it was told last; an entry stays as it was.
#[test]
fn alerts_are_replaced_and_entries_are_not() {
    let mut store = MemoryStore::new();
    let due = alert(1, 1, AlertState::Due { at: at(1) });
    let done = Alert { state: AlertState::Delivered { at: at(2) }, ..due.clone() };
    let first = contact(1, Some(1), 1);
    let other = Contact { name: "Mallory".to_owned(), ..first.clone() };
    let boxed = |contact: &Contact| Record::Contact(Box::new(contact.clone()));
    put(&mut store, vec![boxed(&first), Record::Alert(Box::new(due))]);
    put(&mut store, vec![boxed(&other), Record::Alert(Box::new(done.clone()))]);
    assert_eq!(store.alert(done.id).unwrap(), Some(done));
    assert_eq!(store.contact_entry(1).unwrap().unwrap().contact, first);
    assert_eq!(store.contact_entry(2).unwrap(), None);
}

#[test]
fn who_was_told_cannot_be_changed_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    let entries = [contact(1, Some(1), 1), contact(1, Some(1), 2), contact(2, None, 3)];
    put(&mut store, entries.map(|one| Record::Contact(Box::new(one))).to_vec());
    drop(store);
    let check = |sql: &str, want: &str| {
        let changed = directory.path().join("changed.db");
        std::fs::copy(&path, &changed).unwrap();
        let conn = rusqlite::Connection::open(&changed).unwrap();
        conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        drop(conn);
        let store = SqliteStore::open(&changed, options()).unwrap();
        let report = store::Reader::verify_chain(&store, &ChainQuestion::default(), &mut |_, _| {});
        let told: Vec<String> = report.unwrap().breaks.iter().map(Break::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(want), "{sql}: {told:?}");
    };
    let entry = "entry 2 of the history of contacts";
    let moved =
        "UPDATE contact_history SET detail = replace(detail, 'alice2', 'mallory') WHERE seq = 2";
    check(moved, &format!("{entry}: channel differs"));
    check("UPDATE contact_history SET account = NULL WHERE seq = 2", entry);
    check("UPDATE contact_history SET contact = 7 WHERE seq = 2", entry);
    check("UPDATE contact_history SET at = at + 1 WHERE seq = 2", entry);
    check("DELETE FROM contact_history WHERE seq = 2", entry);
    let more = "INSERT INTO contact_history SELECT 4, 9, account, at, detail FROM contact_history WHERE seq = 2";
    check(more, "entry 4 of the history of contacts");
}
