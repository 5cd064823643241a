//! The torture messages of the SIP crate into a node: each is answered as its list says, and an
//! OPTIONS afterwards is answered, too. Where somebody has to log in first, somebody who is known does,
//! so that registrar and calls are met, and not only the door.

use std::fs;
use std::path::{Path, PathBuf};

use crate::calls::{HOME, alice, carrier};
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// Who sends the messages, and who is called in them.
const CAROL: (&str, &str) = ("carol", "a secret of Carol");
const DAVE: (&str, &str) = ("dave", "a secret of Dave");
const DAVES_PHONE: &str = "203.0.113.90:5060";
/// What Dave's phone and the carrier say to every call: a call that got there got through.
const REACHED: u16 = 486;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture")
}

/// A world to which the names and addresses of the messages belong.
fn world() -> World {
    World::with(|town| {
        unlimited(town);
        let more = ["example.org", "example.net", "[2001:db8::21]", "[2001:db8::21:5070]"];
        town.config.domains.extend(more.map(str::to_owned));
        town.snapshot.lines.extend([line(11, 1, CAROL), line(12, 2, DAVE)]);
    })
}

fn keeps(want: &str, statuses: &[u16]) -> bool {
    let finals: Vec<u16> = statuses.iter().copied().filter(|status| *status >= 200).collect();
    match want {
        "none" => statuses.is_empty(),
        exact => finals == [exact.parse::<u16>().expect("a status")],
    }
}

/// The message with the credentials that a challenge asks for, as whoever it is from.
fn logged_in(bytes: &[u8], challenge: &Got, phone: &Ua) -> Vec<u8> {
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap();
    let end = start + bytes[start..].windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let line = std::str::from_utf8(&bytes[start..end]).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let credentials = phone.credentials(challenge, words[0], words[1], 1);
    [&bytes[..end], credentials.as_bytes(), &bytes[end..]].concat()
}

/// A REGISTER speaks for whom its To names.
fn sender(bytes: &[u8]) -> (&'static str, &'static str) {
    let text = String::from_utf8_lossy(bytes);
    let registers_dave = text.contains("REGISTER") && text.contains("To: <sip:dave@");
    if registers_dave { DAVE } else { CAROL }
}

/// Final statuses of a message that is sent by somebody who is known.
fn answers(world: &World, bytes: &[u8]) -> Vec<u16> {
    let phone = world.ua(HOME, sender(bytes));
    world.receive(phone.flow, bytes);
    let first = world.inbox(&phone.flow);
    let Some(challenge) = first.iter().find(|got| matches!(got.status, 401 | 407)) else {
        return first.iter().map(|got| got.status).collect();
    };
    phone.forget();
    world.receive(phone.flow, &logged_in(bytes, challenge, &phone));
    for callee in [world.ua(DAVES_PHONE, DAVE), carrier(world)] {
        for invite in world.inbox(&callee.flow) {
            callee.leg_from(invite).reply(REACHED);
        }
    }
    world.inbox(&phone.flow).iter().map(|got| got.status).collect()
}

#[test]
fn each_is_answered_as_its_list_says() {
    let list = fs::read_to_string(folder().join("manifest.tsv")).expect("the list is there");
    let mut rows = list.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rows.next(), Some("file\tsource\tstart\tlayer\tdatagram\tstream\tabove\tnote"));
    let (mut seen, mut reached, mut wrong) = (0, 0, Vec::new());
    let shared = world();
    for row in rows {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, above) = (columns[0], columns[6]);
        let bytes = fs::read(folder().join(file)).expect(file);
        let world = world();
        world.ua(DAVES_PHONE, DAVE).register();
        let statuses = answers(&world, &bytes);
        // What comes after is another matter: INVITEs without an answer, for one.
        world.forget_post();
        let phone = alice(&world);
        phone.send_request(&phone.request("OPTIONS", "sip:ringfence.test"));
        phone.expect(200);
        if !keeps(above, &statuses) {
            wrong.push(format!("{file}: {statuses:?}, not {above}"));
        }
        seen += 1;
        reached += usize::from(above == "486");
        // From a stranger, in a world that has seen all that came before: nothing is admitted.
        let stranger = shared.ua(HOME, ALICE);
        shared.receive(stranger.flow, &bytes);
        stranger.forget();
        shared.no_post();
        stranger.send_request(&stranger.request("OPTIONS", "sip:ringfence.test"));
        stranger.expect(200);
        assert_eq!(shared.stats().admitted, 0, "{file}");
    }
    assert!(seen >= 80, "{seen} messages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(reached >= 9, "{reached} calls reached somebody");
    shared.finish();
}
