//! The rows of the office: postings, bills, plans, histories, raises, requests. Lives here: writing them, and each changed,
//! gone or come from nowhere. Never here: other rows.

use store::Backend;
use types::*;

use super::Evidence;
use crate::billing::{bill, plan, post, posting, run};
use crate::samples::*;

/// What the office writes after that: postings, a bill, histories, raises, a request. Links 18 to 31.
pub fn office(store: &mut dyn Backend) {
    let payment = posting(5, TransferKind::Payment, 1, 30);
    put(store, vec![post(Posting { reference: Some("FT1".to_owned()), ..payment }), run(1)]);
    let bill = bill(store, 1, 1, 2 * HOUR);
    put(
        store,
        vec![
            Record::Bill(Box::new(bill)),
            Record::BillRunDone(1),
            Record::Instalments(Box::new(plan(6, 1))),
            Record::Reseller(Box::new(reseller(2))),
            Record::Standing(Box::new(standing(1, 1))),
            Record::LineStanding(Box::new(line_standing(1, 1))),
            Record::Raises(Box::new(raises(1))),
            Record::ControlRequest(Box::new(request(1, 1))),
            Record::Raises(Box::new(raises(2))),
            Record::Raises(Box::new(AccountRaises::none(AccountId(2)))),
            Record::TrunkStanding(trunk_standing(1, 1)),
        ],
    );
}

/// The same of what the office wrote, and of what it may set in accounts and lines.
#[test]
fn what_was_changed_in_the_office_is_named() {
    let evidence = Evidence::whole();
    let (paid, plan) = (decision(5), decision(6));
    let check = |sql: &str, what: &str, link: u64| {
        evidence.check(sql, &[&format!("{what} from what was recorded at link {link}")]);
    };
    check("UPDATE account SET reseller = NULL", "account 1: reseller differs", 12);
    check("UPDATE account SET billing_day = 28", "account 1: billing_day differs", 12);
    check("UPDATE line SET stop_levels = NULL", "line 1: stop_levels differs", 2);
    let amount = "UPDATE transfer SET amount = 300 WHERE kind = 6";
    check(amount, &format!("payment {paid}: amount differs"), 18);
    check("UPDATE posting SET ordered_by = 'bob'", "posting 1: by differs", 19);
    let told = "UPDATE posting SET reference = NULL, note = ''";
    check(told, "posting 1: reference, note differ", 19);
    check("UPDATE bill_run SET mark_calls = 0", "bill run 1: marks differs", 22);
    check("UPDATE bill_run SET done = 0", "bill run 1: done differs", 22);
    let name = "UPDATE bill SET detail = replace(detail, 'France', 'Spain')";
    check(name, "bill 1-1: lines differs", 21);
    let note = "UPDATE instalment_plan SET detail = replace(detail, 'bit by bit', 'at once')";
    check(note, &format!("instalment plan {plan}: note differs"), 23);
    check("UPDATE reseller SET name = 'x'", "reseller 2: name differs", 24);
    let by = "UPDATE account_history SET detail = replace(detail, '\"eve\"', '\"bob\"')";
    check(by, "entry 1 of the history of accounts: by differs", 25);
    let tls = "UPDATE line_history SET detail = replace(detail, '\"tls_only\":true', '\"tls_only\":false')";
    check(tls, "entry 1 of the history of lines: security differs", 26);
    let frozen = "UPDATE account_raises SET detail = replace(detail, '\"limited\"', 'null')";
    check(frozen, "raises of account 1: frozen_from differs", 27);
    let note = "UPDATE control_request SET detail = replace(detail, 'trade fair', 'no reason')";
    check(note, "request 1: note differs", 28);
    // What a bill is found by does not say what the bill says.
    let told = evidence.after("UPDATE bill SET total = total - 1").unwrap();
    let begins = "bill 1-1, recorded at link 21, cannot be read: ";
    assert!(told.len() == 1 && told[0].starts_with(begins), "{told:?}");
}

/// Rows of the office that are gone, or came from nowhere.
#[test]
fn the_office_has_no_row_more_and_none_less() {
    let evidence = Evidence::whole();
    let gone = |table: &str, what: &str, link: u64| {
        let sql = format!("DELETE FROM {table}");
        evidence.check(&sql, &[&format!("{what}, recorded at link {link}, is gone")]);
    };
    gone("transfer WHERE kind = 6", &format!("payment {}", decision(5)), 18);
    gone("posting", "posting 1", 19);
    gone("bill_run", "bill run 1", 22);
    gone("bill", "bill 1-1", 21);
    gone("instalment_plan", &format!("instalment plan {}", decision(6)), 23);
    gone("reseller", "reseller 2", 24);
    gone("account_history", "entry 1 of the history of accounts", 25);
    gone("line_history", "entry 1 of the history of lines", 26);
    gone("trunk_history", "entry 1 of the history of trunks", 31);
    gone("account_raises", "raises of account 1", 27);
    gone("control_request", "request 1", 28);
    let stranger = |sql: &str, what: &str| {
        let why =
            "is on no link: it was inserted by somebody else, or the end of the chain was cut off";
        evidence.check(&format!("INSERT INTO {sql}"), &[&format!("{what} {why}")]);
    };
    stranger(
        "posting SELECT 2, decision, 5, account, NULL, ordered_by, note FROM posting",
        "posting 2",
    );
    stranger(
        "bill_run SELECT 2, day, only_account, at, mark_calls, mark_postings, 0 FROM bill_run",
        "bill run 2",
    );
    stranger("bill SELECT 7, 3, previous, total, due, detail FROM bill", "bill 3-7");
    stranger(
        &format!("instalment_plan SELECT {}, account, detail FROM instalment_plan", decision(9).0),
        &format!("instalment plan {}", decision(9)),
    );
    stranger("reseller SELECT 3, name, stop_levels FROM reseller", "reseller 3");
    stranger(
        "account_history SELECT 2, account, at + 1, status, detail FROM account_history",
        "entry 2 of the history of accounts",
    );
    stranger(
        "line_history SELECT 2, line, at + 1, account, detail FROM line_history",
        "entry 2 of the history of lines",
    );
    stranger(
        "trunk_history SELECT 2, trunk, at + 1, cost_deck FROM trunk_history",
        "entry 2 of the history of trunks",
    );
    stranger("account_raises SELECT 3, detail FROM account_raises", "raises of account 3");
    stranger(
        "control_request SELECT 2, account, state, at, detail FROM control_request",
        "request 2",
    );
    evidence.check(
        "INSERT INTO account_raises SELECT 2, detail FROM account_raises",
        &["raises of account 2 is there, though link 30 records that it was taken back"],
    );
}
