//! The links of the chain themselves, changed, moved or cut off. Lives here: who touches them is found. Never here: rows.

use std::path::Path;

use store::chain::Span;
use store::*;
use types::*;

use super::{Evidence, breaks, story};
use crate::samples::*;

#[test]
fn who_touches_the_chain_itself_is_found() {
    let evidence = Evidence::new();
    let forged = |links: &str| format!("{links} changed, moved or forged: the key does not fit");
    for column in ["kind", "key", "part", "marks", "hash", "mac"] {
        for (seq, edit) in [
            (10, "CASE typeof(COL) WHEN 'integer' THEN COL + 1 ELSE zeroblob(length(COL)) END"),
            (10, "NULL"),
        ] {
            let edit = edit.replace("COL", column);
            let sql = format!("UPDATE OR IGNORE link SET {column} = {edit} WHERE seq = {seq}");
            let Some(told) = evidence.after(&sql) else { continue };
            assert!(told.iter().any(|told| told.contains(" 10 ")), "{sql}: {told:?}");
        }
    }
    evidence.check("UPDATE link SET body = zeroblob(32) WHERE seq = 1", &[&forged("link 1 was")]);
    evidence.check("UPDATE link SET body = NULL WHERE seq = 1", &[&forged("link 1 was")]);
    let told = evidence.after("UPDATE link SET key_id = 77 WHERE seq = 10").unwrap();
    assert_eq!(told, [forged("link 10 was")]);
    let told = evidence.after("UPDATE link SET key_id = NULL WHERE seq = 10").unwrap();
    let public = "link 10 was made without a key: anybody can make such links";
    assert_eq!(told, [forged("link 10 was"), public.to_owned()]);
    let told = evidence.after("UPDATE link SET mac = x'00' WHERE seq = 10").unwrap();
    assert!(told[0].starts_with("link 10 cannot be read: "), "{told:?}");
    evidence.check("DELETE FROM link WHERE seq BETWEEN 2 AND 3", &[
        "links 2 to 3 are gone",
        "line 1 is on no link: it was inserted by somebody else, or the end of the chain was cut off",
        "number +442079460000 is on no link: it was inserted by somebody else, or the end of the chain was cut off",
    ]);
    // The last number that there is: the walk comes to an end.
    let told = evidence
        .after(
            "INSERT INTO link SELECT 9223372036854775807, key_id, kind, key, part, body, marks, hash, mac \
             FROM link WHERE seq = 17",
        )
        .unwrap();
    assert_eq!(told[0], "links 18 to 9223372036854775806 are gone", "{told:?}");
    // Two links change places: the two, and the one behind them.
    let swap = "UPDATE link SET seq = 99 WHERE seq = 8; UPDATE link SET seq = 8 WHERE seq = 9; \
                UPDATE link SET seq = 9 WHERE seq = 99";
    evidence.check(swap, &[&forged("links 8 to 10 were")]);
    // So do their contents, not their numbers.
    let told = evidence.after(
        "UPDATE link SET (hash, mac) = (SELECT hash, mac FROM link WHERE seq = 9) WHERE seq = 8",
    );
    assert_eq!(told.unwrap(), [forged("links 8 to 9 were")]);
}

/// Where the end is cut off, rows included, only an anchor shows it; without the rows, they show it themselves.
#[test]
fn an_end_that_was_cut_off_is_found() {
    let evidence = Evidence::new();
    let three = decision(3);
    let stranger = |what: String| {
        format!(
            "{what} is on no link: it was inserted by somebody else, or the end of the chain was cut off"
        )
    };
    evidence.check(
        "DELETE FROM link WHERE seq > 14",
        &[
            &stranger(format!("call {three}")),
            &stranger(format!("charge of call {three}")),
            &stranger(format!("cost of call {three}")),
        ],
    );
    let sql = format!(
        "DELETE FROM link WHERE seq > 14; DELETE FROM cdr WHERE decision = {0}; \
         DELETE FROM transfer WHERE decision = {0}",
        three.0
    );
    evidence.check(&sql, &[]);
    let changed = evidence.directory.path().join("changed.db");
    let since = ChainQuestion { since: Some(evidence.anchor), ..ChainQuestion::default() };
    let cut = "the chain ends with link 14, before the anchor at link 17: its end was cut off";
    assert_eq!(breaks(&changed, since), [cut]);
    assert_eq!(breaks(&evidence.path(), since), [""; 0]);
}

/// Who has the program but not the key makes a chain of his own: cheaper calls, all links new.
#[test]
fn a_chain_made_without_the_key_is_found() {
    let evidence = Evidence::new();
    let cheaper = || {
        story().into_iter().map(|mut records| {
            for record in &mut records {
                if let Record::Cdr(cdr) = record {
                    cdr.price = Money::ZERO;
                }
            }
            records
        })
    };
    let forge = |name: &str, sealer: Option<std::sync::Arc<Sealer>>| {
        let path = evidence.directory.path().join(name);
        let mut store =
            SqliteStore::open(&path, OpenOptions { sealer, ..OpenOptions::default() }).unwrap();
        let can_seal = name != "public.db";
        for records in cheaper() {
            let kept = records
                .into_iter()
                .filter(|record| can_seal || !matches!(record, Record::Line(_) | Record::Trunk(_)));
            put(&mut store, kept.collect());
        }
        path
    };
    let all = ChainQuestion::default();
    // The sealed rows open with our key only, so that such a database is not even opened with it.
    let foreign = forge("foreign.db", Some(sealer_with(&[9])));
    let error =
        SqliteStore::open(&foreign, OpenOptions { read_only: true, ..options() }).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    let graft = |from: &Path| {
        // His chain and calls, in our database: rows with secrets stay ours.
        format!(
            "ATTACH '{}' AS his; DELETE FROM link; INSERT INTO link SELECT * FROM his.link; \
             DELETE FROM cdr; INSERT INTO cdr SELECT * FROM his.cdr;",
            from.display()
        )
    };
    let told = evidence.after(&graft(&foreign)).unwrap();
    let his = sealer_with(&[9]).keys().newest().id();
    let unproven = Break::Unproven(Span { first: 1, last: 17 }, his).to_string();
    assert!(told.contains(&unproven), "{told:?}");
    let ours = sealer().keys().newest().id().number();
    let relabelled = format!("{} UPDATE link SET key_id = {ours};", graft(&foreign));
    let told = evidence.after(&relabelled).unwrap();
    let forged = "links 1 to 17 were changed, moved or forged: the key does not fit";
    assert!(told.contains(&forged.to_owned()), "{told:?}");
    let told = evidence.after(&graft(&forge("public.db", None))).unwrap();
    assert!(told.iter().any(|told| told.contains("made without a key")), "{told:?}");
    // And an anchor sees all of it, key or no key.
    let since = ChainQuestion { since: Some(evidence.anchor), ..all };
    let changed = evidence.directory.path().join("changed.db");
    let other = Break::CutOff { anchor: 17, head: 15 }.to_string();
    assert!(breaks(&changed, since).contains(&other));
}
