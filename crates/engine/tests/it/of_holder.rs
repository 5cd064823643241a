//! What a holder does about trouble, as a command: kept as it is, and nothing else in his name.

use engine::Command;
use types::{AccountId, Fact, Record, UnixMicros};

use crate::world::{ALICE, World};

#[test]
fn what_a_holder_does_about_trouble_is_kept_and_nothing_else_in_his_name() {
    let mut world = World::new();
    let mut check = |fact: Fact, want: bool| {
        let command = Command::KeepOfHolder(Box::new(fact.clone()));
        let done = world.engine.command(world.now, command);
        assert_eq!(done.is_ok(), want, "{fact:?}: {done:?}");
        if let Ok(done) = done {
            assert_eq!(done.records, [Record::Fact(world.now.wall, fact)]);
        }
    };
    let by = || "alice@example.com".to_owned();
    let started = |account, by| Fact::RecoveryStarted { account, recovery: 1, by };
    check(started(ALICE, by()), true);
    check(started(AccountId(99), by()), false);
    check(started(ALICE, String::new()), false);
    let said = |word, words: &str| {
        let (step, words) = (types::RecoveryStep::Mail, words.to_owned());
        Fact::RecoveryStepSaid { account: ALICE, recovery: 1, step, word, by: by(), words }
    };
    check(said(types::StepWord::Done, ""), true);
    check(said(types::StepWord::Skipped, "no time"), true);
    check(said(types::StepWord::Skipped, ""), false);
    check(said(types::StepWord::Done, "a\nb"), false);
    let ended = |why: &str| Fact::RecoveryEnded {
        account: ALICE,
        recovery: 1,
        by: by(),
        why: why.to_owned(),
    };
    check(ended("it was my son"), true);
    check(ended(""), false);
    let report = types::recovery::sample(ALICE, world_time());
    let reported = |account, report: &types::RecoveryReport| Fact::RecoveryReported {
        account,
        report: Box::new(report.clone()),
    };
    check(reported(ALICE, &report), true);
    check(reported(AccountId(99), &report), false);
    let mut much = report.clone();
    much.calls = vec![report.calls[0].clone(); types::recovery::MOST_REPORTED_CALLS + 1];
    check(reported(ALICE, &much), false);
    let mut long = report;
    long.words = "x".repeat(4_001);
    check(reported(ALICE, &long), false);
    let point = types::CheckPoint::Malware;
    check(Fact::CheckUpSaid { account: ALICE, point, is_done: true, by: by() }, true);
    let open = types::OpenPort { is_udp: false, port: 80, says: String::new() };
    let ports = |count| Fact::PortsChecked {
        account: ALICE,
        address: [203, 0, 113, 9].into(),
        by: by(),
        tried: 14,
        open: vec![open.clone(); count],
    };
    check(ports(14), true);
    check(ports(65), false);
    check(Fact::Stopped, false);
    check(Fact::AccountChanged { account: ALICE, change: "status".to_owned() }, false);
}

fn world_time() -> UnixMicros {
    UnixMicros::from_seconds(1_795_313_640)
}
