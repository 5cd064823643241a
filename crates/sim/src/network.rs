//! The network between the node and its peers. Lives here: delay, loss, duplicates, reordering, by seeded dice.
//! Never here: what the messages mean.

use types::{Dice, Millis};

/// How bad the network is. Streams (TCP) have delay only: their loss shows as a closed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkFaults {
    /// Datagrams lost, per mille; at most 300.
    pub loss_per_mille: u64,
    /// Datagrams delivered twice, per mille; at most 100.
    pub duplicate_per_mille: u64,
    /// Datagrams delayed further, per mille.
    pub reorder_per_mille: u64,
    /// The most they are delayed further; at most 2 s.
    pub reorder_ms: Millis,
    /// Usual delay one way, fewest and most.
    pub delay_ms: (Millis, Millis),
}

impl NetworkFaults {
    /// Nothing goes wrong, and every datagram takes five milliseconds.
    pub const CLEAN: NetworkFaults = NetworkFaults {
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        reorder_per_mille: 0,
        reorder_ms: 0,
        delay_ms: (5, 5),
    };

    /// A network of this seed's: half of the seeds have a good one, the others up to the worst allowed.
    pub fn drawn(dice: &mut Dice) -> NetworkFaults {
        let delay_ms = (1 + dice.below(20), 25 + dice.below(100));
        if dice.chance(300) {
            return NetworkFaults { delay_ms, ..NetworkFaults::CLEAN };
        }
        // Mostly mild: with 30 % loss little else happens than retransmissions.
        let worst = if dice.chance(250) { 301 } else { 60 };
        NetworkFaults {
            loss_per_mille: dice.below(worst),
            duplicate_per_mille: dice.below(101),
            reorder_per_mille: dice.below(101),
            reorder_ms: dice.below(2_001),
            delay_ms,
        }
    }
}

/// The network, with dice of its own.
#[derive(Debug)]
pub struct Network {
    faults: NetworkFaults,
    dice: Dice,
}

impl Network {
    /// A network.
    pub fn new(faults: NetworkFaults, dice: Dice) -> Network {
        Network { faults, dice }
    }

    /// From now on as good as new: for the end of a world, when everything must come to rest.
    pub fn heal(&mut self) {
        self.faults = NetworkFaults { delay_ms: self.faults.delay_ms, ..NetworkFaults::CLEAN };
    }

    /// From now on like this.
    pub fn set(&mut self, faults: NetworkFaults) {
        self.faults = faults;
    }

    /// After how many microseconds a datagram arrives: never, once or twice.
    pub fn datagram(&mut self) -> Vec<u64> {
        let mut arrivals = Vec::with_capacity(2);
        // Dice are rolled in the same number whatever they show, so that a changed fault moves little else.
        let (lost, twice) = (
            self.dice.chance(self.faults.loss_per_mille),
            self.dice.chance(self.faults.duplicate_per_mille),
        );
        let (first, second) = (self.delay(), self.delay());
        if !lost {
            arrivals.push(first);
        }
        if twice {
            arrivals.push(second);
        }
        arrivals
    }

    /// After how many microseconds a piece of a stream arrives.
    pub fn stream(&mut self) -> u64 {
        self.usual()
    }

    fn usual(&mut self) -> u64 {
        let (fewest, most) = self.faults.delay_ms;
        (fewest + self.dice.below(most - fewest + 1)) * 1_000
    }

    fn delay(&mut self) -> u64 {
        let late = self.dice.chance(self.faults.reorder_per_mille);
        let further = self.dice.below(self.faults.reorder_ms + 1) * 1_000;
        self.usual() + if late { further } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loses_and_doubles_as_told() {
        let faults = NetworkFaults {
            loss_per_mille: 300,
            duplicate_per_mille: 100,
            reorder_per_mille: 100,
            reorder_ms: 2_000,
            delay_ms: (5, 50),
        };
        let mut network = Network::new(faults, Dice::simulated(1, 1));
        let arrivals: Vec<Vec<u64>> = (0..10_000).map(|_| network.datagram()).collect();
        let none = arrivals.iter().filter(|one| one.is_empty()).count();
        let twice = arrivals.iter().filter(|one| one.len() == 2).count();
        let latest = arrivals.iter().flatten().max().copied().unwrap_or(0);
        assert!((2_500..2_900).contains(&none), "{none} of 10,000 never came");
        assert!((600..800).contains(&twice), "{twice} of 10,000 came twice");
        assert!((1_500_000..=2_050_000).contains(&latest), "{latest} µs");
        network.heal();
        assert!((0..1_000).all(|_| network.datagram().len() == 1));
    }
}
