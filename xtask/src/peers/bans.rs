//! Bans on real sockets, and in real firewalls: nft and ipset in a network of their own. Lives here: who is
//! banned, what the firewalls hold afterwards. Never here: rules of a firewall that use the sets.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::until;
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::flood::{Bad, Flood};
use crate::sip_client::{Behaviour, Carrier, Wire, options};

const SCANNER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 8, 0, 1));
const BYSTANDER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 8, 0, 2));

/// A scanner is banned at once, through kill -9, until it is lifted; trunks cannot be; both firewalls take the sets.
pub fn reach_firewalls() -> Result<()> {
    let mut ringfence = Ringfence::prepare(Setup { screens_loopback: true, ..Setup::default() })?;
    let carrier = Carrier::start(|_| Behaviour::Answer(0))?;
    ringfence.add_trunk("carrier", carrier.address(), &[])?;
    ringfence.start()?;
    ensure!(is_heard(&ringfence, SCANNER)?, "nobody is banned yet");
    let mut flood =
        Flood::open(ringfence.address(), std::iter::once(SCANNER), vec!["100".to_owned()])?;
    flood.run(&[Bad::Scan], 100, Duration::from_millis(100), &AtomicBool::new(false))?;
    let banned = until(Duration::from_secs(5), "the scanner is banned", || {
        ringfence.json(&["ban", "list"]).ok().filter(|bans| !bans.is_empty())
    })?;
    ensure!(
        banned[0]["source"] == "127.8.0.1/32" && banned[0]["reason"] == "scanner",
        "{banned:?}"
    );
    ensure!(!is_heard(&ringfence, SCANNER)?, "a banned scanner is heard");
    ensure!(is_heard(&ringfence, BYSTANDER)?, "its neighbour is not");

    ringfence.command(&["ban", "add", "198.51.100.0/24", "--for", "1h", "--note", "noise"])?;
    ringfence.command(&["ban", "add", "198.51.100.9", "--forever"])?;
    ringfence.command(&["ban", "add", "2001:db8:7::/64", "--forever"])?;
    let refused = ringfence.command(&["ban", "add", "127.0.0.0/16", "--forever"]);
    ensure!(refused.is_err_and(|error| error.to_string().contains("trunk")), "a trunk was banned");

    until(Duration::from_secs(5), "the scanner's ban is on disk", || {
        (ringfence.json(&["status"]).ok()?.pop()?["store"]["queued"] == 0).then_some(())
    })?;
    ringfence.kill()?;
    firewalls(&ringfence)?;
    ringfence.start()?;
    ensure!(!is_heard(&ringfence, SCANNER)?, "a banned scanner is heard after kill -9");
    firewalls(&ringfence)?;
    ringfence.command(&["ban", "lift", "all"])?;
    ensure!(is_heard(&ringfence, SCANNER)?, "a lifted ban still holds");
    ensure!(ringfence.command(&["ban", "list", "--format", "plain"])?.is_empty(), "bans are left");
    ringfence.stop()
}

fn is_heard(ringfence: &Ringfence, from: IpAddr) -> Result<bool> {
    let mut wire = Wire::udp(from, ringfence.address())?;
    let text = options(ringfence.address(), wire.local(), "UDP", "are-you-there-or-not");
    wire.send(text.as_bytes())?;
    Ok(wire.receive(Duration::from_millis(300))?.is_some())
}

/// What nft and ipset say that they hold, after the exported sets were loaded twice.
fn firewalls(ringfence: &Ringfence) -> Result<()> {
    let plain = ringfence.command(&["ban", "list", "--format", "plain"])?;
    ensure!(plain == "127.8.0.1\n198.51.100.0/24\n2001:db8:7::/64\n", "{plain}");
    let load = |format: &str, script: &str| -> Result<String> {
        let file = ringfence.dir().join(format);
        std::fs::write(&file, ringfence.command(&["ban", "list", "--format", format])?)?;
        let output = Command::new("unshare")
            .args(["-n", "sh", "-e", "-c", script, "sh"])
            .arg(&file)
            .output()
            .context("cannot make a network")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{format}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let nft = load("nft", "nft -c -f $1; nft -f $1; nft -f $1; nft list ruleset")?;
    for wanted in ["127.8.0.1 timeout 1", "198.51.100.0/24 timeout ", "2001:db8:7::/64 }"] {
        ensure!(nft.contains(wanted), "nft holds no `{wanted}`:\n{nft}");
    }
    let ipset = load("ipset", "ipset restore < $1; ipset restore < $1; ipset list")?;
    for wanted in
        ["\n127.8.0.1 timeout ", "\n198.51.100.0/24 timeout 3", "\n2001:db8:7::/64 timeout 0"]
    {
        ensure!(ipset.contains(wanted), "ipset holds no `{wanted}`:\n{ipset}");
    }
    Ok(())
}
