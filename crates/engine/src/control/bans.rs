//! Bans on the word of staff. Lives here: whether they make sense, carrying them out.
//! Never here: how bans are kept, who is spared (access).

use ipnet::IpNet;
use types::{Now, UnixMicros};

use super::{BanOrder, CommandError, Done, checks, field};
use crate::access::Spared;
use crate::engine::Engine;

/// Shortest prefixes that can be banned: nobody means a large part of the world.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

impl Engine {
    pub(super) fn check_ban(&self, wall: UnixMicros, order: &BanOrder) -> Result<(), CommandError> {
        let network = order.source;
        checks::network("source", &network)?;
        let widest = if network.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
        if network.prefix_len() < widest {
            return Err(field("source", format!("`{network}` is wider than /{widest}")));
        }
        if network != network.trunc() {
            let meant = network.trunc();
            return Err(field("source", format!("`{network}` is no network: is {meant} meant?")));
        }
        if !order.note.is_empty() {
            checks::note(&order.note)?;
        }
        if order.until.is_some_and(|until| until <= wall) {
            return Err(field("until", "is over already".to_owned()));
        }
        let spared = self.spared(network);
        let spared = spared.filter(|why| !(order.even_if_known && *why == Spared::Known));
        if let Some(why) = spared {
            return Err(CommandError::Spared { network, why });
        }
        if self.access.bans.has_room(network) { Ok(()) } else { Err(CommandError::NoRoom) }
    }

    pub(super) fn check_unban(&self, source: IpNet) -> Result<(), CommandError> {
        let known = self.access.bans.ban(source).map(drop);
        known.ok_or(CommandError::NotBanned(source))
    }

    pub(super) fn order_ban(&mut self, now: Now, order: BanOrder) -> Done {
        let message = match order.until {
            Some(until) => format!("{} is banned until {until}", order.source),
            None => format!("{} is banned until it is lifted", order.source),
        };
        let BanOrder { source, until, note, .. } = order;
        match self.access.bans.add_ordered(now, source, until, note) {
            Ok(records) => Done { records, message, ..Done::default() },
            // Several orders together can be more than there is room for, which was looked at one by one.
            Err(_) => Done { message: CommandError::NoRoom.to_string(), ..Done::default() },
        }
    }

    pub(super) fn lift_ban(&mut self, now: Now, source: IpNet) -> Done {
        let records = self.access.bans.lift(now, source).unwrap_or_default();
        Done { records, message: format!("the ban of {source} is lifted"), ..Done::default() }
    }
}
