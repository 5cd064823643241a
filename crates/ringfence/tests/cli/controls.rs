//! Controls that go up and down by command, requests, what stood when.

use crate::common::Sandbox;
use crate::session;

#[test]
fn controls_are_raised_lowered_asked_for_and_undone() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let lines = [
        "account set alice stop_level_24h=5 calls=4 --by-holder",
        "account undo alice --by-holder --why wrong_account",
        "account set alice price_cap_international=0.30 --by-holder --until 2126-11-30T18:00:00Z",
        "account set alice stop_level_24h=500 price_cap_national=0.10 --by-holder --why trade_fair",
        "account set alice barred=none --by-holder",
        "account set alice name=al --by-holder",
        "account set alice calls=3 --until 2h",
        "account set alice calls=300 --until tonight",
        "account set alice calls=300 name=alison --until 2126-11-30T18:00:00Z",
        "account set alison calls=300 --json",
        "request list",
        "request show 1",
        "request approve 1 --reason known_for_years --until 2126-12-01T00:00:00Z",
        "request refuse 2 --reason could_not_be_reached",
        "request refuse 2 --reason again",
        "request list --all --json",
        "request show 9",
        "account freeze alison --reason holder_called",
        "account show alison",
        "line set alice tls_only=yes ip_lock=192.0.2.0/24",
        "line set alice stop_level_24h=3 --by-holder --why lobby_phone",
        "line set alice stop_level_24h=none ip_lock=none --by-holder",
        "line disable alice",
        "line set alice stop_level_25h=1 --by-holder",
        "account history alison --limit 7",
        "account history alison --controls",
        "account show alison --at 0s",
        "account show alison --at 2020-01-01",
        "account undo alison",
    ];
    snapshot!("controls", session(&sandbox, &lines));
}
