//! Measures Ringfence beside Kamailio: the same work, the same generator, the same machine, in turn; and its money
//! beside a naive ledger.
//! Lives here: what is measured and how it is printed. Never here: what the servers do.

mod call;
mod flood;
mod pages;
mod register;
mod wire;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use nix::sys::socket::{setsockopt, sockopt};

use crate::digest::Answer;
use crate::kamailio::Kamailio;
use crate::process;
use crate::ringfence::{Ringfence, Setup};
use crate::shell_out::cargo;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// CPU of one registration: challenge and answered REGISTER.
    Register,
    /// CPU of one completed call with digest.
    Call,
    /// Memory for 100,000 bindings.
    Memory,
    /// CPU of one bad packet: garbage, malformed, from a banned source, a bad log-in answered.
    Flood,
    /// Holding money on disk: calls a second, CPU and p99 of each step, against memory and a naive ledger.
    Money,
    /// CPU of each page for an account with 100,000 calls beside one with 1,000; a start with 300,000 people signed in.
    Pages,
}

/// `cargo xtask bench`
#[derive(Args, Debug)]
pub struct Options {
    /// What to measure; everything when none is named.
    names: Vec<Name>,
    /// One JSON object a line: bench, unit, ours, peer, peer_name, ratio.
    #[arg(long)]
    json: bool,
    /// Rounds for each server, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load in each round.
    #[arg(long, default_value_t = 4)]
    seconds: usize,
    /// Registrations a second.
    #[arg(long, default_value_t = 10_000)]
    register_rate: u32,
    /// Calls a second.
    #[arg(long, default_value_t = 2_000)]
    call_rate: u32,
    /// Bad packets a second.
    #[arg(long, default_value_t = 20_000)]
    flood_rate: usize,
    /// Worker processes of Kamailio; on one core it needs least CPU with two.
    #[arg(long, default_value_t = 2)]
    kamailio_children: u32,
    /// Measure one server only, to look closer.
    #[arg(long)]
    only: Option<Which>,
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Ours.
    Ringfence,
    /// The peer.
    Kamailio,
}

const USERS: usize = 10_000;
const BINDINGS: usize = 100_000;
/// Most operations under way at once: a server that is kept waiting for its core loses no packet.
const WINDOW: usize = 400;
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// What a generator saw.
#[derive(Debug, Default)]
pub struct Tally {
    completed: usize,
    failed: usize,
    repeated: usize,
    seconds: f64,
    unexpected: BTreeMap<String, usize>,
}

impl Tally {
    fn unexpected(&mut self, what: &str) {
        *self.unexpected.entry(what.to_owned()).or_default() += 1;
    }

    /// An error unless everything went as it should.
    fn clean(self, server: &str) -> Result<Tally> {
        if self.failed > 0 || !self.unexpected.is_empty() {
            bail!("{server}: {self:?}");
        }
        Ok(self)
    }
}

fn user(index: usize) -> String {
    format!("u{index:06}")
}

fn secret() -> &'static str {
    "bench-4711-only-on-loopback"
}

fn answer<'a>(user: &'a str, method: &'a str, uri: &'a str) -> Answer<'a> {
    Answer { user, secret: secret(), method, uri, nc: 1, cnonce: "0a4f113b" }
}

fn enlarge(socket: &UdpSocket) -> Result<()> {
    let _ = setsockopt(socket, sockopt::RcvBufForce, &(8 << 20));
    let _ = setsockopt(socket, sockopt::SndBufForce, &(8 << 20));
    Ok(())
}

fn send(socket: &UdpSocket, bytes: &[u8]) -> Result<()> {
    retry(|| socket.send(bytes))
}

fn send_to(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> Result<()> {
    retry(|| socket.send_to(bytes, to))
}

fn retry(mut send: impl FnMut() -> std::io::Result<usize>) -> Result<()> {
    loop {
        match send() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot send"),
        }
    }
}

/// A server under measurement.
struct Server {
    which: Which,
    address: SocketAddr,
    process: u32,
    carrier: Option<UdpSocket>,
    alive: Alive,
}

enum Alive {
    Ringfence(Box<Ringfence>),
    Kamailio(#[expect(dead_code, reason = "kept until the end")] Kamailio),
}

impl Server {
    fn start(which: Which, options: &Options, users: usize) -> Result<Server> {
        let carrier = UdpSocket::bind("127.0.0.1:0")?;
        let carrier_address = carrier.local_addr()?;
        let (address, process, alive) = match which {
            Which::Kamailio => {
                let kamailio = Kamailio::registrar(
                    carrier_address.port(),
                    secret(),
                    options.kamailio_children,
                    SERVER_CORE,
                    &[],
                )?;
                (kamailio.address(), kamailio.id(), Alive::Kamailio(kamailio))
            }
            Which::Ringfence => {
                let setup =
                    Setup { core: Some(SERVER_CORE), screens_loopback: true, ..Setup::default() };
                let mut ringfence = Ringfence::prepare(setup)?;
                ringfence.add_trunk("carrier", carrier_address, &["--emergency"])?;
                ringfence.import_lines((0..users).map(|index| {
                    (format!("bench{}", index / 1_000), user(index), secret().to_owned())
                }))?;
                // Only calls meet limits; 100,000 lines are for registrations only.
                for account in 0..(if users > USERS { 0 } else { users.div_ceil(1_000) }) {
                    ringfence.lift_limits(&format!("bench{account}"))?;
                }
                ringfence.start()?;
                (ringfence.address(), ringfence.id(), Alive::Ringfence(Box::new(ringfence)))
            }
        };
        Ok(Server { which, address, process, carrier: Some(carrier), alive })
    }

    fn name(&self) -> &'static str {
        match self.which {
            Which::Ringfence => "ringfence",
            Which::Kamailio => "kamailio",
        }
    }
}

/// Starts what is to be measured, ours first.
fn servers(options: &Options, users: usize) -> Result<Vec<Server>> {
    [Which::Ringfence, Which::Kamailio]
        .into_iter()
        .filter(|which| options.only.is_none_or(|only| only == *which))
        .map(|which| Server::start(which, options, users))
        .collect()
}

/// One line of the result.
#[derive(serde::Serialize)]
struct Row {
    bench: &'static str,
    unit: &'static str,
    ours: Option<f64>,
    peer: Option<f64>,
    peer_name: &'static str,
    ratio: Option<f64>,
}

impl Row {
    fn new(bench: &'static str, unit: &'static str, figures: [Option<f64>; 2]) -> Row {
        let [ours, peer] = figures.map(|figure| figure.map(round));
        let ratio = ours.zip(peer).map(|(ours, peer)| round(ours / peer));
        Row { bench, unit, ours, peer, peer_name: "kamailio", ratio }
    }

    /// Beside a peer of another name.
    fn beside(self, peer_name: &'static str) -> Row {
        Row { peer_name, ..self }
    }

    fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let show = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| figure.to_string());
        println!(
            "{:<15} ringfence {:>9} {}   {} {:>9} {}   ratio {}",
            self.bench,
            show(self.ours),
            self.unit,
            self.peer_name,
            show(self.peer),
            self.unit,
            show(self.ratio)
        );
        Ok(())
    }
}

fn round(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// Runs the benches; a build without optimisation hands over to one with, so that the load keeps up.
pub fn start(options: &Options) -> Result<()> {
    if !cfg!(debug_assertions) {
        return run(options);
    }
    if options.names == [Name::Money] {
        return money(options);
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--"]);
    let status = command.args(std::env::args_os().skip(1)).status()?;
    anyhow::ensure!(status.success(), "the bench failed");
    Ok(())
}

fn run(options: &Options) -> Result<()> {
    let wanted = |name| options.names.is_empty() || options.names.contains(&name);
    // It has threads of its own, which share no core with a load.
    if wanted(Name::Money) {
        money(options)?;
    }
    if wanted(Name::Pages) {
        for row in pages::rows(options.rounds)? {
            row.print(options.json)?;
        }
    }
    process::pin_self(LOAD_CORE)?;
    if wanted(Name::Register) {
        cpu_of_registrations(options)?.print(options.json)?;
    }
    if wanted(Name::Call) {
        cpu_of_calls(options)?.print(options.json)?;
    }
    if wanted(Name::Memory) {
        for row in memory_of_bindings(options)? {
            row.print(options.json)?;
        }
    }
    if wanted(Name::Flood) {
        for row in flood::rows(options)? {
            row.print(options.json)?;
        }
    }
    Ok(())
}

/// Engine, writer and store are measured by a program that may use them: the walls keep them from us.
fn money(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "sim",
        "--example",
        "money_cost",
        "--",
    ]);
    command.args(["--rounds", &options.rounds.to_string()]);
    command.args(options.json.then_some("--json"));
    let status = command.status()?;
    anyhow::ensure!(status.success(), "the bench of money failed");
    Ok(())
}

fn cpu_of_registrations(options: &Options) -> Result<Row> {
    let servers = servers(options, USERS)?;
    let mut loads = Vec::new();
    for server in &servers {
        let mut load = register::Registrations::new(server.address, USERS)?;
        load.run(USERS, options.register_rate)?.clean(server.name())?;
        loads.push(load);
    }
    let count = options.register_rate as usize * options.seconds;
    let figures = in_turn(options, &servers, |at| loads[at].run(count, options.register_rate))?;
    Ok(Row::new("register", "us-cpu", figures))
}

fn cpu_of_calls(options: &Options) -> Result<Row> {
    let mut servers = servers(options, USERS)?;
    let mut loads = Vec::new();
    for server in &mut servers {
        let carrier = server.carrier.take().context("the carrier's socket is taken once")?;
        let mut load = call::Calls::new(server.address, carrier, USERS)?;
        load.run(options.call_rate as usize, options.call_rate)?.clean(server.name())?;
        loads.push(load);
    }
    let count = options.call_rate as usize * options.seconds;
    let figures = in_turn(options, &servers, |at| loads[at].run(count, options.call_rate))?;
    for server in &servers {
        if let Alive::Ringfence(ringfence) = &server.alive {
            let placed = options.call_rate as usize + count * options.rounds;
            all_recorded(ringfence, placed)?;
        }
    }
    Ok(Row::new("call", "us-cpu", figures))
}

/// A figure for calls that were not priced and written would be worth nothing: each has its record, none is left open.
fn all_recorded(ringfence: &Ringfence, placed: usize) -> Result<()> {
    let records = process::until(Duration::from_secs(10), "every call has its record", || {
        ringfence.calls().ok().filter(|records| records.len() >= placed)
    })?;
    let priced = |record: &&serde_json::Value| {
        !record["answered"].is_null() && crate::money::micros(&record["price"]).unwrap_or(0) > 0
    };
    let priced = records.iter().filter(priced).count();
    anyhow::ensure!(
        records.len() == placed && priced == placed,
        "{placed} calls were placed, {} recorded, {priced} priced",
        records.len()
    );
    let live = ringfence.json(&["calls", "--live"])?.len();
    anyhow::ensure!(live == 0, "{live} calls are still live");
    ringfence.command(&["doctor"]).map(drop)
}

/// Loads the servers in turn; the median CPU time of one operation in microseconds, ours and the peer's.
fn in_turn(
    options: &Options,
    servers: &[Server],
    mut load: impl FnMut(usize) -> Result<Tally>,
) -> Result<[Option<f64>; 2]> {
    let mut figures: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for round in 1..=options.rounds {
        for (at, server) in servers.iter().enumerate() {
            let before = process::cpu_seconds(server.process);
            let threads = process::cpu_by_thread(server.process);
            let tally = load(at)?.clean(server.name())?;
            settle(server);
            let used = process::cpu_seconds(server.process) - before;
            let micros = used * 1e6 / tally.completed as f64;
            eprintln!(
                "  round {round} {:<9} {micros:7.2} us ({} in {:.1} s, {} answers repeated)",
                server.name(),
                tally.completed,
                tally.seconds,
                tally.repeated
            );
            if server.which == Which::Ringfence {
                eprintln!("           {}", by_thread(server.process, &threads, tally.completed));
            }
            figures[usize::from(server.which == Which::Kamailio)].push(micros);
        }
    }
    Ok(figures.map(median))
}

/// How the CPU time of one operation spreads over the threads.
fn by_thread(id: u32, before: &BTreeMap<String, f64>, operations: usize) -> String {
    let parts = process::cpu_by_thread(id).into_iter().map(|(name, seconds)| {
        let used = seconds - before.get(&name).unwrap_or(&0.0);
        format!("{name} {:.2} us", used * 1e6 / operations as f64)
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Waits until what the load left behind (late writes, timers) has been done: its CPU time counts as well.
fn settle(server: &Server) {
    let mut last = process::cpu_seconds(server.process);
    for _ in 0..10 {
        process::pause(100);
        let now = process::cpu_seconds(server.process);
        if now - last < 0.005 {
            return;
        }
        last = now;
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(figures[middle]),
        _ => Some((figures[middle - 1] + figures[middle]) / 2.0),
    }
}

/// Growth of memory by 100,000 bindings, and all of it afterwards, in MiB.
fn memory_of_bindings(options: &Options) -> Result<[Row; 2]> {
    let mut growth = [None, None];
    let mut total = [None, None];
    for server in servers(options, BINDINGS)? {
        process::pause(500);
        let before = process::memory_bytes(server.process);
        let mut load = register::Registrations::new(server.address, BINDINGS)?;
        load.run(BINDINGS, options.register_rate / 2)?.clean(server.name())?;
        process::pause(Duration::from_secs(1).as_millis() as u64);
        let after = process::memory_bytes(server.process);
        let at = usize::from(server.which == Which::Kamailio);
        growth[at] = Some((after.saturating_sub(before)) as f64 / f64::from(1 << 20));
        total[at] = Some(after as f64 / f64::from(1 << 20));
    }
    Ok([Row::new("memory", "MiB", growth), Row::new("memory-total", "MiB", total)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        fn check(figures: &[f64], want: Option<f64>) {
            assert_eq!(median(figures.to_vec()), want, "{figures:?}");
        }
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[9.0, 1.0, 2.0], Some(2.0));
        check(&[4.0, 1.0, 2.0, 9.0], Some(3.0));
    }
}
