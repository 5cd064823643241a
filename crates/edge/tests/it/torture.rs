//! The torture messages of the SIP crate into a node: each is answered as its list says, and an
//! OPTIONS afterwards is answered, too.

use std::fs;
use std::path::{Path, PathBuf};

use crate::calls::{HOME, alice};
use crate::town::*;
use crate::world::World;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture")
}

/// Does an answer keep what the list says of it? A refusal that needs a known user may be a
/// challenge first.
fn keeps(want: &str, statuses: &[u16], judged_by_parser: bool) -> bool {
    let finals: Vec<u16> = statuses.iter().copied().filter(|status| *status >= 200).collect();
    let is_challenge = |status: u16| matches!(status, 401 | 403 | 407);
    match want {
        "none" => statuses.is_empty(),
        "any" => finals.len() == 1,
        "4xx" => matches!(finals[..], [status] if (400..500).contains(&status)),
        exact => {
            let exact: u16 = exact.parse().expect("a status");
            let needs_user = !judged_by_parser && (400..700).contains(&exact);
            matches!(finals[..], [status] if status == exact || needs_user && is_challenge(status))
        }
    }
}

#[test]
fn each_is_answered_as_its_list_says() {
    let list = fs::read_to_string(folder().join("manifest.tsv")).expect("the list is there");
    let mut rows = list.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rows.next(), Some("file\tsource\tstart\tlayer\tdatagram\tstream\tabove\tnote"));
    let (mut seen, mut wrong) = (0, Vec::new());
    let shared = World::new();
    for row in rows {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, layer, above) = (columns[0], columns[3], columns[6]);
        let bytes = fs::read(folder().join(file)).expect(file);
        // In a world of its own, and in one that has seen all that came before.
        for world in [&World::new(), &shared] {
            let source = world.ua(HOME, ALICE);
            source.world.receive(source.flow, &bytes);
            let inbox = world.inbox(&source.flow);
            let statuses: Vec<u16> = inbox.iter().map(|got| got.status).collect();
            let is_kept = keeps(above, &statuses, layer == "parser");
            if !is_kept && !wrong.iter().any(|line: &String| line.starts_with(file)) {
                wrong.push(format!("{file}: {statuses:?}, not {above}"));
            }
            source.forget();
            world.no_post();
            let phone = alice(world);
            phone.send_request(&phone.request("OPTIONS", "sip:ringfence.test"));
            phone.expect(200);
            assert_eq!(world.stats().admitted, 0, "{file}");
        }
        seen += 1;
    }
    assert!(seen >= 80, "{seen} messages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    shared.finish();
}
