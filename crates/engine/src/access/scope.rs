//! What failures are counted by. Lives here: scopes, their keys and names.
//! Never here: counts, time.

use std::hash::BuildHasher;
use types::{HashKey, LockScope, Source};

/// What a log-in has in common with a device that is known, the surest first. Whoever guesses behind the
/// same address has none of the first four, and cannot use up what is forgiven to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// It comes from exactly the socket that the device was heard from last.
    Socket,
    /// It calls itself by the device's own name (`+sip.instance`).
    Instance,
    /// It goes on with the device's Call-ID.
    Call,
    /// User-Agent, Contact and source are the device's.
    Look,
    /// It comes from the source of one of the line's devices: no more than that.
    Source,
}

impl Likeness {
    /// Stable name in lock-outs.
    pub const fn code(self) -> &'static str {
        match self {
            Likeness::Socket => "socket",
            Likeness::Instance => "instance",
            Likeness::Call => "call",
            Likeness::Look => "look",
            Likeness::Source => "source",
        }
    }
}

/// What failures are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// One user name from one source.
    SourceUser(Source, &'a str),
    /// One user name by whoever is like one of its devices in this way; the key is a hash of what they
    /// have in common.
    Device(&'a str, Likeness, u64),
    /// One source over all user names.
    Source(Source),
    /// One user name over all sources.
    User(&'a str),
}

impl Scope<'_> {
    /// Its name in tables.
    pub fn key(&self, hash: HashKey) -> u64 {
        hash.hash_one(self)
    }

    /// As it is kept.
    pub fn to_lock_scope(self) -> LockScope {
        match self {
            Scope::SourceUser(source, user) => {
                LockScope::SourceUser { source: source.network(), user: user.to_owned() }
            }
            Scope::Device(user, by, key) => {
                LockScope::Device { user: user.to_owned(), by: by.code().to_owned(), key }
            }
            Scope::Source(source) => LockScope::Source { source: source.network() },
            Scope::User(user) => LockScope::User { user: user.to_owned() },
        }
    }

    /// From what was kept; `None` if its words are not ours.
    pub fn read(kept: &LockScope) -> Option<Scope<'_>> {
        Some(match kept {
            LockScope::SourceUser { source, user } => {
                Scope::SourceUser(Source::of(source.addr()), user)
            }
            LockScope::Device { user, by, key } => {
                let all = [Likeness::Socket, Likeness::Instance, Likeness::Call, Likeness::Look];
                let by = all.into_iter().find(|likeness| likeness.code() == by)?;
                Scope::Device(user, by, *key)
            }
            LockScope::Source { source } => Scope::Source(Source::of(source.addr())),
            LockScope::User { user } => Scope::User(user),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_differ() {
        let source = Source::of([192, 0, 2, 7].into());
        let other = Source::of([192, 0, 2, 8].into());
        let scopes = [
            Scope::SourceUser(source, "alice"),
            Scope::SourceUser(other, "alice"),
            Scope::SourceUser(source, "bob"),
            Scope::Device("alice", Likeness::Look, 7),
            Scope::Device("alice", Likeness::Call, 7),
            Scope::Source(source),
            Scope::User("alice"),
        ];
        let hash = HashKey(1, 2);
        for (at, scope) in scopes.iter().enumerate() {
            let kept = scope.to_lock_scope();
            assert_eq!(Scope::read(&kept), Some(*scope), "{kept}");
            let same = scopes.iter().filter(|other| other.key(hash) == scope.key(hash)).count();
            assert_eq!(same, 1, "scope {at}");
        }
        let words = LockScope::Device { user: "alice".into(), by: "magic".into(), key: 1 };
        assert_eq!(Scope::read(&words), None);
    }
}
