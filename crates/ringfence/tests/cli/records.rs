//! What staff keep: accounts, numbers, trunks, rates, bans. Never here: lines and their secrets (lines).

use crate::common::{DECK, Sandbox};
use crate::session;

#[test]
fn accounts_lines_numbers_and_trunks() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    let lines = [
        "account list",
        "account add alice",
        "rates import deck.csv --deck retail",
        "account add alice",
        "account add alice",
        "account add 42",
        "account add bakery --kind pbx --home DE --time-zone Europe/Berlin --outside-line 0",
        "account add nowhere --time-zone Europe/Atlantis",
        "account set alice stop_level_24h=5 ip_lock=192.0.2.7,2001:db8::/32 barred=premium",
        "account set alice stop_level=5",
        "account set alice calls=many",
        "account set carol calls=1",
        "account freeze alice --reason Holder_called",
        "account history alice",
        "account list",
        "account show alice",
        "account show bakery --json",
        "line add alice alice-desk --caller-id +442079460000",
        "line add alice Alice-Desk",
        "line add alice al!ce",
        "line add carol carol",
        "line list",
        "line disable alice-desk",
        "line set alice-desk ip_lock=192.0.2.8 caller_id=none",
        "line list --json",
        "number add +442079460000 alice alice-desk",
        "number add +442079460000 bakery",
        "number add +442079460001 bakery alice-desk",
        "number add 02079460001 bakery",
        "number list",
        "number remove +442079460000",
        "number remove +442079460000",
        "trunk add carrier 198.51.100.5:5060 --route 44:20 --route all:10 --emergency --cost-deck retail",
        "trunk add carrier 198.51.100.6:5060",
        "trunk add second 198.51.100.6:5060 --route 0:1",
        "trunk add second 198.51.100.6",
        "trunk set carrier routes=353:5 format=national enabled=no",
        "trunk list",
        "trunk enable carrier",
        "call cut 0D5KZQ4M2T8GR",
        "explain 0D5KZQ4M2T8GR",
        "explain wrong",
        "calls",
        "calls --since yesterday",
        "status",
    ];
    snapshot!("records", session(&sandbox, &lines));
}

#[test]
fn rates_show_what_would_change() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    sandbox.write(
        "next.csv",
        "prefix;rate;connect_fee\n44;0.012;0\n447;0.02;0\n33;0.012;0\n34;0.02;0\n",
    );
    sandbox.write("bad.csv", "prefix,per_minute\n44,abc\n4x,0.1\n33,0.1\n33,0.2\n");
    let lines = [
        "rates list",
        "rates import bad.csv --deck retail",
        "rates import deck.csv --deck retail --dry-run",
        "rates list",
        "rates import deck.csv --deck retail",
        "rates import next.csv --deck retail --dry-run",
        "rates import next.csv --deck retail --effective 2099-01-01 --json",
        "rates show retail",
        "rates history retail",
        "rates show retail --at 2020-01-01",
        "rates undo retail --dry-run --show 1",
        "rates undo retail",
        "rates show retail",
        "rates undo retail --to 2020-01-01",
        "rates undo retail --json",
        "rates history retail --json",
        "rates lookup 02079460000",
        "rates lookup +5351234567 --deck retail",
        "rates lookup +99999",
        "rates lookup 999 --deck wholesale",
    ];
    snapshot!("rates", session(&sandbox, &lines));
}

#[test]
fn bans_are_made_listed_exported_and_lifted() {
    let sandbox = Sandbox::new();
    sandbox.settle("198.51.100.5:5060".parse().expect("an address"));
    let lines = [
        "ban list",
        "ban add 192.0.2.7 --forever --note noise",
        "ban add 2001:db8:7::/64 --forever",
        "ban add 198.51.100.0/24 --forever",
        "ban add 127.0.0.0/16 --forever",
        "ban add 192.0.2.300 --forever",
        "ban add 192.0.2.8",
        "ban list",
        "ban list --format plain",
        "ban list --format nft",
        "ban list --format ipset",
        "ban show ::ffff:192.0.2.7",
        "ban show 192.0.2.8",
        "ban lift 2001:db8:7::9",
        "ban lift 192.0.2.8",
        "ban lift all",
        "ban lift all",
        "ban list --format plain",
    ];
    snapshot!("bans", session(&sandbox, &lines));
}
