//! Via (RFC 3261 §20.42, RFC 3581). Lives here: its parts. Never here: where a response goes; that is the socket's peer.

use std::net::IpAddr;

use super::error::{Fault, HeaderError, UriError};
use super::params::{Param, Params, read_params};
use super::scan::{Scanner, TOKEN};
use super::uri::{host_ip, split_host};

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, … as it came.
    pub transport: &'a str,
    /// Host of sent-by, IPv6 in brackets.
    pub host: &'a str,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// Name of the transaction.
    pub branch: Option<&'a str>,
    /// Where the next hop saw it come from.
    pub received: Option<&'a str>,
    /// `None`: not there; `Some(None)`: asked for; `Some(Some(port))`: answered.
    pub rport: Option<Option<u16>>,
    /// Multicast address. Never followed (it points replies at strangers).
    pub maddr: Option<&'a str>,
    /// Time to live of multicast.
    pub ttl: Option<u8>,
    /// Wants the connection reused (RFC 5923).
    pub alias: bool,
    /// All parameters.
    pub params: Params<'a>,
    /// The whole value.
    pub raw: &'a str,
}

impl<'a> Via<'a> {
    /// Reads one value, all of `text`.
    pub fn parse(text: &'a str) -> Result<Via<'a>, HeaderError> {
        let mut scanner = Scanner::new(text);
        let via = read_via(&mut scanner).and_then(|via| scanner.end().map(|()| via));
        via.map_err(|fault| fault.error)
    }

    /// The host of sent-by as an address, if it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The `received` parameter as an address, with or without brackets (RFC 5118 §4.5).
    pub fn received_ip(&self) -> Option<IpAddr> {
        self.received.and_then(host_ip)
    }
}

/// Reads one value, up to a comma or the end.
pub(crate) fn read_via<'a>(scanner: &mut Scanner<'a>) -> Result<Via<'a>, Fault> {
    scanner.skip_lws();
    let from = scanner.at();
    protocol(scanner)?;
    let transport = scanner.token()?;
    let before = scanner.at();
    scanner.skip_lws();
    if scanner.at() == before {
        return scanner.fault(HeaderError::Protocol);
    }
    let (host, port) = sent_by(scanner)?;
    let mut via = Via {
        transport,
        host,
        port,
        branch: None,
        received: None,
        rport: None,
        maddr: None,
        ttl: None,
        alias: false,
        params: Params::default(),
        raw: "",
    };
    via.params = read_params(scanner, |param| {
        match param.name.len() {
            6 if param.name.eq_ignore_ascii_case("branch") => via.branch = Some(must(param)?),
            5 if param.name.eq_ignore_ascii_case("rport") => {
                let port = param.value.map(|value| value.parse().map_err(|_| HeaderError::Port));
                via.rport = Some(port.transpose()?);
            }
            8 if param.name.eq_ignore_ascii_case("received") => {
                via.received = Some(must(param)?);
                via.received.and_then(host_ip).ok_or(HeaderError::Host)?;
            }
            5 if param.name.eq_ignore_ascii_case("maddr") => via.maddr = Some(must(param)?),
            3 if param.name.eq_ignore_ascii_case("ttl") => {
                via.ttl = Some(must(param)?.parse().map_err(|_| HeaderError::Range)?);
            }
            5 if param.name.eq_ignore_ascii_case("alias") => via.alias = true,
            _ => {}
        }
        Ok(())
    })?;
    via.raw = super::scan::trim(scanner.since(from));
    Ok(via)
}

/// `SIP / 2.0 /`
fn protocol(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    if scanner.rest().starts_with("SIP/2.0/") {
        (0..8).for_each(|_| scanner.bump());
        return Ok(());
    }
    for word in ["SIP", "2.0"] {
        let at = scanner.at();
        if !scanner.run(TOKEN).eq_ignore_ascii_case(word) {
            return Err(Fault { error: HeaderError::Protocol, at });
        }
        scanner.skip_lws();
        if !scanner.eat(b'/') {
            return scanner.fault(HeaderError::Protocol);
        }
        scanner.skip_lws();
    }
    Ok(())
}

/// `host [ : port ]`
fn sent_by<'a>(scanner: &mut Scanner<'a>) -> Result<(&'a str, Option<u16>), Fault> {
    let at = scanner.at();
    let (host, port, rest) = split_host(scanner.rest()).map_err(|error| match error {
        UriError::Port => Fault { error: HeaderError::Port, at },
        _ => Fault { error: HeaderError::Host, at },
    })?;
    scanner.skip_to(rest);
    if port.is_some() {
        return Ok((host, port));
    }
    let after_host = scanner.clone();
    scanner.skip_lws();
    if !scanner.eat(b':') {
        *scanner = after_host;
        return Ok((host, None));
    }
    scanner.skip_lws();
    let at = scanner.at();
    let port =
        scanner.number(u16::MAX.into()).map_err(|_| Fault { error: HeaderError::Port, at })?;
    Ok((host, Some(port as u16)))
}

/// The value of a parameter that needs one.
fn must(param: Param<'_>) -> Result<&str, HeaderError> {
    param.value.ok_or(HeaderError::Parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        fn check(text: &str, transport: &str, host: &str, port: Option<u16>, branch: Option<&str>) {
            let via = Via::parse(text).expect(text);
            assert_eq!(
                (via.transport, via.host, via.port, via.branch),
                (transport, host, port, branch)
            );
            assert_eq!(via.raw, text.trim());
        }
        check("SIP/2.0/UDP a", "UDP", "a", None, None);
        check(
            " SIP/2.0/TLS a.example:5061;branch=z9hG4bKx ",
            "TLS",
            "a.example",
            Some(5061),
            Some("z9hG4bKx"),
        );
        check("sip/2.0/tcp\t[2001:db8::9:1];BRANCH = x", "tcp", "[2001:db8::9:1]", None, Some("x"));
        check(
            "SIP  / 2.0  / NEW-one  h_1  :  70  ; branch  =   x ",
            "NEW-one",
            "h_1",
            Some(70),
            Some("x"),
        );
        check("SIP/2.0/UDP [2001:db8::1]:70;x=\"a,b\"", "UDP", "[2001:db8::1]", Some(70), None);
    }

    #[test]
    fn knows_its_parameters() {
        let via =
            Via::parse("SIP/2.0/UDP a;rport;received=[2001:db8::1];maddr=224.0.0.1;ttl=16;alias;x")
                .expect("good");
        assert_eq!(
            (via.rport, via.received, via.maddr),
            (Some(None), Some("[2001:db8::1]"), Some("224.0.0.1"))
        );
        assert_eq!((via.ttl, via.alias, via.params.has("x")), (Some(16), true, true));
        let want = Some("2001:db8::1".parse().expect("address"));
        assert_eq!(via.received_ip(), want);
        let via =
            Via::parse("SIP/2.0/UDP 192.0.2.1;received=2001:db8::1;rport=5061").expect("good");
        assert_eq!((via.received_ip(), via.rport), (want, Some(Some(5061))));
        assert_eq!(via.host_ip(), Some("192.0.2.1".parse().expect("address")));
    }

    #[test]
    fn refuses() {
        fn check(text: &str, want: HeaderError) {
            assert_eq!(Via::parse(text), Err(want), "{text}");
        }
        check("", HeaderError::Protocol);
        check("SIP/3.0/UDP a", HeaderError::Protocol);
        check("HTTP/2.0/UDP a", HeaderError::Protocol);
        check("SIP/2.0 UDP a", HeaderError::Protocol);
        check("SIP/2.0/UDP", HeaderError::Protocol);
        check("SIP/2.0/ a", HeaderError::Token);
        check("SIP/2.0/UDP[2001:db8::1]", HeaderError::Protocol);
        check("SIP/2.0/UDP ;branch=x", HeaderError::Host);
        check("SIP/2.0/UDP [2001:db8:1]", HeaderError::Host);
        check("SIP/2.0/UDP 2001:db8::1", HeaderError::Port);
        check("SIP/2.0/UDP a:x", HeaderError::Port);
        check("SIP/2.0/UDP a:65536", HeaderError::Port);
        check("SIP/2.0/UDP a : x", HeaderError::Port);
        check("SIP/2.0/UDP a b", HeaderError::Trailing);
        check("SIP/2.0/UDP a;;branch=x", HeaderError::Parameter);
        check("SIP/2.0/UDP a;branch", HeaderError::Parameter);
        check("SIP/2.0/UDP a;branch=x;branch=y", HeaderError::Duplicate);
        check("SIP/2.0/UDP a;rport;rport=1", HeaderError::Duplicate);
        check("SIP/2.0/UDP a;rport=x", HeaderError::Port);
        check("SIP/2.0/UDP a;ttl=256", HeaderError::Range);
        check("SIP/2.0/UDP a;received=b", HeaderError::Host);
        check("SIP/2.0/UDP a, SIP/2.0/UDP b", HeaderError::Trailing);
    }
}
