//! A9 and I1: whatever a name or an address looks like, it is one account, one lock, one level. Lives here: generated
//! spellings of a user name, v4-mapped addresses. Never here: credentials that are bad (credentials).

use engine::Command;
use proptest::prelude::*;
use sip::flow::Transport;
use types::Money;

use crate::calls::{alice, carrier, talk_between};
use crate::digest::{Answer, REALM};
use crate::town::*;
use crate::ua::{Request, Ua};
use crate::wire::Got;
use crate::world::World;

/// Where the attacker sits.
const AWAY: &str = "198.18.0.66:5060";

/// `alice1`, each letter in either case, plain or escaped.
fn alias() -> impl Strategy<Value = String> {
    proptest::collection::vec((any::<bool>(), 0_u8..4), 6).prop_map(|marks| {
        let spell = |(letter, (upper, escaped)): (char, &(bool, u8))| {
            let letter = if *upper { letter.to_ascii_uppercase() } else { letter };
            match escaped {
                0 => format!("%{:02x}", u32::from(letter)),
                1 => format!("%{:02X}", u32::from(letter)),
                _ => letter.to_string(),
            }
        };
        "alice1".chars().zip(&marks).map(spell).collect()
    })
}

/// Credentials of Alice under this name; the hash is what her phone computes of the name that it knows.
fn as_alias(phone: &Ua, challenge: &Got, request: &Request, alias: &str, hashed: &str) -> String {
    let name = if challenge.status == 401 { "Authorization" } else { "Proxy-Authorization" };
    let nonce =
        challenge.text().split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let answer = Answer {
        algorithm: "SHA-256",
        username: alias,
        user: hashed,
        realm: REALM,
        secret: phone.secret,
        method: &request.method,
        uri: &request.uri,
        nonce: &nonce,
        nc: 1,
    };
    format!("{name}: {}\r\n", answer.value())
}

/// Sends a request under an alias; its final status.
fn send_as(phone: &Ua, mut request: Request, alias: &str, hashed: &str) -> u16 {
    phone.forget();
    phone.send_request(&request);
    let challenge = phone.world.inbox(&phone.flow).remove(0);
    phone.forget();
    if request.method == "INVITE" {
        phone.send(&phone.ack_of_refusal(&request, &challenge));
    }
    request.credentials = as_alias(phone, &challenge, &request, alias, hashed);
    request.cseq += 1;
    request.branch = phone.branch();
    phone.send_request(&request);
    let inbox = phone.world.inbox(&phone.flow);
    inbox.iter().map(|got| got.status).find(|status| *status >= 200).unwrap_or(100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From outside of the lock no spelling gets in; from home it is Alice, or it is refused.
    #[test]
    fn the_ip_lock_knows_every_spelling(alias in alias(), shown in alias()) {
        let world = World::with(|town| {
            town.account(1).controls.ip_lock = vec!["203.0.113.0/24".parse().unwrap()];
        });
        let away = world.ua(AWAY, ALICE);
        for hashed in ["alice1", alias.as_str()] {
            let mut register = away.register_request(60);
            register.to = format!("<sip:{shown}@{REALM}>");
            prop_assert_eq!(send_as(&away, register, &alias, hashed), 403);
            prop_assert_eq!(send_as(&away, away.invite_request(FIXED), &alias, hashed), 403);
        }
        prop_assert_eq!(world.stats().bindings, 0);
        prop_assert_eq!(carrier(&world).names(), Vec::<String>::new());
        let home = alice(&world);
        let mut register = home.register_request(60);
        register.to = format!("<sip:{shown}@{REALM}>");
        let plain = send_as(&home, register, "alice1", "alice1");
        prop_assert_eq!(plain, 200, "To {}", shown);
        prop_assert_eq!(world.stats().bindings, 1);
    }

    /// Two spellings share one stop level: what one has used the other has not.
    #[test]
    fn two_spellings_share_a_level(alias in alias()) {
        let world = World::with(|town| {
            // One hold of 30 s, and not two.
            town.account(1).controls.stop_level_all_24h = Money::from_micros(9_000);
        });
        let phone = alice(&world);
        let (mut caller, mut callee) = talk_between(&phone, &carrier(&world), FIXED);
        let before = world.cdrs().len();
        let other = world.ua("203.0.113.8:5060", ALICE);
        for hashed in ["alice1", alias.as_str()] {
            prop_assert_eq!(send_as(&other, other.invite_request(FIXED), &alias, hashed), 403);
        }
        for cdr in &world.cdrs()[before..] {
            prop_assert_eq!(cdr.account.0, 1);
            prop_assert_eq!(cdr.line.map(|line| line.0), Some(1));
        }
        caller.bye();
        callee.take_bye();
        prop_assert_eq!(world.held(1), Money::ZERO);
    }
}

/// Which spellings are let in at all is not left to chance: case and escapes that the client hashed as they are.
#[test]
fn some_spellings_are_alice() {
    let world = World::new();
    let mut let_in = Vec::new();
    for alias in ["alice1", "ALICE1", "Alice1", "%61lice1", "alice%31", "bob1"] {
        let phone = alice(&world);
        if send_as(&phone, phone.register_request(60), alias, "alice1") == 200 {
            let_in.push(alias);
        }
    }
    assert!(let_in.contains(&"alice1") && !let_in.contains(&"bob1"), "{let_in:?}");
    assert_eq!(world.stats().bindings, 1, "all of them are one phone of one line");
    world.forget_post();
}

/// I1: an IPv4 address that arrives as v4-mapped IPv6 is that address, for the account's lock and the line's.
#[test]
fn a_mapped_address_is_the_address() {
    type Lock = fn(&mut Town);
    let locks: [Lock; 2] = [
        |town| town.account(1).controls.ip_lock = vec!["203.0.113.0/24".parse().unwrap()],
        |town| town.line(1).ip_lock = vec!["203.0.113.7/32".parse().unwrap()],
    ];
    let rows = [
        ("203.0.113.7:5060", true),
        ("[::ffff:203.0.113.7]:5060", true),
        ("198.18.0.66:5060", false),
        ("[::ffff:198.18.0.66]:5060", false),
        // Looks like home to whoever reads the last bytes only.
        ("[::203.0.113.7]:5060", false),
        ("[64:ff9b::203.0.113.7]:5060", false),
        ("[2001:db8::cb00:7107]:5060", false),
    ];
    for lock in locks {
        for (address, is_home) in rows {
            for transport in Transport::ALL {
                let world = World::with(lock);
                let phone = world.ua_by(transport, address, ALICE);
                let registered = send_as(&phone, phone.register_request(60), "alice1", "alice1");
                assert_eq!(registered, if is_home { 200 } else { 403 }, "{address}, {transport:?}");
                let called = send_as(&phone, phone.invite_request(FIXED), "alice1", "alice1");
                assert_eq!(called, if is_home { 100 } else { 403 }, "{address}, {transport:?}");
                let reached = carrier(&world).names().len();
                assert_eq!(reached, usize::from(is_home), "{address}, {transport:?}");
            }
        }
    }
}

/// A lock that is set judges the next request, on the flow that was fine before.
#[test]
fn a_lock_holds_from_the_next_request_on() {
    let world = World::new();
    let phone = alice(&world);
    assert_eq!(send_as(&phone, phone.register_request(60), "alice1", "alice1"), 200);
    let mut account = Town::new().account(1).clone();
    account.controls.ip_lock = vec!["198.51.100.0/24".parse().unwrap()];
    world.command(Command::PutAccount(account)).unwrap();
    assert_eq!(send_as(&phone, phone.register_request(60), "alice1", "alice1"), 403);
    assert_eq!(send_as(&phone, phone.invite_request(FIXED), "alice1", "alice1"), 403);
    assert_eq!(carrier(&world).names(), Vec::<String>::new());
}
