//! What can be asked of a stranger's message before it is looked at: is there a binding at this socket, at
//! this source, with this Call-ID or Contact? Never here: bindings themselves (table), how marks are
//! counted (types::prints).

use std::net::{IpAddr, SocketAddr};

use types::Source;

use crate::flow::Transport;

/// Something that a binding has, perhaps with others.
#[derive(Clone, Copy, Hash)]
pub(super) enum Mark<'a> {
    /// The peer's socket.
    Socket(Transport, SocketAddr),
    /// The peer's source.
    Source(Source),
    /// A Call-ID or a Contact, as heard from this source.
    Face(Source, &'a str),
}

impl<'a> Mark<'a> {
    pub fn socket(transport: Transport, peer: SocketAddr) -> Mark<'a> {
        Mark::Socket(transport, peer)
    }

    pub fn source(peer: IpAddr) -> Mark<'a> {
        Mark::Source(Source::of(peer))
    }

    pub fn face(peer: IpAddr, text: &'a str) -> Mark<'a> {
        Mark::Face(Source::of(peer), text)
    }
}

#[cfg(test)]
mod tests {
    use types::{HashKey, Prints};

    use super::*;

    #[test]
    fn what_many_have_is_known_until_the_last_is_gone() {
        let mut marks = Prints::new(HashKey(1, 2));
        let at = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (first, second) = (Mark::source(at("192.0.2.1")), Mark::source(at("192.0.2.2")));
        marks.add(first);
        marks.add(first);
        assert!(marks.has(first) && !marks.has(second));
        marks.remove(first);
        marks.remove(second);
        assert!(marks.has(first));
        assert!(marks.has(Mark::source(at("::ffff:192.0.2.1"))));
        marks.remove(first);
        assert!(!marks.has(first) && marks.is_empty());
        marks.add(Mark::source(at("2001:db8::1")));
        assert!(marks.has(Mark::source(at("2001:db8::ffff:1"))));
        assert!(!marks.has(Mark::source(at("2001:db8:0:1::1"))));
        marks.add(Mark::face(at("192.0.2.1"), "call"));
        assert!(marks.has(Mark::face(at("192.0.2.1"), "call")));
        assert!(!marks.has(Mark::face(at("192.0.2.2"), "call")));
    }
}
