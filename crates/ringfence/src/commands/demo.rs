//! demo
use super::Context;
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
