//! The journal: what was appended comes back, torn ends do not, damage is named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use store::journal::{Told, refused_path, replay_file};
use store::memory::Fault;
use store::{Journal, MemoryStore, Reader, StoreError};
use types::*;

use crate::samples::*;

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.journal");
    Place { _directory: directory, path }
}

/// What an emergency call and a call that ended leave.
fn frames() -> Vec<Vec<Record>> {
    let mut told = vec![held(1, 1)];
    told.push(Record::Fact(at(1), Fact::Stopped));
    told.push(Record::Binding(Box::new(binding(1, "sip:a"))));
    vec![told, ended(2, 1, 12_500), ended(1, 1, 0), vec![Record::Cdr(Box::new(refused(3, 1)))]]
}

fn written(place: &Place) -> Journal {
    let mut journal = Journal::open(&place.path, Some(sealer())).unwrap();
    frames().iter().for_each(|records| journal.append(records).unwrap());
    journal
}

#[test]
fn what_was_appended_comes_back() {
    let place = place();
    let mut journal = written(&place);
    assert_eq!(journal.frames(), 4);
    assert_eq!(journal.contents().unwrap().frames, frames());
    drop(journal);
    let mut again = Journal::open(&place.path, Some(sealer())).unwrap();
    assert_eq!((again.frames(), again.contents().unwrap().frames), (4, frames()));
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn replaying_twice_is_replaying_once() {
    let place = place();
    drop(written(&place));
    let bytes = fs::read(&place.path).unwrap();
    let mut direct = MemoryStore::new();
    frames().into_iter().for_each(|records| put(&mut direct, records));
    let mut store = MemoryStore::new();
    for _ in 0..3 {
        fs::write(&place.path, &bytes).unwrap();
        let told = Told { records: 12, set_aside: 0 };
        assert_eq!(replay_file(&place.path, Some(sealer()), &mut store), Ok(told));
        assert!(!place.path.exists());
        assert_eq!(everything(&store), everything(&direct));
    }
    assert_eq!(store.holds(None).unwrap(), [], "a call that ended is not held again");
    assert_eq!(replay_file(&place.path, Some(sealer()), &mut store), Ok(Told::default()));
}

#[test]
fn what_the_store_refuses_is_set_aside_and_the_rest_is_told() {
    let place = place();
    let mut journal = written(&place);
    let too_dear = ended(9, 1, 2_000_000_000_000_000);
    journal.append(&too_dear).unwrap();
    journal.append(&frames()[0]).unwrap();
    drop(journal);
    let mut store = MemoryStore::new();
    let told = replay_file(&place.path, Some(sealer()), &mut store).unwrap();
    assert_eq!(told.set_aside, 1);
    assert_eq!(store.verify().unwrap().cdrs, 3);
    let aside = fs::read_to_string(refused_path(&place.path)).unwrap();
    let aside: serde_json::Value = serde_json::from_str(aside.trim()).unwrap();
    assert!(aside["why"].as_str().unwrap().contains("transfer of 2000000000"), "{aside}");
    assert_eq!(aside["records"], serde_json::to_value(&too_dear).unwrap());
    assert!(!place.path.exists());
}

#[test]
fn what_the_store_does_not_take_stays() {
    fn check(fault: Fault, told: bool) {
        let place = place();
        let mut journal = written(&place);
        let mut store = MemoryStore::new();
        store.fault_at(1, fault);
        assert_eq!(journal.replay(&mut store).is_ok(), told, "{fault:?}");
        assert_eq!(journal.frames(), if told { 0 } else { 4 }, "{fault:?}");
        journal.replay(&mut store).unwrap();
        assert_eq!(store.verify().unwrap().cdrs, 3, "{fault:?}");
        assert_eq!(fs::metadata(&place.path).unwrap().len(), 0);
        journal.append(&frames()[0]).unwrap();
        assert_eq!(journal.contents().unwrap().frames, frames()[..1]);
    }
    check(Fault::Fail, false);
    check(Fault::Full, false);
    check(Fault::UnknownLost, false);
    check(Fault::UnknownApplied, true);
}

/// Cut at every byte: whole frames stay, the torn one goes, and the next append is readable.
#[test]
fn a_torn_end_is_cut_off() {
    let place = place();
    let mut ends = vec![0];
    for count in 1..=4 {
        fs::write(&place.path, []).unwrap();
        let mut journal = Journal::open(&place.path, Some(sealer())).unwrap();
        frames()[..count].iter().for_each(|records| journal.append(records).unwrap());
        ends.push(fs::metadata(&place.path).unwrap().len() as usize);
    }
    let bytes = fs::read(&place.path).unwrap();
    for cut in (0..bytes.len()).step_by(7).chain(ends.clone()) {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        // A file may have its new length already, and zeros where nothing was written yet.
        let zeros = vec![0; ends.get(whole + 1).map_or(0, |end| end - cut)];
        for fill in [&[][..], &zeros] {
            fs::write(&place.path, [&bytes[..cut], fill].concat()).unwrap();
            let mut torn = Journal::open(&place.path, Some(sealer())).unwrap();
            assert_eq!(torn.frames(), whole as u64, "cut at {cut}");
            torn.append(&frames()[1]).unwrap();
            let want = [&frames()[..whole], &frames()[1..2]].concat();
            assert_eq!(torn.contents().unwrap().frames, want, "cut at {cut}");
        }
    }
}

#[test]
fn damage_before_the_end_is_named_and_kept() {
    let place = place();
    drop(written(&place));
    let mut bytes = fs::read(&place.path).unwrap();
    bytes[40] ^= 1;
    fs::write(&place.path, &bytes).unwrap();
    let error = Journal::open(&place.path, Some(sealer())).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().ends_with("the frame at byte 0 cannot be read: its checksum is wrong")
    );
    assert_eq!(fs::read(&place.path).unwrap(), bytes);
}

#[test]
fn errors_name_the_file() {
    let error = Journal::open("/nowhere/at/all.journal", Some(sealer())).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/at/all.journal: cannot open it"), "{error}");
}
