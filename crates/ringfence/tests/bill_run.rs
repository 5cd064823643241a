//! The bill run at its size: killed in the middle and gone on with, everybody gets the bill that he would have got
//! from one that was not. Lives here: the accounts, the kill. Never here: what is on a bill (billing).
//!
//! A debug build bills fewer accounts; the release build of `cargo xtask test --tier release` bills 100,000, and
//! prints time, CPU and memory.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::Sandbox;
use store::{Backend, Batch, BillFilter, OpenOptions, Reader, SqliteStore, Synchronous};
use types::*;

const ACCOUNTS: u32 = if cfg!(debug_assertions) { 600 } else { 100_000 };
/// 2025-01-20T10:00:00Z.
const BEGIN: i64 = 1_737_367_200_000_000;
const MINUTE_US: i64 = 60_000_000;

/// Everything that is numbered by a decision, in the order of time.
struct Ids(DecisionId);

impl Ids {
    fn next(&mut self) -> DecisionId {
        self.0 = DecisionId::next(self.0, UnixMicros(BEGIN), 0);
        self.0
    }
}

/// A call of a minute or so, with what was posted for it.
fn call(ids: &mut Ids, account: u32, dice: &mut Dice) -> (DecisionId, Vec<Record>) {
    let decision = ids.next();
    let (prefix, minute) =
        [("33", 12_000), ("44", 10_000), ("53", 720_000)][dice.below(3) as usize];
    let seconds = 1 + dice.below(600) as i64;
    let rate = record_samples::rate(minute);
    let price = Money::from_micros((minute * seconds + 59) / 60);
    let cost = Money::from_micros(price.micros() / 2);
    let (number, talk_ms) = (format!("+{prefix}12345678"), seconds as u64 * 1_000);
    let sample = record_samples::call(AccountId(account), &number, decision.time(), talk_ms, rate);
    let records = record_samples::settled(Cdr { decision, price, cost, ..sample });
    (decision, records)
}

/// Something that people ordered; `decision`: of a call, or of its own.
fn posting(kind: TransferKind, decision: DecisionId, account: u32, amount: Money) -> Record {
    let (debit, credit) = kind.sides(Some(AccountId(account)), None).unwrap();
    let at = UnixMicros(decision.time().0 + MINUTE_US);
    let transfer = Transfer { decision, kind, debit, credit, amount, at };
    let reference = (kind == TransferKind::Payment).then(|| format!("FT{account}"));
    let (by, note) = ("eve".to_owned(), String::new());
    Record::Posting(Box::new(Posting {
        transfer,
        account: Some(AccountId(account)),
        reference,
        by,
        note,
    }))
}

/// What happened to an account in the month: calls; of some one was zero-rated, some paid, were given something, pay a
/// debt by instalments.
fn month(ids: &mut Ids, account: u32, dice: &mut Dice) -> Vec<Record> {
    let mut records = Vec::new();
    for at in 0..2 + dice.below(7) {
        let (decision, of_call) = call(ids, account, dice);
        let Some(Record::Cdr(cdr)) = of_call.last() else { panic!("the CDR is the last") };
        let price = cdr.price;
        records.extend(of_call);
        if at == 0 && dice.below(20) == 0 {
            records.push(posting(TransferKind::ZeroRating, decision, account, price));
        }
    }
    if dice.below(3) == 0 {
        let paid = Money::from_micros(1 + dice.below(20_000_000) as i64);
        records.push(posting(TransferKind::Payment, ids.next(), account, paid));
    }
    if dice.below(30) == 0 {
        let given = Money::from_micros(1 + dice.below(100_000) as i64);
        records.push(posting(TransferKind::Goodwill, ids.next(), account, given));
    }
    if dice.below(50) == 0 {
        let id = ids.next();
        let (total, part) = (Money::from_micros(2_000_000), Money::from_micros(1_000_000));
        let later = |days: i64| UnixMicros(id.time().0 + days * 1_440 * MINUTE_US);
        let part = |days| Instalment { decision: ids.next(), due: later(days), amount: part };
        let instalments = [5, 40].map(part).to_vec();
        let (by, note, at) = ("eve".to_owned(), "agreed".to_owned(), id.time());
        let account_id = AccountId(account);
        records.push(posting(TransferKind::Instalment, id, account, total));
        records.push(Record::Instalments(Box::new(InstalmentPlan {
            id,
            account: account_id,
            total,
            instalments,
            by,
            note,
            at,
        })));
    }
    records
}

/// A sandbox with a month's work of everybody; alice of [`Sandbox::settle`] is account 1.
fn settled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().unwrap());
    // Nothing is lost here but with the whole test.
    let options = OpenOptions { synchronous: Synchronous::Normal, ..OpenOptions::default() };
    let mut store = SqliteStore::open(database(&sandbox), options).unwrap();
    let (mut ids, mut dice) = (Ids(DecisionId(0)), Dice::simulated(2_025, 1));
    let all: Vec<u32> = (1..=ACCOUNTS).collect();
    for some in all.chunks(2_000) {
        let mut records = Vec::new();
        for &id in some {
            if id > 1 {
                records.push(Record::Account(Box::new(record_samples::account(id))));
            }
            records.extend(month(&mut ids, id, &mut dice));
        }
        store.commit(&[Batch { ticket: 0, records }]).unwrap();
    }
    assert_eq!(store.verify().unwrap().problems, []);
    sandbox
}

fn database(sandbox: &Sandbox) -> PathBuf {
    let mut files =
        std::fs::read_dir(sandbox.path("data")).unwrap().map(|file| file.unwrap().path());
    files.find(|path| path.extension().is_some_and(|end| end == "db")).unwrap()
}

fn read(path: &Path) -> SqliteStore {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    SqliteStore::open(path, options).unwrap()
}

/// All bills; those of two runs differ by when they were made only.
fn bills(path: &Path) -> Vec<Bill> {
    let all = BillFilter { limit: u32::MAX, ..BillFilter::default() };
    let bills = read(path).bills(&all).unwrap().into_iter();
    bills.map(|bill| Bill { made: UnixMicros(0), ..bill }).collect()
}

fn bill_run(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(&["bill", "run", "--until", "2025-02-01", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a process took: CPU seconds, and the most memory in KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    cpu_s: f64,
    peak_kib: u64,
}

/// Looks at a process until it ends.
fn watch(child: &mut Child) -> Took {
    let place = format!("/proc/{}", child.id());
    let mut took = Took::default();
    while child.try_wait().unwrap().is_none() {
        if let Some(now) = look(&place) {
            took = now;
        }
        pause();
    }
    took
}

fn look(place: &str) -> Option<Took> {
    let status = std::fs::read_to_string(format!("{place}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let stat = std::fs::read_to_string(format!("{place}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // User and system time, in hundredths of a second: proc(5).
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let peak_kib = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Took { cpu_s: ticks as f64 / 100.0, peak_kib })
}

#[expect(clippy::disallowed_methods, reason = "another process is looked at while it runs")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

#[test]
fn a_bill_run_that_is_killed_bills_the_same() {
    let sandbox = settled();
    let (path, kept) = (database(&sandbox), sandbox.path("kept.db"));
    std::fs::copy(&path, &kept).unwrap();

    let mut child = bill_run(&sandbox);
    let took = watch(&mut child);
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let want = bills(&path);
    assert_eq!(want.len(), ACCOUNTS as usize, "everybody called");
    println!(
        "{} bills: {:.1} s of CPU, {:.0} us each, at most {:.0} MiB",
        want.len(),
        took.cpu_s,
        took.cpu_s * 1e6 / want.len() as f64,
        took.peak_kib as f64 / 1_024.0
    );
    assert_eq!(read(&path).verify().unwrap().problems, []);

    // The same again, killed when a third of the bills are written, and again when two thirds are.
    for end in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(path.with_extension(end));
    }
    std::fs::copy(&kept, &path).unwrap();
    for share in [1, 2] {
        let mut child = bill_run(&sandbox);
        while written(&path) < ACCOUNTS as usize * share / 3 {
            assert!(child.try_wait().unwrap().is_none(), "it is killed before it is done");
            pause();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(written(&path) < ACCOUNTS as usize, "it was killed in the middle");
    }
    let went_on = bill_run(&sandbox).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&went_on.stdout).into_owned();
    assert!(went_on.status.success() && said.contains("\"resumed\":true"), "{said}");
    let got = bills(&path);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got, want);
    }
    assert_eq!(read(&path).verify().unwrap().problems, []);
}

/// How many bills are on disk.
fn written(path: &Path) -> usize {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let count = conn.query_row("SELECT COUNT(*) FROM bill", [], |row| row.get::<_, i64>(0));
    usize::try_from(count.unwrap()).unwrap()
}
