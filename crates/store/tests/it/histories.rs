//! Random histories: SQLite must answer like the memory store, whatever happened before.

use store::{Backend, CallFilter, MemoryStore, OpenOptions, Reader, SqliteStore};
use types::cdr::Direction;
use types::*;

use crate::billing::posting;
use crate::samples::*;

/// A record of a small world, so that keys meet again.
fn record(dice: &mut Dice) -> Vec<Record> {
    let n = dice.below(40) as u32 + 1;
    let account_id = dice.below(4) as u32 + 1;
    let contact = format!("sip:{}@192.0.2.7", dice.below(3));
    match dice.below(22) {
        0 => vec![held(n, account_id)],
        1 => vec![answered(n, account_id)],
        2..=4 if dice.chance(300) => vec![on_net(n, account_id)],
        2..=4 => ended(n, account_id, dice.below(3) as i64 * 1_000),
        5 => vec![Record::HoldClosed(decision(n))],
        6 => vec![Record::Cdr(Box::new(refused(n, account_id)))],
        14 => {
            let kinds = [TransferKind::ZeroRating, TransferKind::CostPrice, TransferKind::Goodwill];
            let kind = kinds[dice.below(3) as usize];
            let amount = dice.below(3) as i64 * 500;
            vec![Record::Posting(Box::new(posting(n, kind, account_id, amount)))]
        }
        15 => {
            let mut payment = posting(n, TransferKind::Payment, account_id, n.into());
            payment.reference = Some(format!("FT{}", dice.below(5)));
            vec![Record::Posting(Box::new(payment))]
        }
        7 => vec![Record::Binding(Box::new(BindingRecord {
            cseq: n,
            ..binding(account_id, &contact)
        }))],
        8 => vec![Record::BindingGone(LineId(account_id), contact)],
        9 => vec![Record::Fact(at(n.into()), Fact::Started { recovered: account_id })],
        10 => {
            let statuses = [AccountStatus::Active, AccountStatus::Closed, AccountStatus::Frozen];
            let status = statuses[dice.below(3) as usize];
            vec![Record::Account(Box::new(Account { status, ..account(account_id) }))]
        }
        11 => vec![Record::Line(Box::new(line(n, account_id, &format!("u{}", dice.below(20)))))],
        18 => vec![Record::Standing(Box::new(standing(n, account_id)))],
        20 => vec![Record::TrunkStanding(trunk_standing(n, account_id))],
        21 => vec![Record::Audited(n.into())],
        19 => vec![Record::LineStanding(Box::new(line_standing(n, account_id)))],
        16 if dice.chance(500) => {
            let none = AccountRaises::none(AccountId(account_id));
            vec![Record::Raises(Box::new(none))]
        }
        16 => vec![Record::Raises(Box::new(raises(account_id)))],
        17 => {
            let (at, by, reason) = (at(n.into()), By::STAFF, String::new());
            let judged = RequestState::Refused { at, by, reason };
            let state = if dice.chance(500) { RequestState::Open } else { judged };
            vec![Record::ControlRequest(Box::new(ControlRequest {
                state,
                ..request(n, account_id)
            }))]
        }
        12 if dice.chance(500) => vec![Record::Number(number(&format!("44{n}"), account_id))],
        12 => vec![Record::NumberGone(e164(&format!("44{n}")))],
        _ if dice.chance(500) => vec![Record::Trunk(Box::new(trunk(account_id)))],
        // Few times, so that puts are told again, and newer ones before older ones.
        _ => {
            let prefixes = ["33", "331", "44", "447"];
            let chosen: Vec<&str> = prefixes.into_iter().filter(|_| dice.chance(600)).collect();
            let mut deck = deck(account_id, &chosen);
            for row in &mut deck.rows {
                row.rate = rate(dice.below(2) as i64);
            }
            vec![put_deck(dice.below(12) as i64, deck)]
        }
    }
}

fn on_net(n: u32, account: u32) -> Record {
    let to_account = Some(AccountId(account % 4 + 1));
    Record::Cdr(Box::new(Cdr { to_account, direction: Direction::OnNet, ..cdr(n, account, 0) }))
}

fn run(seed: u64) -> (u32, u32) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    // Moved often, so that questions meet moved and recent calls.
    let options = OpenOptions { recent_calls: 5, ..options() };
    let open = || SqliteStore::open(&path, options.clone()).unwrap();
    let mut sqlite = open();
    let mut memory = MemoryStore::new();
    let mut dice = Dice::simulated(seed, 0);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..40 {
        let group: Vec<_> = (0..=dice.below(3))
            .map(|ticket| {
                batch(ticket, (0..=dice.below(4)).flat_map(|_| record(&mut dice)).collect())
            })
            .collect();
        let (here, there) = (memory.commit(&group), sqlite.commit(&group));
        assert_eq!(here.is_ok(), there.is_ok(), "seed {seed}: {here:?}, {there:?}");
        if here.is_ok() {
            taken += 1
        } else {
            refused += 1
        }
        if dice.chance(100) {
            drop(sqlite);
            sqlite = open();
        }
    }
    assert_eq!(everything(&sqlite), everything(&memory), "seed {seed}");
    let filter = store::PostingFilter { limit: u32::MAX, ..Default::default() };
    assert_eq!(sqlite.postings(&filter), memory.postings(&filter), "seed {seed}");
    for id in (1..=4).map(DeckId) {
        assert_eq!(sqlite.deck_states(id), memory.deck_states(id), "seed {seed}, deck {id}");
        for moment in (-1..=12).map(at) {
            let (here, there) = (sqlite.deck_at(id, moment), memory.deck_at(id, moment));
            assert_eq!(here, there, "seed {seed}, deck {id}, {moment}");
            let rows = |store: &dyn Reader| store.deck_rows_at(id, "33123", moment);
            assert_eq!(rows(&sqlite), rows(&memory), "seed {seed}, deck {id}, {moment}");
        }
    }
    for id in (1..=4).map(AccountId) {
        let filter = CallFilter { account: Some(id), ..CallFilter::default() };
        assert_eq!(sqlite.calls(&filter), memory.calls(&filter), "seed {seed}, account {id}");
        assert_eq!(sqlite.unbilled(id), memory.unbilled(id), "seed {seed}, account {id}");
    }
    (taken, refused)
}

#[test]
fn sqlite_answers_like_memory() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..25 {
        let (more_taken, more_refused) = run(seed);
        taken += more_taken;
        refused += more_refused;
    }
    assert!(taken > 500 && refused > 10, "taken {taken}, refused {refused}");
}
