//! Names by which the wire finds a call again without a hash table. Lives here: call keys, what a
//! transaction belongs to, our dialog tags. Never here: calls.

use std::fmt::Write as _;

use crate::tokens::Tokens;

/// Where a call lives in the node's slab, and which tenant of that place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// Index in the slab.
    pub slot: u32,
    /// Counts the tenants of the slot.
    pub generation: u16,
}

/// Which side of a call. The caller's dialog is the a-leg, the called side's the b-leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The a-leg.
    Caller,
    /// The b-leg.
    Callee,
}

impl Side {
    /// The opposite side.
    pub const fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// What a transaction of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The caller's INVITE.
    CallerInvite,
    /// The INVITE of a leg.
    LegInvite(u8),
    /// A request within the dialog, towards this side; the number names the relay.
    Relay(Side, u8),
    /// A BYE towards this side.
    Bye(Side),
    /// Nothing waits for it.
    Nothing,
}

/// The user value of a transaction: its call and its purpose in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The call.
    pub call: CallKey,
    /// What it is for.
    pub purpose: Purpose,
}

impl User {
    /// Top bit of a user value that belongs to no call: the node uses the rest as it likes.
    pub const FOREIGN: u64 = 1 << 63;

    /// The value of a transaction that nobody waits for: it names a place where no call ever lives.
    pub const NOBODY: u64 =
        User { call: CallKey { slot: u32::MAX, generation: u16::MAX }, purpose: Purpose::Nothing }
            .pack();

    /// As 64 bits: slot, generation, kind, index. The top bit stays clear.
    pub const fn pack(self) -> u64 {
        let (kind, index) = match self.purpose {
            Purpose::Nothing => (0, 0),
            Purpose::CallerInvite => (1, 0),
            Purpose::LegInvite(leg) => (2, leg),
            Purpose::Relay(Side::Caller, id) => (3, id),
            Purpose::Relay(Side::Callee, id) => (4, id),
            Purpose::Bye(Side::Caller) => (5, 0),
            Purpose::Bye(Side::Callee) => (6, 0),
        };
        (kind as u64) << 56
            | (index as u64) << 48
            | (self.call.generation as u64) << 32
            | self.call.slot as u64
    }

    /// Back from 64 bits; `None` for a foreign value.
    pub const fn unpack(user: u64) -> Option<User> {
        let index = (user >> 48) as u8;
        let purpose = match user >> 56 {
            0 => Purpose::Nothing,
            1 => Purpose::CallerInvite,
            2 => Purpose::LegInvite(index),
            3 => Purpose::Relay(Side::Caller, index),
            4 => Purpose::Relay(Side::Callee, index),
            5 => Purpose::Bye(Side::Caller),
            6 => Purpose::Bye(Side::Callee),
            _ => return None,
        };
        let call = CallKey { slot: user as u32, generation: (user >> 32) as u16 };
        Some(User { call, purpose })
    }
}

/// A tag of ours: the call's place, the side, the fork or leg, and an unguessable token.
pub fn local_tag(tokens: &mut Tokens, call: CallKey, side: Side, index: u8) -> String {
    let letter = match side {
        Side::Caller => 'a',
        Side::Callee => 'b',
    };
    let mut tag = String::with_capacity(32);
    write!(tag, "{:x}.{:x}.{letter}{index:x}.{}", call.slot, call.generation, tokens.tag())
        .expect("writing to a String cannot fail");
    tag
}

/// The call, side and index of a tag that looks like ours. Whether it *is* ours shows the
/// comparison with the tag that the call keeps.
pub fn read_tag(tag: &str) -> Option<(CallKey, Side, u8)> {
    let mut parts = tag.splitn(4, '.');
    let slot = u32::from_str_radix(parts.next()?, 16).ok()?;
    let generation = u16::from_str_radix(parts.next()?, 16).ok()?;
    let place = parts.next()?;
    parts.next()?;
    let side = match place.as_bytes().first()? {
        b'a' => Side::Caller,
        b'b' => Side::Callee,
        _ => return None,
    };
    let index = u8::from_str_radix(place.get(1..)?, 16).ok()?;
    Some((CallKey { slot, generation }, side, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_values_unpack() {
        let call = CallKey { slot: 0xDEAD_BEEF, generation: 0xCAFE };
        let purposes = [
            Purpose::Nothing,
            Purpose::CallerInvite,
            Purpose::LegInvite(7),
            Purpose::Relay(Side::Caller, 255),
            Purpose::Relay(Side::Callee, 0),
            Purpose::Bye(Side::Caller),
            Purpose::Bye(Side::Callee),
        ];
        for purpose in purposes {
            let user = User { call, purpose };
            assert_eq!(User::unpack(user.pack()), Some(user));
        }
        assert_eq!(User::unpack(User::FOREIGN | 5), None);
    }

    #[test]
    fn reads_tags() {
        fn check(tag: &str, want: Option<(u32, u16, Side, u8)>) {
            let got =
                read_tag(tag).map(|(key, side, index)| (key.slot, key.generation, side, index));
            assert_eq!(got, want, "{tag}");
        }
        check("1f.2.a0.x", Some((31, 2, Side::Caller, 0)));
        check("0.ffff.b1a.tok.en", Some((0, 65535, Side::Callee, 26)));
        check("1f.2.c0.x", None);
        check("1f.2.a0", None);
        check("1f.2.a.x", None);
        check("1f.2.aé.x", None);
        check("", None);
        check("100000000.0.a0.x", None);
    }
}
