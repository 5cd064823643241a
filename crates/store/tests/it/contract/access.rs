//! Who may come in: former secrets, devices, lock-outs, bans. Never here: money and calls.

use store::SnapshotWindow;
use types::*;

use super::each;
use crate::samples::*;

/// Former secrets are part of their line: replaced and dropped with it.
#[test]
fn former_secrets_come_back_and_go() {
    each(|store| {
        let three = Line { former: former(&[20, 30, 40]), ..line(1, 1, "alice") };
        let (one, none) = (Line { former: former(&[50]), ..three.clone() }, Vec::new());
        let none = Line { former: none, ..three.clone() };
        for want in [three, one, none] {
            put(store, vec![Record::Line(Box::new(want.clone()))]);
            assert_eq!(store.snapshot(ALL_TIME).unwrap().lines, std::slice::from_ref(&want));
            assert_eq!(store.lines(Some(AccountId(1))).unwrap(), [want]);
        }
    });
}

#[test]
fn devices_are_kept() {
    each(|store| {
        let known = Device { state: DeviceState::Known, instance: None, ..device(2, 1) };
        let other = Device { state: DeviceState::Banned, ..device(3, 2) };
        let boxed = |device: &Device| Record::Device(Box::new(device.clone()));
        put(store, vec![boxed(&other), boxed(&device(1, 1)), boxed(&known)]);
        assert_eq!(
            store.snapshot(ALL_TIME).unwrap().devices,
            [device(1, 1), known.clone(), other.clone()]
        );
        assert_eq!(store.devices(Some(AccountId(1))).unwrap(), [device(1, 1), known.clone()]);
        assert_eq!(store.devices(Some(AccountId(9))).unwrap(), []);
        let moved =
            Device { last_seen: at(HOUR), peer: "[2001:db8::7]:5061".parse().unwrap(), ..known };
        put(store, vec![boxed(&moved), boxed(&moved)]);
        assert_eq!(store.devices(None).unwrap(), [device(1, 1), moved, other]);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

#[test]
fn lock_outs_are_kept_until_they_end() {
    each(|store| {
        let locks = lock_scopes().map(|scope| lock_out(scope, at(HOUR)));
        put(
            store,
            locks.iter().rev().map(|lock| Record::LockOut(Box::new(lock.clone()))).collect(),
        );
        assert_eq!(store.snapshot(SnapshotWindow::at(at(MINUTE))).unwrap().lock_outs, locks);
        assert_eq!(store.lock_outs().unwrap(), locks);
        for (index, lock) in locks.iter().enumerate() {
            // Longer than before, then ended, then gone: each leaves the others alone.
            let mut now: Vec<LockOut> = locks.to_vec();
            now[index] = LockOut { until: at(2 * HOUR), level: 3, ..lock.clone() };
            put(store, vec![Record::LockOut(Box::new(now[index].clone()))]);
            assert_eq!(store.lock_outs().unwrap(), now);
            let later = store.snapshot(SnapshotWindow::at(at(HOUR))).unwrap();
            assert_eq!(later.lock_outs, [now[index].clone()], "those that ended are left out");
            put(store, vec![Record::LockOutGone(lock.scope.clone())]);
            now.remove(index);
            assert_eq!(store.lock_outs().unwrap(), now);
            put(store, vec![Record::LockOut(Box::new(lock.clone()))]);
        }
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

#[test]
fn bans_are_kept_until_they_end() {
    each(|store| {
        let (v4, v6) = ("198.51.100.0/24", "2001:db8:bad::/48");
        let bans = [ban(v4, Some(at(HOUR))), ban(v6, None)];
        put(store, bans.iter().rev().map(|ban| Record::Ban(Box::new(ban.clone()))).collect());
        assert_eq!(store.snapshot(SnapshotWindow::at(at(MINUTE))).unwrap().bans, bans);
        // One that has ended is looked at for a day: the next one is longer for it.
        assert_eq!(store.snapshot(SnapshotWindow::at(at(24 * HOUR))).unwrap().bans, bans);
        assert_eq!(store.snapshot(SnapshotWindow::at(at(25 * HOUR))).unwrap().bans, bans[1..]);
        assert_eq!(store.bans().unwrap(), bans);
        let (endless, ended) = (ban(v4, None), ban(v6, Some(at(MINUTE))));
        put(store, vec![Record::Ban(Box::new(endless.clone())), Record::Ban(Box::new(ended))]);
        assert_eq!(
            store.snapshot(SnapshotWindow::at(at(25 * HOUR))).unwrap().bans,
            std::slice::from_ref(&endless)
        );
        put(
            store,
            vec![Record::BanGone(v6.parse().unwrap()), Record::BanGone(v6.parse().unwrap())],
        );
        assert_eq!(store.bans().unwrap(), [endless]);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}
