//! How a message finds its transaction. Lives here: the fingerprint of a request (RFC 3261 §17.2.3),
//! our own branches (§17.1.3). Never here: the transactions.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher24Wide};
use types::HashKey;

use super::slots::Handle;
use crate::flow::{Flow, Transport};
use crate::message::{Message, Method};
use crate::tokens::{BRANCH_COOKIE, Token, read_bits};

/// What a server transaction is found by: a keyed hash, so that strangers cannot make two meet.
pub(super) type Fingerprint = u128;

/// The fingerprint of a request as if its method were `method`.
///
/// The peer's address and transport are part of it: what a stranger sends from elsewhere is never
/// part of somebody's transaction, whatever its Via says. The port is not: it moves behind a NAT.
pub(super) fn fingerprint(
    key: HashKey,
    request: &Message<'_>,
    flow: &Flow,
    method: Method<'_>,
) -> Fingerprint {
    let mut hasher = SipHasher24Wide::new_with_keys(key.0, key.1);
    let mut field = |bytes: &[u8]| {
        hasher.write(&(bytes.len() as u32).to_le_bytes());
        hasher.write(bytes);
    };
    let via = request.via();
    field(method.as_str().as_bytes());
    field(&[match flow.transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Wss => 3,
    }]);
    match flow.peer.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => field(&ip.octets()),
        std::net::IpAddr::V6(ip) => field(&ip.octets()),
    }
    field(via.host.as_bytes());
    field(&via.port.unwrap_or(0).to_le_bytes());
    match via.branch.filter(|branch| is_rfc3261_branch(branch)) {
        Some(branch) => field(branch.as_bytes()),
        None => {
            // RFC 2543: no unique branch, so everything that a retransmission and an ACK have in common.
            field(request.request_uri().unwrap_or("").as_bytes());
            field(request.call_id().as_bytes());
            field(request.from().tag().unwrap_or("").as_bytes());
            field(&request.cseq().number.to_le_bytes());
            field(via.raw.as_bytes());
        }
    }
    hasher.finish128().as_u128()
}

fn is_rfc3261_branch(branch: &str) -> bool {
    let cookie = branch.get(..BRANCH_COOKIE.len());
    branch.len() > BRANCH_COOKIE.len()
        && cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(BRANCH_COOKIE))
}

/// A branch that leads back to its client transaction without a table: the place, its generation,
/// and a keyed hash of both, so that only who saw the request can name it.
pub(super) fn branch(key: HashKey, shard: u8, handle: Handle) -> Token {
    let mut token = Token::empty();
    token.push_text(BRANCH_COOKIE);
    token.push_bits(u64::from(shard), 2);
    token.push_bits(u64::from(handle.slot), 7);
    token.push_bits(u64::from(handle.generation), 7);
    token.push_bits(proof(key, shard, handle), 13);
    token
}

/// The client transaction that a branch of ours names; `None` for every other branch.
pub(super) fn read_branch(key: HashKey, shard: u8, text: &str) -> Option<Handle> {
    let rest = text.strip_prefix(BRANCH_COOKIE)?.as_bytes();
    if rest.len() != 29 || read_bits(&rest[..2])? != u64::from(shard) {
        return None;
    }
    let slot = u32::try_from(read_bits(&rest[2..9])?).ok()?;
    let generation = u32::try_from(read_bits(&rest[9..16])?).ok()?;
    let handle = Handle { slot, generation };
    (read_bits(&rest[16..])? == proof(key, shard, handle)).then_some(handle)
}

fn proof(key: HashKey, shard: u8, handle: Handle) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key.0, key.1);
    hasher.write(b"branch");
    hasher.write(&[shard]);
    hasher.write(&handle.slot.to_le_bytes());
    hasher.write(&handle.generation.to_le_bytes());
    hasher.finish()
}

/// A keyed hash of a sent-by: its host in any case, its port or 0.
pub(super) fn sent_by_hash(key: HashKey, host: &[u8], port: u16) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key.0, key.1);
    let mut lower = [0u8; 64];
    for piece in host.chunks(lower.len()) {
        let lower = &mut lower[..piece.len()];
        lower.copy_from_slice(piece);
        lower.make_ascii_lowercase();
        hasher.write(lower);
    }
    hasher.write(&port.to_le_bytes());
    hasher.finish()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    const KEY: HashKey = HashKey(1, 2);

    #[test]
    fn branches_lead_back_and_guesses_do_not() {
        let handle = Handle { slot: 77, generation: u32::MAX };
        let ours = branch(KEY, 3, handle);
        assert!(ours.starts_with(BRANCH_COOKIE));
        assert_eq!(read_branch(KEY, 3, &ours), Some(handle));
        assert_eq!(read_branch(KEY, 4, &ours), None, "another shard");
        assert_eq!(read_branch(HashKey(1, 3), 3, &ours), None, "another key");
        for position in BRANCH_COOKIE.len()..ours.len() {
            let mut guess = ours.as_bytes().to_vec();
            guess[position] = if guess[position] == b'0' { b'1' } else { b'0' };
            let guess = String::from_utf8(guess).unwrap();
            assert_eq!(read_branch(KEY, 3, &guess), None, "{guess}");
        }
        for text in ["", "z9hG4bK", "z9hG4bK-other", &ours[..ours.len() - 1]] {
            assert_eq!(read_branch(KEY, 3, text), None, "{text}");
        }
    }
}
