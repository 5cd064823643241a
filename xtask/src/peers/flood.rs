//! D4: bad packets by the ten thousand beside honest phones, on real sockets. Lives here: where the flood
//! comes from, whom it names, what the honest must not notice. Never here: what it costs (the bench).

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::SECRET;
use crate::process::{lost_by_kernel, memory_bytes, pause};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::flood::{Bad, Flood, Sent};
use crate::sip_client::honest::{Errand, Honest, Outcomes};
use crate::sip_client::{Behaviour, Carrier};

/// Bad packets a second.
const RATE: usize = 20_000;
const LASTS: Duration = Duration::from_secs(10);
const PHONES: usize = 200;
/// Honest errands a second.
const ERRANDS: [(Errand, usize); 5] = [
    (Errand::Register, 45),
    (Errand::Move, 5),
    (Errand::Call, 20),
    (Errand::Emergency, 4),
    (Errand::NewEmergency, 1),
];

/// The office that all honest phones share when the flood comes from their own address.
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 3, 0, 1));

/// From 500 other addresses: garbage, broken messages, log-ins of nobody we know.
pub fn elsewhere() -> Result<()> {
    let strangers = (0..500).map(|at| address(2, at));
    let nobody = (0..1_000).map(|at| format!("nobody{at}")).collect();
    let bad = [Bad::Garbage, Bad::LogIn, Bad::Malformed, Bad::LogIn];
    run("from other addresses", |at| address(1, at), strangers, nobody, &bad)
}

/// From other ports of the address that all honest phones share.
pub fn own_address() -> Result<()> {
    let neighbours = std::iter::repeat_n(OFFICE, 64);
    let nobody = (0..1_000).map(|at| format!("nobody{at}")).collect();
    let bad = [Bad::Garbage, Bad::LogIn, Bad::NoCredentials, Bad::Emergency];
    run("from the victims' own address", |_| OFFICE, neighbours, nobody, &bad)
}

/// Log-ins in the names of the honest, with good nonces and wrong digests: from their own address and from 500 others.
pub fn own_names() -> Result<()> {
    let others = (0..500).map(|at| address(2, at));
    let sources = std::iter::repeat_n(OFFICE, 64).chain(others);
    let victims = (0..PHONES).map(user).collect();
    run("in the victims' names", |_| OFFICE, sources, victims, &[Bad::LogIn])
}

fn user(at: usize) -> String {
    format!("honest{at}")
}

fn address(net: u8, at: usize) -> IpAddr {
    IpAddr::from([127, net, (at / 250) as u8, (at % 250) as u8 + 1])
}

fn run(
    name: &str,
    home: impl Fn(usize) -> IpAddr,
    sources: impl Iterator<Item = IpAddr>,
    named: Vec<String>,
    bad: &[Bad],
) -> Result<()> {
    let mut ringfence = Ringfence::prepare(Setup { screens_loopback: true, ..Setup::default() })?;
    let carrier = Carrier::start(|_| Behaviour::Answer(0))?;
    ringfence.add_trunk("carrier", carrier.address(), &["--emergency"])?;
    ringfence.import_lines((0..PHONES).map(|at| ("office".into(), user(at), SECRET.into())))?;
    ringfence.lift_limits("office")?;
    ringfence.start()?;
    let server = ringfence.address();
    let phones = (0..PHONES).map(|at| (user(at), home(at))).collect();
    let mut honest = Honest::open(server, SECRET, phones)?;
    let before_all = honest.register_all()?;
    ensure!(
        before_all.values().all(|one| one.done == one.tried),
        "before the flood: {before_all:?}"
    );
    let mut flood = Flood::open(server, sources, named)?;
    let nonces = flood.fetch_nonces()?;
    // Memory that comes with any load has been taken.
    honest.run(&ERRANDS, Duration::from_secs(2))?;

    let before = Figures::take(&ringfence)?;
    let stop = AtomicBool::new(false);
    let (outcomes, sent) = std::thread::scope(|scope| -> Result<(Outcomes, Sent)> {
        let attack = scope.spawn(|| flood.run(bad, RATE, Duration::from_secs(120), &stop));
        let outcomes = honest.run(&ERRANDS, LASTS);
        stop.store(true, Ordering::Relaxed);
        let sent = attack.join().ok().context("the flood's thread ended badly")??;
        Ok((outcomes?, sent))
    })?;
    pause(500);
    let after = Figures::take(&ringfence)?;
    print(name, &outcomes, &sent, nonces, &before, &after);
    judge(&outcomes, &sent, &before, &after)?;
    ringfence.command(&["doctor"])?;
    ringfence.stop()
}

/// What the server had taken up to a moment.
struct Figures {
    memory: u64,
    /// Transactions of the store, and their groups.
    written: u64,
    groups: u64,
    files: u64,
    status: Value,
    /// Datagrams that the kernel threw away before the server could read them.
    lost: u64,
}

impl Figures {
    fn take(ringfence: &Ringfence) -> Result<Figures> {
        let status = ringfence.json(&["status"])?.pop().context("a status")?;
        let count = |name: &str| status["store"][name].as_u64().context("a count of writes");
        Ok(Figures {
            memory: memory_bytes(ringfence.id()),
            written: count("written")?,
            groups: count("groups")?,
            files: size_of(&ringfence.dir().join("data"))?,
            lost: lost_by_kernel(ringfence.address().port())?,
            status,
        })
    }

    fn node(&self, name: &str) -> u64 {
        self.status["node"][name].as_u64().unwrap_or(0)
    }
}

fn size_of(dir: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(dir)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

fn print(
    name: &str,
    outcomes: &Outcomes,
    sent: &Sent,
    nonces: usize,
    before: &Figures,
    after: &Figures,
) {
    println!(
        "        {name}: {:.0} bad packets a second ({} sent, {} not taken by the system, {} answered, {nonces} nonces)",
        sent.rate(),
        sent.sent,
        sent.not_taken,
        sent.answers
    );
    for (errand, outcome) in outcomes {
        println!(
            "        {errand:?}: {} of {} ({:.2} %), {} packets sent again {:?}",
            outcome.done,
            outcome.tried,
            outcome.success() * 100.0,
            outcome.repeated,
            outcome.failures
        );
    }
    println!(
        "        memory {:+.1} MiB, {} writes in {} commits, files {:+} KiB, lost by the kernel {}, dropped {}, bans {}",
        (after.memory as f64 - before.memory as f64) / f64::from(1 << 20),
        after.written - before.written,
        after.groups - before.groups,
        (after.files as i64 - before.files as i64) / 1024,
        after.lost - before.lost,
        after.status["node"]["dropped"],
        after.node("bans"),
    );
}

fn judge(outcomes: &Outcomes, sent: &Sent, before: &Figures, after: &Figures) -> Result<()> {
    ensure!(
        sent.rate() >= RATE as f64 / 2.0,
        "this machine sent {:.0} bad packets a second beside the server: no flood",
        sent.rate()
    );
    let (mut tried, mut done) = (0, 0);
    for (errand, outcome) in outcomes {
        if matches!(errand, Errand::Emergency | Errand::NewEmergency) {
            ensure!(outcome.done == outcome.tried, "emergency calls failed: {outcome:?}");
        }
        tried += outcome.tried;
        done += outcome.done;
    }
    ensure!(tried >= 600, "only {tried} honest errands");
    let share = done as f64 / tried as f64;
    ensure!(share >= 0.999, "{:.3} % of the honest came through: {outcomes:?}", share * 100.0);
    let grown = after.memory.saturating_sub(before.memory);
    ensure!(grown <= 64 << 20, "memory grew by {grown} bytes");
    // A call is four or five writes, a moved registration one, a ban one: nothing for a bad packet.
    let written = after.written - before.written;
    ensure!(written <= 8 * tried as u64 + 2_000, "{written} writes for {tried} errands");
    let files = after.files.saturating_sub(before.files);
    ensure!(files <= 32 << 20, "the files grew by {files} bytes");
    Ok(())
}
