//! Who takes part. Lives here: the demo's accounts, lines, numbers, prices and trunk.
//! Never here: what they do.

use std::net::SocketAddr;

use engine::SecretForm;
use ipnet::IpNet;
use notify::contacts::ContactOrder;
use rating::ImportDefaults;
use store::SqliteStore;
use types::{
    AccountId, By, Controls, DialPlan, E164, Money, Trunk, TrunkId, TrunkNumberFormat, TrunkRoute,
    TrunkTransport,
};

use super::agent::Login;
use crate::change::{Change, NewAccount, NewLine};
use crate::commands::office::Direct;
use crate::config::Config;
use crate::pages::UserAsk;
use crate::shell::alerts::{self, ContactWish};
use crate::shell::clock::system_wall;
use crate::shell::secrets::make_secret;

const DECK: &str = include_str!("../../../../rating/data/demo_deck.csv");
/// Account, its line, its number.
pub const PEOPLE: [(&str, &str, &str); 4] = [
    ("Alice", "alice", "+442079460100"),
    ("Bakery", "bakery", "+442079460101"),
    ("Corner shop", "shop", "+442079460102"),
    ("You", "guest", "+442079460103"),
];
/// The account whose secret is stolen.
pub const VICTIM: &str = "Corner shop";
/// Who signs in at its pages.
const HOLDER: &str = "shop@example.com";
/// What it can lose in any 24 hours.
pub const STOP_LEVEL: Money = Money::from_units(5);

/// Fills the database; gives each line's login, in the order of `PEOPLE`.
pub fn settle(
    config: &Config,
    direct: &mut Direct,
    carrier: SocketAddr,
) -> anyhow::Result<Vec<Login>> {
    let mut apply = |change: Change| direct.carry_out(change).map(drop);
    let imported = rating::import(DECK.as_bytes(), &ImportDefaults::default())?;
    let mut rows = imported.rows;
    for row in &mut rows {
        // By the second, so that the end of the money can be watched in half a minute.
        (row.rate.first_increment_s, row.rate.increment_s) = (1, 1);
    }
    apply(Change::ImportDeck { name: "demo".to_owned(), rows })?;
    apply(Change::AddTrunk { trunk: Box::new(trunk(carrier)), cost_deck: None })?;
    let mut logins = Vec::new();
    for (name, user, number) in PEOPLE {
        apply(Change::AddAccount(Box::new(account(config, name))))?;
        let login = Login {
            user: user.to_owned(),
            secret: make_secret(SecretForm::Type)?.text().to_owned(),
            realm: config.realm.clone(),
        };
        let number: E164 = number.parse()?;
        let ha1 = sip::digest::ha1(user, &config.realm, &login.secret);
        let line = NewLine::phone(name.to_owned(), user.to_owned(), ha1);
        let line = NewLine { caller_id: Some(number), ..line };
        apply(Change::AddLines { lines: vec![line], template: None })?;
        apply(Change::AddNumber { number, account: name.to_owned(), line: Some(user.to_owned()) })?;
        logins.push(login);
    }
    Ok(logins)
}

/// A link that lets the victim in at the pages, once.
pub fn link(config: &Config, direct: &mut Direct) -> anyhow::Result<String> {
    let (account, name) = (VICTIM.to_owned(), HOLDER.to_owned());
    let answer = direct.users(UserAsk::Add { account, name }, config)?;
    Ok(answer["link"].as_str().unwrap_or_default().to_owned())
}

/// Each account has somebody who is told by mail.
pub fn add_contacts(config: &Config, store: &mut SqliteStore) -> anyhow::Result<()> {
    let codes = alerts::codes(config)?;
    for (account, (_, user, _)) in (1..).zip(PEOPLE) {
        let settings = vec![("mail".to_owned(), format!("{user}@demo.ringfence"))];
        let order = ContactOrder::Add { account: Some(AccountId(account)), settings };
        let wish = ContactWish { order, by: By::STAFF, why: String::new() };
        alerts::directly(alerts::Direct::Contact(wish), store, system_wall(), &codes)?;
    }
    Ok(())
}

fn account(config: &Config, name: &str) -> NewAccount {
    let controls = match name {
        // It had dear countries opened and many calls at once: all that is left is the stop level.
        VICTIM => Controls {
            price_cap_international: Money::from_units(2),
            calls: 100,
            costly_calls: 100,
            hotspot_calls: 100,
            stop_level_24h: STOP_LEVEL,
            stop_level_off_hours: None,
            ..config.pbx.clone()
        },
        _ => config.residential.clone(),
    };
    NewAccount {
        name: name.to_owned(),
        controls,
        dial_plan: DialPlan::default(),
        deck: Some("demo".to_owned()),
        time_zone: "Europe/London".to_owned(),
    }
}

fn trunk(carrier: SocketAddr) -> Trunk {
    Trunk {
        id: TrunkId(0),
        name: "simulated carrier".to_owned(),
        address: carrier,
        transport: TrunkTransport::Udp,
        host: carrier.ip().to_string(),
        auth: None,
        sources: vec![IpNet::from(carrier.ip())],
        routes: vec![TrunkRoute { prefix: String::new(), priority: 10 }],
        cost_deck: None,
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: types::DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}
