//! Secrets at rest: nothing of them on the disk, nothing opens elsewhere, keys come and go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::seal::{Keys, Sealer};
use store::{
    Backend, Journal, OpenOptions, Problem, Reader, SqliteStore, StoreError, Unopened, WhatSealed,
};
use types::*;

use crate::samples::*;

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    Place { directory, path }
}

fn with(keys: &[u8]) -> OpenOptions {
    OpenOptions { sealer: Some(sealer_with(keys)), ..OpenOptions::default() }
}

fn two_lines() -> [Line; 2] {
    [
        Line { former: former(&[20, 30]), ..line(1, 1, "alice") },
        Line { former: former(&[40]), ..line(2, 2, "bob") },
    ]
}

fn filled(place: &Place) -> SqliteStore {
    let mut store = SqliteStore::open(&place.path, options()).unwrap();
    let lines = two_lines().map(|line| Record::Line(Box::new(line)));
    put(&mut store, lines.into_iter().chain([Record::Trunk(Box::new(trunk(1)))]).collect());
    store
}

/// All forms in which a secret could lie in a file.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = secret.iter().map(u8::to_string).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
    let (upper, decimal) = (hex.to_uppercase(), decimal.join(","));
    vec![secret.to_vec(), hex.into(), upper.into(), decimal.into(), base64.into()]
}

/// The files of a directory that hold one of the secrets.
fn leaks(directory: &Path, secrets: &[Vec<u8>]) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let mut forms = secrets.iter().flat_map(|secret| forms(secret));
        forms.any(|form| bytes.windows(form.len()).any(|window| window == form))
    };
    files.filter(holds).collect()
}

fn secrets_of(lines: &[Line], trunk: &Trunk) -> Vec<Vec<u8>> {
    let ha1s = lines
        .iter()
        .flat_map(|line| std::iter::once(&line.ha1).chain(line.former.iter().map(|f| &f.ha1)));
    let verifiers = ha1s.flat_map(|ha1| [ha1.md5.to_vec(), ha1.sha256.to_vec()]);
    verifiers.chain(trunk.auth.iter().map(|auth| auth.secret.clone().into_bytes())).collect()
}

#[test]
fn no_secret_lies_in_a_file() {
    let place = place();
    let mut store = filled(&place);
    let changed = Line { former: former(&[60]), ..line(1, 1, "alice") };
    put(&mut store, vec![Record::Line(Box::new(changed.clone()))]);
    let mut journal =
        Journal::open(place.directory.path().join("rf.journal"), Some(sealer())).unwrap();
    let records = [Record::Line(Box::new(changed.clone())), Record::Trunk(Box::new(trunk(1)))];
    journal.append(&records).unwrap();
    journal.set_aside(&records, "a test").unwrap();
    let lines = [two_lines().to_vec(), vec![changed]].concat();
    let secrets = secrets_of(&lines, &trunk(1));
    assert_eq!(secrets.len(), 15);
    assert_eq!(leaks(place.directory.path(), &secrets), Vec::<PathBuf>::new());
    // The search finds what is there.
    for form in forms(&secrets[0]) {
        let planted = place.directory.path().join("planted");
        fs::write(&planted, [b"before".as_slice(), &form, b"after"].concat()).unwrap();
        assert_eq!(leaks(place.directory.path(), &secrets), [planted]);
    }
    // What was sealed in the journal comes back.
    assert_eq!(journal.contents().unwrap().frames, [records.to_vec()]);
}

#[test]
fn what_was_moved_or_changed_puts_its_line_out_of_use_and_no_other() {
    fn check(sql: &str, broken: &[u32]) {
        let place = place();
        drop(filled(&place));
        let other = rusqlite::Connection::open(&place.path).unwrap();
        other.execute_batch(sql).unwrap();
        drop(other);
        let store = SqliteStore::open(&place.path, options()).unwrap();
        let snapshot = store.snapshot(ALL_TIME).unwrap();
        for (line, before) in snapshot.lines.iter().zip(two_lines()) {
            let is_broken = broken.contains(&line.id.0);
            let verifiers = |line: &Line| {
                let former = line.former.iter().map(|former| former.ha1.clone());
                [line.ha1.clone()].into_iter().chain(former).collect::<Vec<_>>()
            };
            if is_broken {
                assert_eq!(line.status, LineStatus::Disabled, "{sql}");
                let known = two_lines().map(|line| verifiers(&line)).concat();
                let zero = types::account::Ha1 { md5: [0; 16], sha256: [0; 32] };
                assert!(verifiers(line).iter().all(|ha1| !known.contains(ha1) && *ha1 != zero));
                assert_eq!(line.former, [], "{sql}");
            } else {
                assert_eq!(*line, before, "{sql}");
            }
        }
        let report = store.sealing().unwrap();
        let named: Vec<u32> = report
            .unopened
            .iter()
            .map(|unopened| match &unopened.what {
                WhatSealed::Line(id, _) => id.0,
                WhatSealed::Trunk(..) | WhatSealed::WebUser(..) => panic!("{sql}: {unopened:?}"),
            })
            .collect();
        assert_eq!(named, broken, "{sql}");
        let problems = store.verify().unwrap().problems;
        assert_eq!(problems.len(), broken.len());
        for problem in problems {
            let text = problem.to_string();
            assert!(
                text.starts_with("the secret of line ") && text.contains("out of use"),
                "{text}"
            );
        }
    }
    check("", &[]);
    // Rows.
    let swap = |column: &str| {
        format!(
            "CREATE TEMP TABLE s AS SELECT id, {column} AS v FROM line; \
             UPDATE line SET {column} = (SELECT v FROM s WHERE s.id = 3 - line.id)"
        )
    };
    check(&swap("ha1_md5"), &[1, 2]);
    check(&swap("ha1_sha256"), &[1, 2]);
    check(&swap("former"), &[1, 2]);
    check("UPDATE line SET ha1_md5 = (SELECT ha1_md5 FROM line WHERE id = 1) WHERE id = 2", &[2]);
    // Another account, another id.
    check("UPDATE line SET account = 2 WHERE id = 1", &[1]);
    // Columns: the algorithms, and the current secret against a former one.
    check("UPDATE line SET ha1_md5 = ha1_sha256 WHERE id = 1", &[1]);
    check("UPDATE line SET ha1_sha256 = ha1_md5 WHERE id = 1", &[1]);
    check(
        "UPDATE line SET former = json_array(json(former -> 1), json(former -> 0)) WHERE id = 1",
        &[1],
    );
    check(
        "UPDATE line SET former = json_set(former, '$[0].md5', former ->> '$[1].md5') WHERE id = 1",
        &[1],
    );
    // Damage.
    check("UPDATE line SET ha1_md5 = x'' WHERE id = 2", &[2]);
    check("UPDATE line SET ha1_md5 = substr(ha1_md5, 1, 47) WHERE id = 2", &[2]);
    check("UPDATE line SET former = json_set(former, '$[0].md5', '!') WHERE id = 2", &[2]);
}

/// The verifier of the secret in force, put where a former one should be.
#[test]
fn a_current_verifier_is_no_former_one() {
    use base64::Engine as _;
    let place = place();
    drop(filled(&place));
    let other = rusqlite::Connection::open(&place.path).unwrap();
    let current: Vec<u8> =
        other.query_row("SELECT ha1_md5 FROM line WHERE id = 1", [], |row| row.get(0)).unwrap();
    let current = base64::engine::general_purpose::STANDARD.encode(current);
    let sql = "UPDATE line SET former = json_set(former, '$[0].md5', $1) WHERE id = 1";
    assert_eq!(other.execute(sql, [current]).unwrap(), 1);
    let store = SqliteStore::open(&place.path, options()).unwrap();
    assert_eq!(store.snapshot(ALL_TIME).unwrap().lines[0].status, LineStatus::Disabled);
}

#[test]
fn a_trunk_whose_secret_does_not_open_is_out_of_use() {
    let place = place();
    let mut store = filled(&place);
    put(&mut store, vec![Record::Trunk(Box::new(trunk(2)))]);
    let other = rusqlite::Connection::open(&place.path).unwrap();
    other
        .execute_batch(
            "UPDATE trunk SET auth_secret = (SELECT auth_secret FROM trunk WHERE id = 1)",
        )
        .unwrap();
    let trunks = store.snapshot(ALL_TIME).unwrap().trunks;
    assert_eq!(trunks[0], trunk(1));
    let auth = trunks[1].auth.clone().unwrap();
    assert_eq!((trunks[1].enabled, auth.secret.as_str()), (false, ""));
    let what = WhatSealed::Trunk(TrunkId(2), trunk(2).name);
    let report = store.sealing().unwrap().unopened;
    assert_eq!(report.iter().map(|one| &one.what).collect::<Vec<_>>(), [&what]);
}

#[test]
fn a_wrong_key_or_realm_is_refused_at_the_door() {
    fn check(sealer: Arc<Sealer>, want: Result<(), &str>) {
        for read_only in [false, true] {
            let place = place();
            drop(filled(&place));
            let options = OpenOptions {
                sealer: Some(Arc::clone(&sealer)),
                read_only,
                ..OpenOptions::default()
            };
            match (SqliteStore::open(&place.path, options), want) {
                (Ok(_), Ok(())) => {}
                (Err(error @ StoreError::WrongKey { .. }), Err(want)) => {
                    let text = error.to_string();
                    assert!(text.contains(want), "{text}");
                }
                (got, want) => panic!("{got:?}, not {want:?}"),
            }
        }
    }
    let of = |realm: &str, keys: Keys| Arc::new(Sealer::new(realm, "the key file", keys));
    let keys = |bytes: &[u8]| Keys::clone(&sealer_with(bytes).keys());
    check(sealer(), Ok(()));
    check(sealer_with(&[9, 7]), Ok(()));
    check(sealer_with(&[9]), Err("which is not in the key file: put the key file"));
    check(of("other.example", keys(&[7])), Err("was node.realm changed?"));
}

#[test]
fn without_a_key_lists_are_read_and_nothing_else() {
    let place = place();
    drop(filled(&place));
    let read = OpenOptions { read_only: true, ..OpenOptions::default() };
    let reader = SqliteStore::open(&place.path, read).unwrap();
    let (got, want) = (reader.lines(None).unwrap(), two_lines());
    for (got, want) in got.iter().zip(&want) {
        assert_ne!(got.ha1, want.ha1);
        assert_eq!((&got.user, got.status, got.account), (&want.user, want.status, want.account));
    }
    let no_key = |error: StoreError| assert!(matches!(error, StoreError::NoKey { .. }), "{error}");
    no_key(reader.snapshot(ALL_TIME).unwrap_err());
    no_key(reader.sealing().unwrap_err());
    drop(reader);
    let mut writer = SqliteStore::open(&place.path, OpenOptions::default()).unwrap();
    let line = Record::Line(Box::new(line(3, 1, "carol")));
    let error = writer.commit(&[batch(1, vec![line.clone()])]).unwrap_err();
    no_key(error.cause().clone());
    put(&mut writer, vec![Record::Alive(at(1))]);
    let mut journal = Journal::open(place.directory.path().join("rf.journal"), None).unwrap();
    no_key(journal.append(&[line]).unwrap_err());
    journal.append(&[Record::Alive(at(1))]).unwrap();
}

/// A key is exchanged row by row; with both keys everything opens at each step.
#[test]
fn rows_are_sealed_anew_one_by_one() {
    let place = place();
    let mut store = filled(&place);
    let both = sealer_with(&[8, 7]);
    let id = |byte: u8| sealer_with(&[byte]).keys().newest().id();
    drop(store);
    store = SqliteStore::open(
        &place.path,
        OpenOptions { sealer: Some(Arc::clone(&both)), ..OpenOptions::default() },
    )
    .unwrap();
    let [alice, bob] = two_lines();
    let [one, two] = [
        WhatSealed::Line(LineId(1), alice.user.clone()),
        WhatSealed::Line(LineId(2), bob.user.clone()),
    ];
    let carrier = WhatSealed::Trunk(TrunkId(1), trunk(1).name);
    let sealing = store.sealing().unwrap();
    assert_eq!((sealing.rows, sealing.keys), (3, vec![(id(7), 3)]));
    assert_eq!(sealing.old, [one, two.clone(), carrier]);
    put(&mut store, vec![Record::Line(Box::new(alice)), Record::Trunk(Box::new(trunk(1)))]);
    let sealing = store.sealing().unwrap();
    assert_eq!(sealing.old, std::slice::from_ref(&two));
    assert_eq!(sealing.keys.iter().map(|(_, rows)| rows).sum::<u64>(), 3);
    assert_eq!(store.snapshot(ALL_TIME).unwrap().lines, two_lines());
    // Killed here: the new key alone opens the database, and says what is lost.
    drop(store);
    let early = SqliteStore::open(&place.path, with(&[8])).unwrap();
    let lines = early.snapshot(ALL_TIME).unwrap().lines;
    assert_eq!(
        lines.iter().map(|line| line.status).collect::<Vec<_>>(),
        [LineStatus::Active, LineStatus::Disabled]
    );
    let why = format!("it is sealed with key {}, which is not in the key file", id(7));
    assert_eq!(early.verify().unwrap().problems, [Problem::Unopened(Unopened { what: two, why })]);
    drop(early);
    // The old one alone is refused: what was sealed since would be lost.
    assert!(matches!(SqliteStore::open(&place.path, with(&[7])), Err(StoreError::WrongKey { .. })));
    let mut store = SqliteStore::open(&place.path, with(&[8, 7])).unwrap();
    put(&mut store, vec![Record::Line(Box::new(bob))]);
    drop(store);
    let store = SqliteStore::open(&place.path, with(&[8])).unwrap();
    assert_eq!(store.snapshot(ALL_TIME).unwrap().lines, two_lines());
    let sealing = store.sealing().unwrap();
    assert_eq!((sealing.keys, sealing.old), (vec![(id(8), 3)], vec![]));
    assert_eq!(SqliteStore::last_key(&place.path).unwrap(), Some(id(8)));
}

#[test]
fn a_journal_frame_of_another_key_is_named() {
    let place = place();
    let path = place.directory.path().join("rf.journal");
    let mut journal = Journal::open(&path, Some(sealer())).unwrap();
    journal.append(&[Record::Line(Box::new(line(1, 1, "alice")))]).unwrap();
    for other in [None, Some(sealer_with(&[9]))] {
        let error = Journal::open(&path, other).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("the frame at byte 0"), "{error}");
    }
}

#[test]
fn columns_that_say_something_else_are_named() {
    fn check(record: Record, sql: &str, table: &str) {
        let place = place();
        let mut store = SqliteStore::open(&place.path, options()).unwrap();
        put(&mut store, vec![record]);
        assert_eq!(store.verify().unwrap().problems, []);
        rusqlite::Connection::open(&place.path).unwrap().execute_batch(sql).unwrap();
        match &store.verify().unwrap().problems[..] {
            [Problem::MixedUp { table: found, .. }] => assert_eq!(*found, table),
            other => panic!("{sql}: {other:?}"),
        }
    }
    let record = || Record::Device(Box::new(device(1, 1)));
    check(record(), "UPDATE device SET account = 2", "device");
    check(record(), "UPDATE device SET state = 'known'", "device");
    let [scope, ..] = lock_scopes();
    let lock = lock_out(scope, at(HOUR));
    check(Record::LockOut(Box::new(lock)), "UPDATE lock_out SET until = 5", "lock_out");
    let ban = ban("192.0.2.0/24", None);
    check(Record::Ban(Box::new(ban)), "UPDATE ban SET until = 5", "ban");
}
