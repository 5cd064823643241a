//! CPU of one bad packet, beside Kamailio with and without pike. Lives here: the columns and who stands in
//! them. Never here: how bad packets are made (sip_client::flood).
//!
//! | column | what comes | ours | Kamailio |
//! |---|---|---|---|
//! | garbage | 300 bytes that are no SIP | dropped by the first byte | parsing fails |
//! | malformed | a REGISTER with `CSeq: one`, from 64 addresses | default rates: beyond them dropped before parsing | parsing or the sanity check fails |
//! | malformed-400 | the same | no rate: parsed and answered | as above |
//! | banned | a REGISTER from a source that was banned as a scanner; with pike: that sends too much | dropped before parsing | parsed, then dropped |
//! | answered | a REGISTER with a good nonce and a wrong digest | no rate: verified, 403 | verified, 401; 403 when the account is locked |

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Options, Row, SERVER_CORE, Which, median, secret, user};
use crate::kamailio::Kamailio;
use crate::process;
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::flood::{Bad, Flood};

/// Addresses that the flood comes from.
const SOURCES: usize = 64;
const USERS: usize = 10_000;

/// One column, with what answers are to be expected.
struct Column {
    name: &'static str,
    bad: Bad,
    /// Its sources are banned before.
    is_banned: bool,
    /// Ours is told to hold nobody to a rate.
    is_unlimited: bool,
    /// Share of packets that both answer; `None`: it depends on rates.
    answered: [Option<bool>; 2],
}

const COLUMNS: [Column; 5] = [
    Column {
        name: "garbage",
        bad: Bad::Garbage,
        is_banned: false,
        is_unlimited: false,
        answered: [Some(false), Some(false)],
    },
    Column {
        name: "malformed",
        bad: Bad::Malformed,
        is_banned: false,
        is_unlimited: false,
        answered: [None, None],
    },
    Column {
        name: "malformed-400",
        bad: Bad::Malformed,
        is_banned: false,
        is_unlimited: true,
        answered: [None, None],
    },
    Column {
        name: "banned",
        bad: Bad::NoCredentials,
        is_banned: true,
        is_unlimited: false,
        answered: [Some(false), Some(false)],
    },
    Column {
        name: "answered",
        bad: Bad::LogIn,
        is_banned: false,
        is_unlimited: true,
        answered: [Some(true), Some(true)],
    },
];

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ringfence,
    Kamailio,
    Pike,
}

impl Side {
    const ALL: [Side; 3] = [Side::Ringfence, Side::Kamailio, Side::Pike];

    const fn name(self) -> &'static str {
        match self {
            Side::Ringfence => "ringfence",
            Side::Kamailio => "kamailio",
            Side::Pike => "kamailio+pike",
        }
    }
}

/// Kept until the end.
enum Server {
    Ringfence(Box<Ringfence>),
    Kamailio(Kamailio),
}

impl Server {
    fn start(side: Side, column: &Column, options: &Options) -> Result<Server> {
        if side == Side::Ringfence {
            let unlimited = ["stranger_rate = 1000000", "stranger_burst = 1000000"];
            let access = match column.is_unlimited {
                true => unlimited.map(str::to_owned).to_vec(),
                false => Vec::new(),
            };
            let setup = Setup {
                is_measured: true,
                core: Some(SERVER_CORE),
                screens_loopback: true,
                access,
                ..Setup::default()
            };
            let mut ringfence = Ringfence::prepare(setup)?;
            ringfence.import_lines((0..USERS).map(|index| {
                (format!("bench{}", index / 1_000), user(index), secret().to_owned())
            }))?;
            ringfence.start()?;
            return Ok(Server::Ringfence(Box::new(ringfence)));
        }
        // Where pike is not to ban, its limit is so high that it only counts.
        let defines: &[&str] = match (side, column.is_banned) {
            (Side::Pike, true) => &["PIKE_DENSITY=20"],
            (Side::Pike, false) => &[],
            _ => &["NO_PIKE"],
        };
        let children = options.kamailio_children;
        Ok(Server::Kamailio(Kamailio::registrar(9, secret(), children, SERVER_CORE, defines)?))
    }

    fn address(&self) -> SocketAddr {
        match self {
            Server::Ringfence(ringfence) => ringfence.address(),
            Server::Kamailio(kamailio) => kamailio.address(),
        }
    }

    fn process(&self) -> u32 {
        match self {
            Server::Ringfence(ringfence) => ringfence.id(),
            Server::Kamailio(kamailio) => kamailio.id(),
        }
    }
}

/// All columns, each beside Kamailio without and with pike.
pub fn rows(options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for column in &COLUMNS {
        let [ours, kamailio, pike] = measure(column, options)?;
        let name = column.name;
        rows.push(Row::new(name, "us-cpu", [ours, kamailio]).beside(Side::Kamailio.name()));
        rows.push(Row::new(name, "us-cpu", [ours, pike]).beside(Side::Pike.name()));
    }
    Ok(rows)
}

fn measure(column: &Column, options: &Options) -> Result<[Option<f64>; 3]> {
    let mut sides = Vec::new();
    for side in Side::ALL {
        let is_ours = side == Side::Ringfence;
        let which = if is_ours { Which::Ringfence } else { Which::Kamailio };
        if options.only.is_some_and(|only| only != which) {
            continue;
        }
        let server = Server::start(side, column, options)?;
        let flood = prepare(side, column, &server, options)?;
        sides.push((side, server, flood));
    }
    let mut figures: [Vec<f64>; 3] = Default::default();
    for round in 1..=options.rounds {
        for (side, server, flood) in &mut sides {
            let micros = one_round(*side, column, server, flood, options)?;
            eprintln!("  {} round {round} {:<13} {micros:7.2} us", column.name, side.name());
            figures[*side as usize].push(micros);
        }
    }
    Ok(figures.map(median))
}

/// The flood's sources, with nonces or banned, as the column wants it.
fn prepare(side: Side, column: &Column, server: &Server, options: &Options) -> Result<Flood> {
    let from = (0..SOURCES).map(|at| IpAddr::from([127, 9, 0, at as u8 + 1]));
    let mut flood = Flood::open(server.address(), from, (0..USERS).map(user).collect())?;
    let stop = AtomicBool::new(false);
    if column.bad == Bad::LogIn {
        let nonces = flood.fetch_nonces()?;
        ensure!(nonces == SOURCES, "{}: {nonces} nonces for {SOURCES} sources", side.name());
    }
    if column.is_banned {
        let (bad, seconds) = match side {
            Side::Pike => (Bad::NoCredentials, 4),
            _ => (Bad::Scan, 1),
        };
        flood.run(&[bad], options.flood_rate, Duration::from_secs(seconds), &stop)?;
    }
    // Caches and allocators are as they will be.
    flood.run(&[column.bad], options.flood_rate, Duration::from_secs(1), &stop)?;
    Ok(flood)
}

/// CPU of one packet in microseconds.
fn one_round(
    side: Side,
    column: &Column,
    server: &Server,
    flood: &mut Flood,
    options: &Options,
) -> Result<f64> {
    let stop = AtomicBool::new(false);
    if column.bad == Bad::LogIn {
        flood.forget_nonces();
        let nonces = flood.fetch_nonces()?;
        ensure!(nonces == SOURCES, "{}: {nonces} nonces for {SOURCES} sources", side.name());
    }
    let (port, process) = (server.address().port(), server.process());
    let lost_before = process::lost_by_kernel(port)?;
    let before = process::cpu_seconds(process);
    let lasts = Duration::from_secs(options.seconds as u64);
    let sent = flood.run(&[column.bad], options.flood_rate, lasts, &stop)?;
    process::pause(200);
    let used = process::cpu_seconds(process) - before;
    let lost = process::lost_by_kernel(port)? - lost_before;
    ensure!(
        lost * 200 < sent.sent as u64,
        "{}: {lost} of {} packets never reached the server: lower --flood-rate",
        side.name(),
        sent.sent
    );
    let wanted = options.flood_rate * options.seconds;
    ensure!(
        sent.sent * 10 >= wanted * 9,
        "{} packets were sent of {wanted}: lower --flood-rate",
        sent.sent
    );
    let answered = column.answered[usize::from(side != Side::Ringfence)];
    let share = sent.answers as f64 / sent.sent as f64;
    let is_right = answered.is_none_or(|all| if all { share > 0.99 } else { share < 0.001 });
    ensure!(is_right, "{}, {}: {:.1} % were answered", column.name, side.name(), share * 100.0);
    Ok(used * 1e6 / (sent.sent as u64 - lost) as f64)
}
