//! What the parser makes of a message, for people and for JSON: a support tool and a test surface. Lives here: the
//! description. Never here: decisions; nothing on the way of a call reads a description.

use std::borrow::Cow;

use serde::Serialize;

use super::auth::{Challenge, Credentials};
use super::headers::{Kind, Name};
use super::message::Message;
use super::name_addr::NameAddr;
use super::params::Params;
use super::scan::split_list;
use super::uri::{Scheme, Uri};
use super::via::Via;
use super::{Header, StartLine};
use crate::sdp;

mod words;

/// A message as it was understood.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Description<'a> {
    /// Request line or status line.
    pub start: StartDescription<'a>,
    /// Each header line in order.
    pub headers: Vec<HeaderDescription<'a>>,
    /// The body.
    pub body: BodyDescription<'a>,
}

/// Request line or status line.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StartDescription<'a> {
    /// A request.
    Request {
        /// Its method.
        method: &'a str,
        /// Its Request-URI.
        uri: UriDescription<'a>,
    },
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// Its reason phrase.
        reason: &'a str,
    },
}

/// One header line.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct HeaderDescription<'a> {
    /// Its long name; as it came if it is not known.
    pub name: &'a str,
    /// Its value, unfolded; of credentials the response is left out, since it can be guessed from.
    pub value: Cow<'a, str>,
    /// The values in it, as far as they are read by type.
    pub parts: Vec<Part<'a>>,
}

/// One value of a header.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Part<'a> {
    /// An address.
    Address {
        /// Display name, escapes as they came.
        display: Option<&'a str>,
        /// Its URI.
        uri: UriDescription<'a>,
        /// Its parameters.
        params: Vec<ParamDescription<'a>>,
    },
    /// `*` in Contact.
    Star,
    /// A hop.
    Via {
        /// Its transport.
        transport: &'a str,
        /// Its sent-by host.
        host: &'a str,
        /// Its sent-by port.
        port: Option<u16>,
        /// Its parameters.
        params: Vec<ParamDescription<'a>>,
    },
    /// A number, and a method in CSeq.
    Number {
        /// The number.
        number: u64,
        /// The method.
        #[serde(skip_serializing_if = "Option::is_none")]
        method: Option<&'a str>,
    },
    /// Digest credentials, without their response.
    Credentials {
        /// Who.
        username: &'a str,
        /// Realm.
        realm: &'a str,
        /// URI.
        uri: &'a str,
        /// Algorithm.
        algorithm: Option<&'a str>,
        /// Quality of protection.
        qop: Option<&'a str>,
        /// Nonce count.
        nc: Option<&'a str>,
    },
    /// A Digest challenge.
    Challenge {
        /// Realm.
        realm: &'a str,
        /// Algorithm.
        algorithm: Option<&'a str>,
        /// Qualities of protection.
        qop: Option<&'a str>,
        /// Is the nonce too old?
        stale: bool,
    },
    /// One word of a list.
    Word {
        /// The word.
        word: &'a str,
    },
    /// A value that is none.
    Malformed {
        /// The value.
        value: &'a str,
        /// What is wrong.
        error: String,
    },
}

/// A URI.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UriDescription<'a> {
    /// All of it.
    pub text: &'a str,
    /// Its user part, escapes undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its host.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub host: &'a str,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamDescription<'a>>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A parameter.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ParamDescription<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a str>,
}

/// The body.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BodyDescription<'a> {
    /// How long.
    pub bytes: usize,
    /// Its Content-Type.
    pub content_type: Option<&'a str>,
    /// Parts in it.
    pub parts: u8,
    /// `m=` lines of the first session description in it.
    pub media: Option<u8>,
    /// Does that put the other side on hold?
    pub is_hold: Option<bool>,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// Says what was understood.
pub fn describe<'a>(message: &Message<'a>) -> Description<'a> {
    Description {
        start: match message.start {
            StartLine::Request { method, uri } => {
                StartDescription::Request { method: method.as_str(), uri: describe_uri(uri) }
            }
            StartLine::Response { status, reason } => StartDescription::Response { status, reason },
        },
        headers: message.lines().map(describe_header).collect(),
        body: describe_body(message),
    }
}

fn describe_header(line: Header<'_>) -> HeaderDescription<'_> {
    let name = match line.name {
        Name::Other => line.raw_name,
        name => name.as_str(),
    };
    let mut parts = Vec::new();
    let mut rest = Some(line.value);
    while let Some(list) = rest {
        let (value, after) = match line.name.kind() {
            Kind::List => split_list(list),
            Kind::One | Kind::Many => (list, None),
        };
        parts.extend(describe_value(line.name, value));
        rest = after;
    }
    HeaderDescription { name, value: shown(line), parts }
}

/// The value as it may be shown.
fn shown(line: Header<'_>) -> Cow<'_, str> {
    match line.name {
        Name::Authorization | Name::ProxyAuthorization => match Credentials::parse(line.value) {
            Ok(given) if !given.response.is_empty() => {
                line.value.replace(given.response, "…").into()
            }
            Ok(_) => line.value.into(),
            Err(_) => "…".into(),
        },
        _ => line.value.into(),
    }
}

/// The parts of one value; `None` for headers that are not read by type.
fn describe_value(name: Name, value: &str) -> Option<Part<'_>> {
    let read = match name {
        Name::Contact if value == "*" => Ok(Part::Star),
        Name::From
        | Name::To
        | Name::Contact
        | Name::Route
        | Name::RecordRoute
        | Name::Path
        | Name::ServiceRoute
        | Name::ReferTo
        | Name::ReferredBy
        | Name::ReplyTo
        | Name::PAssertedIdentity
        | Name::PPreferredIdentity
        | Name::RemotePartyId
        | Name::Diversion => NameAddr::parse(value).map(describe_address),
        Name::Via => Via::parse(value).map(describe_via),
        Name::CSeq => {
            let (number, method) = value.split_once([' ', '\t'])?;
            let (number, method) = (number.parse().ok()?, Some(method.trim_start()));
            Ok(Part::Number { number, method })
        }
        Name::MaxForwards
        | Name::ContentLength
        | Name::Expires
        | Name::MinExpires
        | Name::MinSe
        | Name::RSeq => Ok(Part::Number { number: value.parse().ok()?, method: None }),
        Name::Authorization | Name::ProxyAuthorization => {
            Credentials::parse(value).map(describe_credentials)
        }
        Name::WwwAuthenticate | Name::ProxyAuthenticate => {
            Challenge::parse(value).map(describe_challenge)
        }
        Name::Supported | Name::Require | Name::ProxyRequire | Name::Unsupported | Name::Allow => {
            Ok(Part::Word { word: value })
        }
        _ => return None,
    };
    let is_secret = matches!(name, Name::Authorization | Name::ProxyAuthorization);
    let value = if is_secret { "…" } else { value };
    Some(read.unwrap_or_else(|error| Part::Malformed { value, error: error.to_string() }))
}

fn describe_address(address: NameAddr<'_>) -> Part<'_> {
    Part::Address {
        display: address.display,
        uri: describe_uri(address.uri),
        params: describe_params(address.params),
    }
}

fn describe_via(via: Via<'_>) -> Part<'_> {
    Part::Via {
        transport: via.transport,
        host: via.host,
        port: via.port,
        params: describe_params(via.params),
    }
}

fn describe_credentials(given: Credentials<'_>) -> Part<'_> {
    Part::Credentials {
        username: given.username,
        realm: given.realm,
        uri: given.uri,
        algorithm: given.algorithm,
        qop: given.qop,
        nc: given.nc,
    }
}

fn describe_challenge(challenge: Challenge<'_>) -> Part<'_> {
    Part::Challenge {
        realm: challenge.realm,
        algorithm: challenge.algorithm,
        qop: challenge.qop,
        stale: challenge.stale,
    }
}

fn describe_uri(text: &str) -> UriDescription<'_> {
    match Uri::parse(text) {
        Ok(uri) => UriDescription {
            text,
            user: uri.user.map(|_| uri.user_decoded().into_owned()),
            host: if uri.scheme == Scheme::Other { "" } else { uri.host },
            port: uri.port,
            params: describe_params(uri.params),
            error: None,
        },
        Err(error) => UriDescription {
            text,
            user: None,
            host: "",
            port: None,
            params: Vec::new(),
            error: Some(error.to_string()),
        },
    }
}

fn describe_params(params: Params<'_>) -> Vec<ParamDescription<'_>> {
    params.iter().map(|param| ParamDescription { name: param.name, value: param.value }).collect()
}

fn describe_body<'a>(message: &Message<'a>) -> BodyDescription<'a> {
    let content_type = message.content_type();
    let looked_at = sdp::inspect(content_type, message.body);
    let summary = looked_at.unwrap_or_default();
    BodyDescription {
        bytes: message.body.len(),
        content_type,
        parts: summary.parts,
        media: summary.session.map(|session| session.media),
        is_hold: summary.session.map(|session| session.is_hold),
        error: looked_at.err().map(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests;
