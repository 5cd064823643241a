//! Web users: kept alike by every store, their secret sealed, each column watched.

use std::fs;

use rusqlite::Connection;
use store::{
    Backend, ChainQuestion, Journal, MemoryStore, OpenOptions, Reader, SqliteStore, WhatSealed,
};
use types::*;

use crate::samples::*;

const SECRET: &[u8] = b"a secret of twenty b";

fn user(id: u32, account: u32, name: &str) -> WebUser {
    WebUser {
        id: WebUserId(id),
        account: AccountId(account),
        name: name.to_owned(),
        password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
        password_since: Some(at(2)),
        link: Some(OneTimeLink { hash: "00ff".to_owned(), until: at(9) }),
        totp: Some(TotpSecret(SECRET.to_vec())),
        totp_step: 7,
        recovery: vec!["aa".to_owned(), "bb".to_owned()],
        created: at(1),
        last_seen: None,
        sessions: vec![KeptSession {
            hash: "11ff".to_owned(),
            since: at(3),
            seen: at(4),
            source: [192, 0, 2, 7].into(),
            agent: "a browser".to_owned(),
        }],
        browsers: vec![KnownBrowser { hash: "22ff".to_owned(), seen: at(3) }],
        tokens: vec![ApiToken {
            number: 2,
            name: "backup".to_owned(),
            hash: "33ff".to_owned(),
            scopes: vec![TokenScope::Read, TokenScope::Stop],
            created: at(3),
            until: at(9),
            used: Some((at(4), [192, 0, 2, 8].into())),
        }],
        tokens_made: 2,
        is_removed: false,
    }
}

fn record(user: &WebUser) -> Record {
    Record::WebUser(Box::new(user.clone()))
}

#[test]
fn they_are_found_by_account_name_and_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let (mut memory, mut sqlite) =
        (MemoryStore::new(), SqliteStore::open(path, options()).unwrap());
    for store in [&mut memory as &mut dyn Backend, &mut sqlite] {
        let [alice, bob] = [user(1, 1, "alice@example.com"), user(2, 2, "bob@example.com")];
        put(store, vec![record(&bob), record(&alice)]);
        assert_eq!(store.web_users(None).unwrap(), [alice.clone(), bob.clone()]);
        assert_eq!(store.web_users(Some(AccountId(2))).unwrap(), std::slice::from_ref(&bob));
        assert_eq!(store.web_user("alice@example.com").unwrap(), Some(alice.clone()));
        assert_eq!(store.web_user("nobody@example.com").unwrap(), None);
        assert_eq!(store.web_user_of_id(WebUserId(2)).unwrap(), Some(bob));
        assert_eq!(store.web_user_of_id(WebUserId(3)).unwrap(), None);
        // A name may be given again once its user is removed.
        let gone = WebUser { is_removed: true, totp: None, ..alice };
        let again = user(3, 2, "alice@example.com");
        put(store, vec![record(&gone)]);
        assert_eq!(store.web_user("alice@example.com").unwrap(), None);
        put(store, vec![record(&again)]);
        assert_eq!(store.web_user("alice@example.com").unwrap(), Some(again));
        assert_eq!(store.web_user_of_id(WebUserId(1)).unwrap(), Some(gone));
        assert_eq!(walked(store).breaks, []);
    }
}

/// Replaced by the same key, counted by account and time, forgotten in time; the record of decisions does not know them.
#[test]
fn answers_are_kept_by_user_token_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let (mut memory, mut sqlite) =
        (MemoryStore::new(), SqliteStore::open(path, options()).unwrap());
    for store in [&mut memory as &mut dyn Backend, &mut sqlite] {
        let kept = |user: u32, token: u32, key: &str, offset: i64| KeptAnswer {
            account: AccountId(user % 2),
            user: WebUserId(user),
            token,
            key: key.to_owned(),
            fingerprint: "00ff".to_owned(),
            at: at(offset),
            answer: None,
        };
        let answered = |kept: &KeptAnswer| KeptAnswer {
            answer: Some(Answered {
                status: 200,
                kind: "application/json".to_owned(),
                body: "{\"a\":\"ä\"}".to_owned(),
            }),
            ..kept.clone()
        };
        let record = |kept: &KeptAnswer| Record::KeptAnswer(Box::new(kept.clone()));
        let all = [kept(1, 1, "a", 5), kept(1, 1, "b", 6), kept(1, 2, "a", 7), kept(2, 1, "a", 8)];
        put(store, all.iter().map(record).collect());
        for one in &all {
            let found = store.kept_answer(one.user, one.token, &one.key).unwrap();
            assert_eq!(found.as_ref(), Some(one));
        }
        assert_eq!(store.kept_answer(WebUserId(1), 1, "A").unwrap(), None);
        assert_eq!(store.kept_answer(WebUserId(3), 1, "a").unwrap(), None);
        put(store, vec![record(&answered(&all[0]))]);
        let found = store.kept_answer(WebUserId(1), 1, "a").unwrap();
        assert_eq!(found, Some(answered(&all[0])));
        let count =
            |store: &dyn Backend, offset| store.kept_answers(AccountId(1), at(offset)).unwrap();
        assert_eq!([count(store, 0), count(store, 6), count(store, 8)], [3, 2, 0]);
        put(store, vec![Record::KeptAnswersGone(at(7))]);
        assert_eq!(count(store, 0), 1);
        assert_eq!(store.kept_answer(WebUserId(1), 1, "b").unwrap(), None);
        assert!(store.kept_answer(WebUserId(1), 2, "a").unwrap().is_some());
        assert_eq!(walked(store).breaks, []);
    }
}

#[test]
fn the_authenticator_s_secret_lies_in_no_file_and_follows_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let with = |keys: &[u8]| {
        let sealer = Some(sealer_with(keys));
        SqliteStore::open(&path, OpenOptions { sealer, ..OpenOptions::default() }).unwrap()
    };
    let alice = user(1, 1, "alice@example.com");
    let mut store = with(&[7]);
    put(&mut store, vec![record(&alice)]);
    let mut journal = Journal::open(directory.path().join("rf.journal"), Some(sealer())).unwrap();
    journal.append(&[record(&alice)]).unwrap();
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        let decimal: Vec<String> = SECRET.iter().map(u8::to_string).collect();
        for form in [SECRET, decimal.join(",").as_bytes()] {
            let is_there = bytes.windows(form.len()).any(|window| window == form);
            assert!(!is_there, "{}", file.display());
        }
    }
    drop(store);
    let mut store = with(&[8, 7]);
    let what = WhatSealed::WebUser(WebUserId(1), alice.name.clone());
    assert_eq!(store.sealing().unwrap().old, std::slice::from_ref(&what));
    drop(store);
    // Killed here, and the old key thrown away: he is named, and nobody signs in as him with a password.
    let early = with_lost(&path);
    let found = early.web_user("alice@example.com").unwrap().unwrap();
    assert_eq!((found.totp, found.password), (None, None));
    assert_eq!(early.sealing().unwrap().unopened[0].what, what);
    drop(early);
    store = with(&[8, 7]);
    put(&mut store, vec![record(&alice)]);
    assert_eq!(store.sealing().unwrap().old, []);
    drop(store);
    assert_eq!(with(&[8]).web_user("alice@example.com").unwrap(), Some(alice));
}

/// Opened with a key that proves itself and did not seal the user.
fn with_lost(path: &std::path::Path) -> SqliteStore {
    let sealer = Some(sealer_with(&[8, 7]));
    let mut store =
        SqliteStore::open(path, OpenOptions { sealer, ..OpenOptions::default() }).unwrap();
    put(&mut store, vec![Record::Line(Box::new(line(1, 1, "alice")))]);
    drop(store);
    let sealer = Some(sealer_with(&[8]));
    SqliteStore::open(path, OpenOptions { sealer, ..OpenOptions::default() }).unwrap()
}

#[test]
fn who_edits_them_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, vec![record(&user(1, 1, "alice@example.com"))]);
    drop(store);
    let check = |sql: &str, want: &str| {
        let changed = directory.path().join("changed.db");
        fs::copy(&path, &changed).unwrap();
        let conn = Connection::open(&changed).unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);
        let read = OpenOptions { read_only: true, ..options() };
        let store = SqliteStore::open(&changed, read).unwrap();
        let report = store.verify_chain(&ChainQuestion::default(), &mut |_, _| {}).unwrap();
        let told: Vec<String> = report.breaks.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(want), "{sql}: {told:?}");
    };
    let edit = |from: &str, to: &str| {
        format!("UPDATE web_user SET detail = replace(detail, '{from}', '{to}')")
    };
    check(&edit("aGFzaA", "b3RoZXI"), "web user 1: password differs");
    check(&edit("00ff", "00fe"), "web user 1: link differs");
    check(&edit("\"bb\"", "\"cc\""), "web user 1: recovery differs");
    check("UPDATE web_user SET totp = zeroblob(length(totp))", "web user 1: secret differs");
    check("UPDATE web_user SET totp = NULL", "web user 1 differs from what was recorded");
    for column in ["account = 2", "name = 'x'", "is_removed = 1"] {
        check(
            &format!("UPDATE web_user SET {column}"),
            "web user 1, recorded at link 1, cannot be read",
        );
    }
    check("DELETE FROM web_user", "web user 1, recorded at link 1, is gone");
    check(
        "INSERT INTO web_user SELECT 2, account, 'y', 0, totp, replace(replace(detail, '\"id\":1', '\"id\":2'), 'alice@example.com', 'y') FROM web_user",
        "web user 2 is on no link",
    );
}
