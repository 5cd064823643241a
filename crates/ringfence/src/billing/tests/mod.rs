//! Bill runs against stores of both kinds. Lives here: runs that are killed, months and their ends, dry runs; pages as golden
//! texts. Never here: the small world that they run in (world), random lives (lives), commands as people type them.

mod lives;
mod world;

use engine::PostWhat;
use store::{CallFilter, Reader};
use types::*;

use super::*;
use world::{BEGIN, DAY_US, Kill, World, account, deck, each, facts, snapshot, time, told};

/// Five accounts with three calls each, over two months.
fn settled(world: &mut World) {
    for n in 0..15 {
        let ended = UnixMicros(BEGIN + i64::from(n) * 3 * DAY_US);
        let records = world.call(n, n % 5 + 1, 10_000 + i64::from(n), ended);
        world.commit(records);
    }
    world.now = UnixMicros(BEGIN + 60 * DAY_US);
    world.restart();
    world
        .post(PostWhat::Holder(TransferKind::Goodwill, AccountId(2), Money::from_micros(7)), None)
        .expect("a gift is taken");
}

#[test]
fn a_run_killed_anywhere_makes_the_same_bills() {
    each(0, |world| {
        settled(world);
        let whole = world.bill("2025-03-15", 1).expect("a run");
        assert_eq!((whole.bills, whole.resumed), (5, false));
        let want = told(world);
        let again = world.bill("2025-03-15", 1).expect("a run");
        assert!(again.done_before && again.bills == 0);
        // Begin, five batches, end.
        let changes = 7;
        for at in 1..=changes {
            for after in [false, true] {
                each(0, |world| {
                    settled(world);
                    world.kill = Some(Kill { at: world.changes + at, after });
                    world.bill("2025-03-15", 1).expect_err("it is killed");
                    world.check_after_restart();
                    let other = world.bill("2025-03-14", 1);
                    let begun = at > 1 || after;
                    if begun && !(at == changes && after) {
                        let error = other.expect_err("another run is open").to_string();
                        let how = "`ringfence bill run --until 2025-03-15` goes on with it";
                        assert_eq!(error, format!("bill run 1 is not done: {how}"));
                        let rest = world.bill("2025-03-15", 1).expect("it goes on");
                        assert!(rest.resumed && rest.run == 1, "{rest:?}");
                        assert_eq!(told(world), want, "killed at {at}, after: {after}");
                    }
                    world.check();
                });
            }
        }
    });
}

/// Whose billing month is billed gets no other bill for it, whatever came late.
#[test]
fn a_month_is_billed_once() {
    each(0, |world| {
        settled(world);
        assert_eq!(world.bill("2025-03-15", 10).expect("a run").bills, 5);
        let late = world.call(90, 1, 10_000, UnixMicros(BEGIN));
        world.commit(late);
        world.restart();
        // Nobody's month ended on the 16th.
        let report = world.bill("2025-03-16", 10).expect("a run");
        assert_eq!((report.run, report.bills), (2, 0));
        world.now = time("2025-04-20T00:00:00Z");
        assert_eq!(world.bill("2025-04-01", 10).expect("a run").bills, 4);
        let first = world.bills().into_iter().find(|bill| bill.account == AccountId(1));
        assert_eq!(first.expect("a bill").charges(), Money::from_micros(10_000));
        world.check();
    });
}

/// Whose month had not ended yet when a day was billed, is billed up to it by the same command later.
#[test]
fn a_day_that_was_billed_before_it_began_is_billed_again() {
    each(0, |world| {
        settled(world);
        let mut check = |now: &str, want: (u32, u64, bool)| {
            world.now = time(now);
            world.restart();
            let told = world.bill("2025-04-01", 10).expect("a run");
            assert_eq!((told.run, told.bills, told.done_before), want, "{now}");
            world.check();
        };
        check("2025-03-16T00:00:00Z", (1, 5, false));
        check("2025-03-16T12:00:00Z", (1, 0, true));
        // It has begun in London, where summer time is kept, and not in New York; on the 31st another month ended.
        check("2025-04-01T02:00:00Z", (2, 3, false));
        check("2025-04-01T03:59:59Z", (2, 0, true));
        check("2025-04-01T04:00:00Z", (3, 1, false));
        check("2025-04-20T00:00:00Z", (3, 0, true));
    });
}

/// A call ends just before, or just after, midnight of the month's end where the holder lives.
#[test]
fn month_end_and_clock_change_in_london() {
    fn check(day: &str, ended: &str, want: bool) {
        each(0, |world| {
            let records = world.call(1, 1, 10_000, time(ended));
            world.commit(records);
            world.now = time("2025-12-31T12:00:00Z");
            world.restart();
            let report = world.bill(day, 10).expect("a run");
            assert_eq!(report.bills == 1, want, "{ended} by {day}");
            let left = world.store.unbilled(AccountId(1)).expect("it can be read");
            assert_eq!(left.is_zero(), want);
            world.check();
        });
    }
    // Winter: midnight is midnight UTC.
    check("2025-02-01", "2025-01-31T23:59:59.999999Z", true);
    check("2025-02-01", "2025-02-01T00:00:00Z", false);
    // The clocks went forward on 30 March: April begins at 23:00 UTC.
    check("2025-04-01", "2025-03-30T01:00:00Z", true);
    check("2025-04-01", "2025-03-31T22:59:59.999999Z", true);
    check("2025-04-01", "2025-03-31T23:00:00Z", false);
    // They went back on 26 October, an hour twice: November begins at midnight UTC.
    check("2025-11-01", "2025-10-26T00:30:00Z", true);
    check("2025-11-01", "2025-10-31T23:59:59.999999Z", true);
    check("2025-11-01", "2025-11-01T00:00:00Z", false);
}

#[test]
fn a_dry_run_shows_the_bills_and_writes_nothing() {
    each(0, |world| {
        settled(world);
        let order = RunOrder {
            day: "2025-03-15".parse().expect("a date"),
            only: None,
            dry: true,
            batch: 2,
            now: world.now,
        };
        let before = (world.changes, snapshot(&*world.store));
        let report = run(world, &order, &mut |_, _| {}).expect("a run");
        assert_eq!((world.changes, snapshot(&*world.store)), before);
        let real = world.bill("2025-03-15", 2).expect("a run");
        assert_eq!((report.bills, report.total), (real.bills, real.total));
        let sums = |bills: &[Bill]| -> Vec<(AccountId, Money, Money)> {
            bills.iter().map(|bill| (bill.account, bill.total, bill.due)).collect()
        };
        assert_eq!(sums(&report.drafts), sums(&world.bills()));
    });
}

/// An account with everything on its second bill.
fn story(world: &mut World) -> Bill {
    let account = AccountId(1);
    let put = |world: &mut World, n, price, ended| {
        let records = world.call(n, 1, price, time(ended));
        world.commit(records);
        world.restart();
    };
    put(world, 1, 25_000, "2025-01-20T10:00:00Z");
    world.now = time("2025-02-02T09:00:00Z");
    world.bill("2025-02-01", 10).expect("a run");
    put(world, 2, 25_000, "2025-02-03T10:00:00Z");
    put(world, 3, 720_000, "2025-02-04T10:00:00Z");
    put(world, 4, 25_000, "2025-02-05T10:00:00Z");
    // Written late: it belongs to January, and is on the bill of February.
    put(world, 5, 25_000, "2025-01-31T10:00:00Z");
    world.now = time("2025-02-10T09:00:00Z");
    let paid = Money::from_micros(20_000);
    world
        .post(PostWhat::Holder(TransferKind::Payment, account, paid), Some("=FT<1>"))
        .expect("paid");
    let calls = world.store.calls(&CallFilter::default()).expect("it can be read");
    let cuba = facts(world, calls.iter().find(|cdr| cdr.price.micros() == 720_000).expect("it"));
    world.post(PostWhat::CostPrice(cuba), None).expect("given back");
    let gift = Money::from_micros(5_000);
    world.post(PostWhat::Holder(TransferKind::Goodwill, account, gift), None).expect("given");
    world.now = time("2025-03-02T09:00:00Z");
    world.bill("2025-03-01", 10).expect("a run");
    world.check();
    world.bills().into_iter().find(|bill| bill.account == account).expect("a bill")
}

/// A text with nothing that differs from store to store.
fn golden(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text)
    });
}

#[test]
fn a_bill_as_page_and_sheet_and_its_statement() {
    each(0, |world| {
        let bill = story(world);
        let account = account(1);
        // What a place is called later is nothing to a bill that was made.
        let mut renamed = deck();
        renamed.rows.iter_mut().for_each(|row| row.name = "elsewhere".into());
        world.commit([Record::Deck(UnixMicros(world.now.0 + 1), Box::new(renamed))]);
        let accounts = std::slice::from_ref(&account);
        let names = Names::read(&*world.store, accounts, bill.made).expect("names");
        let calls = world.calls_of(&bill);
        let shown = page(&bill, &account, &calls, &names, ("example.com", "GBP")).expect("a page");
        golden("bill_page", &shown);
        golden("bill_sheet", &sheet(&bill, &calls, &names).expect("a sheet"));
        let statement = statement(&*world.store, account.id).expect("a statement");
        let text = serde_json::to_string_pretty(&statement.view()).expect("JSON");
        golden("statement", &text);
    });
}
