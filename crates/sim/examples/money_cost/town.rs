//! Whose calls they are: ten thousand accounts, a deck of twenty thousand prefixes, a carrier.

use engine::{Engine, EngineConfig};
use types::record_samples::town;
use types::{HashKey, Now, Tick, UnixMicros};

pub const ACCOUNTS: u32 = 10_000;

pub fn engine() -> (Engine, Now) {
    let now = Now { tick: Tick(0), wall: UnixMicros::from_seconds(1_795_521_600) };
    let mut config = EngineConfig::new(HashKey(1, 2));
    config.numbering.hotspots.clear();
    (Engine::new(config, &town(ACCOUNTS), now).expect("a good snapshot"), now)
}
