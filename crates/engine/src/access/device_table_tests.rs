//! Tests of the devices' storage. Lives here: that every index follows, that devices read back.
//! Never here: which device somebody is (devices).

use types::{AccountId, Place};

use super::super::claim::Claim;
use super::super::device_row::Transport;
use super::*;

fn marks(peer: &str) -> Marks {
    let claim = Claim {
        user: "alice",
        peer: peer.parse().expect("a socket"),
        transport: "udp",
        is_secure: false,
        agent: "phone",
        instance: None,
        contact: "10.0.0.1",
        call_id: "",
    };
    claim.marks(HashKey(1, 2))
}

fn add(table: &mut DeviceTable, lines: &[u32], peer: &str) -> DeviceId {
    let lines: Vec<LineId> = lines.iter().map(|line| LineId(*line)).collect();
    let id = table.next_id();
    table.insert(&NewRow {
        id,
        account: AccountId(1),
        lines: &lines,
        marks: marks(peer),
        agent: "phone",
        contact: "10.0.0.1",
        instance: "",
        first_seen: UnixMicros::from_seconds(100),
        last_seen: UnixMicros::from_seconds(200),
        place: Place::default(),
        transport: Transport::of("udp"),
        state: DeviceState::Known,
    });
    id
}

fn on_line(table: &DeviceTable, line: u32) -> Vec<u32> {
    let mut ids: Vec<u32> = table.of_line(LineId(line)).map(|row| row.id.0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn every_index_follows() {
    let mut table = DeviceTable::new(HashKey(1, 2));
    let source = |text: &str| Source::of(text.parse().expect("an address"));
    let one = add(&mut table, &[1], "192.0.2.1:5060");
    let two = add(&mut table, &[1, 2], "192.0.2.1:5062");
    let three = add(&mut table, &[1], "192.0.2.3:5060");
    assert_eq!((on_line(&table, 1), on_line(&table, 2)), (vec![1, 2, 3], vec![2]));
    assert_eq!(table.count_at(source("192.0.2.1")), 2);
    assert!(table.is_at_socket("192.0.2.1:5062".parse().expect("a socket")));
    table.set_marks(two, marks("192.0.2.9:1000"));
    assert_eq!(table.count_at(source("192.0.2.1")), 1);
    assert_eq!(table.count_at(source("192.0.2.9")), 1);
    assert!(!table.is_at_socket("192.0.2.1:5062".parse().expect("a socket")));
    assert!(table.add_line(one, LineId(2)) && !table.add_line(one, LineId(2)));
    for (gone, left) in [(two, vec![1, 3]), (three, vec![1]), (one, vec![])] {
        assert!(table.remove(gone) && !table.remove(gone));
        assert_eq!(on_line(&table, 1), left);
        assert!(table.find(gone).is_none());
    }
    assert_eq!((table.len(), on_line(&table, 2)), (0, vec![]));
    assert_eq!((table.count_at(source("192.0.2.9")), table.count_at(source("192.0.2.1"))), (0, 0));
    assert!(table.at.is_empty() && table.agents.is_empty());
    // An id is never given again, a place in memory is.
    assert_eq!(add(&mut table, &[7], "192.0.2.1:5060"), DeviceId(4));
    assert_eq!(on_line(&table, 7), [4]);
}

#[test]
fn a_device_reads_back() {
    let mut table = DeviceTable::new(HashKey(1, 2));
    let id = add(&mut table, &[3, 1], "192.0.2.1:5060");
    let state = DeviceState::Seasoning { until: UnixMicros(5), spent: Money::from_cents(7) };
    table.set_state(id, state);
    let row = table.find_mut(id).expect("it is there");
    assert!(row.set_text("10.0.0.2:5060", "urn:uuid:7"));
    assert!(!row.set_text("10.0.0.2:5060", "urn:uuid:7"));
    let device = table.to_device(table.find(id).expect("it is there"));
    assert_eq!((device.state, device.lines), (state, vec![LineId(1), LineId(3)]));
    assert_eq!(device.instance.as_deref(), Some("urn:uuid:7"));
    assert_eq!((device.contact.as_str(), device.transport.as_str()), ("10.0.0.2:5060", "udp"));
    for state in [DeviceState::Banned, DeviceState::Known] {
        table.set_state(id, state);
        assert_eq!(table.state_of(table.find(id).expect("it is there")), state);
        assert_eq!(table.seasons().count(), 0);
    }
}
