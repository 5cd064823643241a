//! Where somebody can be reached. Lives here: what is an address, a URL, a number; which networks are nobody's business.
//! Never here: sending.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::{Channel, E164};
use ureq::http::Uri;

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a mail address.
    #[error("`{0}` is not a mail address: expected one like alice@example.com")]
    Mail(String),
    /// Not a URL, or not one that is called.
    #[error("`{0}` is not a URL that can be called: {1}")]
    Url(String, &'static str),
    /// Not a number.
    #[error("`{0}` is not a number for SMS: expected one like +447700900123")]
    Number(String),
}

/// A mail address (RFC 5321 §4.1.2, without comments and quoted parts).
pub fn mail(text: &str) -> Result<Channel, AddressError> {
    let wrong = || AddressError::Mail(text.escape_debug().to_string());
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_good = !local.is_empty()
        && local.len() <= 64
        && text.len() <= 254
        && local.chars().all(is_local)
        && !domain.is_empty()
        && domain.chars().all(is_domain)
        && !domain.starts_with(['.', '-'])
        && !domain.ends_with(['.', '-']);
    // What passes here is what the mail library takes, too.
    let is_good = is_good && text.parse::<lettre::Address>().is_ok();
    if is_good { Ok(Channel::Mail { address: text.to_owned() }) } else { Err(wrong()) }
}

/// A URL that is called: http or https, a host, no user and no fragment.
pub fn url(text: &str) -> Result<Uri, AddressError> {
    let wrong = |why| AddressError::Url(text.chars().take(40).collect(), why);
    if text.len() > 2_000 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong("it is too long, or has spaces"));
    }
    if text.contains('#') {
        return Err(wrong("what follows # is never sent"));
    }
    let uri: Uri = text.parse().map_err(|_| wrong("expected one like https://example.com/hook"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("expected https:// or http://"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("a user or password does not belong into it"));
    }
    if authority.host().is_empty() {
        return Err(wrong("it has no host"));
    }
    Ok(uri)
}

/// A webhook.
pub fn webhook(text: &str, template: Option<String>) -> Result<Channel, AddressError> {
    url(text).map(|_| Channel::Webhook { url: text.to_owned(), template })
}

/// A number for SMS.
pub fn sms(text: &str) -> Result<Channel, AddressError> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    match E164::from_digits(digits) {
        Ok(number) if digits.len() >= 7 => Ok(Channel::Sms { number: number.to_string() }),
        _ => Err(AddressError::Number(text.escape_debug().to_string())),
    }
}

/// Is it an address of the world, and not of ourselves, our network, or of no use? The registries of special addresses
/// (RFC 6890 and what came after it), and addresses of IPv4 within IPv6 in every form.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), protocol assignments, 6to4 relays, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, _, _, _, g, h] = ip.segments();
    let low = Ipv4Addr::from((u32::from(g) << 16) | u32::from(h));
    // ::ffff:a.b.c.d, ::a.b.c.d, 64:ff9b::a.b.c.d, 2002:ab:cd::: somebody reaches that address of IPv4.
    if ip.to_ipv4_mapped().is_some() || (a, b) == (0x64, 0xff9b) {
        return is_public_v4(low) && c != 1;
    }
    if a == 0x2002 {
        return is_public_v4(Ipv4Addr::from((u32::from(b) << 16) | u32::from(c)));
    }
    // Only 2000::/3 is given out; of it not Teredo and other protocols (2001::/23), and documentation.
    let is_special =
        (a == 0x2001 && b < 0x200) || (a, b) == (0x2001, 0xdb8) || (a == 0x3fff && b < 0x1000);
    (a & 0xe000) == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_can_be_written_to() {
        fn check(text: &str, want: bool) {
            assert_eq!(mail(text).is_ok(), want, "{text:?}");
        }
        check("alice@example.com", true);
        check("alice+rings@mail.example.co.uk", true);
        check("o'brien@example.com", true);
        check("alice", false);
        check("@example.com", false);
        check("alice@", false);
        check("alice@-example.com", false);
        check("alice@example.com\r\nBcc: eve@example.com", false);
        check("Alice <alice@example.com>", false);
        check("alice@exa mple.com", false);
        check("alice@example.com,eve@example.com", false);
        check(&format!("{}@example.com", "a".repeat(65)), false);
    }

    #[test]
    fn urls_are_those_that_can_be_called() {
        fn check(text: &str, want: bool) {
            assert_eq!(url(text).is_ok(), want, "{text:?}");
        }
        check("https://example.com/hook?x=1", true);
        check("http://example.com:8080", true);
        check("https://[2606:4700::1111]/", true);
        check("ftp://example.com/", false);
        check("file:///etc/passwd", false);
        check("gopher://example.com/", false);
        check("https:///path", false);
        check("https://user:pass@example.com/", false);
        check("https://example.com/#x", false);
        check("https://example.com/\r\nX: y", false);
        check("https://exam ple.com/", false);
        check("/hook", false);
        check("example.com", false);
    }

    #[test]
    fn numbers_have_their_country() {
        assert_eq!(sms("+447700900123"), Ok(Channel::Sms { number: "+447700900123".to_owned() }));
        for bad in ["07700900123", "+44", "+44 7700 900123", "+0447700900123", ""] {
            assert!(sms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn private_networks_are_known_in_every_form() {
        fn check(text: &str, want: bool) {
            let ip: IpAddr = text.parse().expect("an address");
            assert_eq!(is_public(ip), want, "{text}");
        }
        for public in ["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"] {
            check(public, true);
            check(&format!("::ffff:{public}"), true);
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            check(private, false);
            check(&format!("::ffff:{private}"), false);
            check(&format!("::{private}"), false);
            check(&format!("64:ff9b::{private}"), false);
        }
        check("2606:4700::1111", true);
        check("64:ff9b::1.1.1.1", true);
        check("2002:101:101::1", true);
        for private in [
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "64:ff9b:1::1.1.1.1",
            "3fff::1",
            "100::1",
            "4000::1",
            "5f00::1",
        ] {
            check(private, false);
        }
    }
}
