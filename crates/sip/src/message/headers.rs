//! Names of header fields. A new header is one row of the table. Lives here: long and compact names, and how often
//! a header may be there. Never here: what is in a value.

/// How often a header may be there, and what a comma in it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At most once; a second line makes the message malformed.
    One,
    /// Any number of lines, and commas between values are the same as lines.
    List,
    /// Any number of lines; a comma is part of the value.
    Many,
}

macro_rules! headers {
    ($($(#[$doc:meta])* $variant:ident = $long:literal $compact:literal $kind:ident;)*) => {
        /// A header field name that is known by type; every other one is `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $long, "`")] $variant,)*
            /// Any other name.
            Other,
        }

        /// One row of the table.
        struct Row { name: Name, long: &'static str, compact: u8, kind: Kind }

        const ROWS: &[Row] = &[$(Row { name: Name::$variant, long: $long, compact: $compact, kind: Kind::$kind },)*];
    };
}

// Variant = "Long-Name" compact-form kind;  b' ' where there is no compact form.
headers! {
    Via = "Via" b'v' List;
    From = "From" b'f' One;
    To = "To" b't' One;
    CallId = "Call-ID" b'i' One;
    CSeq = "CSeq" b' ' One;
    Contact = "Contact" b'm' List;
    MaxForwards = "Max-Forwards" b' ' One;
    ContentLength = "Content-Length" b'l' One;
    ContentType = "Content-Type" b'c' One;
    Route = "Route" b' ' List;
    RecordRoute = "Record-Route" b' ' List;
    Expires = "Expires" b' ' One;
    MinExpires = "Min-Expires" b' ' One;
    Authorization = "Authorization" b' ' Many;
    ProxyAuthorization = "Proxy-Authorization" b' ' Many;
    WwwAuthenticate = "WWW-Authenticate" b' ' Many;
    ProxyAuthenticate = "Proxy-Authenticate" b' ' Many;
    AuthenticationInfo = "Authentication-Info" b' ' One;
    Supported = "Supported" b'k' List;
    Require = "Require" b' ' List;
    ProxyRequire = "Proxy-Require" b' ' List;
    Unsupported = "Unsupported" b' ' List;
    Allow = "Allow" b' ' List;
    UserAgent = "User-Agent" b' ' One;
    Server = "Server" b' ' One;
    Path = "Path" b' ' List;
    ServiceRoute = "Service-Route" b' ' List;
    SessionExpires = "Session-Expires" b'x' One;
    MinSe = "Min-SE" b' ' One;
    RSeq = "RSeq" b' ' One;
    RAck = "RAck" b' ' One;
    ReferTo = "Refer-To" b'r' One;
    ReferredBy = "Referred-By" b'b' One;
    ReferSub = "Refer-Sub" b' ' One;
    Replaces = "Replaces" b' ' One;
    Join = "Join" b' ' One;
    TargetDialog = "Target-Dialog" b' ' One;
    Reason = "Reason" b' ' List;
    Privacy = "Privacy" b' ' Many;
    PAssertedIdentity = "P-Asserted-Identity" b' ' List;
    PPreferredIdentity = "P-Preferred-Identity" b' ' List;
    RemotePartyId = "Remote-Party-ID" b' ' List;
    Diversion = "Diversion" b' ' List;
    HistoryInfo = "History-Info" b' ' List;
    Identity = "Identity" b'y' Many;
    Date = "Date" b' ' One;
    Subject = "Subject" b's' One;
    Event = "Event" b'o' One;
    AllowEvents = "Allow-Events" b'u' List;
    SubscriptionState = "Subscription-State" b' ' One;
    RetryAfter = "Retry-After" b' ' One;
    Warning = "Warning" b' ' List;
    ContentDisposition = "Content-Disposition" b' ' One;
    ContentEncoding = "Content-Encoding" b'e' List;
    ContentLanguage = "Content-Language" b' ' List;
    ContentId = "Content-ID" b' ' One;
    MimeVersion = "MIME-Version" b' ' One;
    Accept = "Accept" b' ' List;
    AcceptEncoding = "Accept-Encoding" b' ' List;
    AcceptLanguage = "Accept-Language" b' ' List;
    AcceptContact = "Accept-Contact" b'a' List;
    RejectContact = "Reject-Contact" b'j' List;
    RequestDisposition = "Request-Disposition" b'd' List;
    AlertInfo = "Alert-Info" b' ' List;
    CallInfo = "Call-Info" b' ' List;
    ErrorInfo = "Error-Info" b' ' List;
    InReplyTo = "In-Reply-To" b' ' List;
    Organization = "Organization" b' ' One;
    Priority = "Priority" b' ' One;
    ReplyTo = "Reply-To" b' ' One;
    Timestamp = "Timestamp" b' ' One;
    MaxBreadth = "Max-Breadth" b' ' One;
    FlowTimer = "Flow-Timer" b' ' One;
    SipEtag = "SIP-ETag" b' ' One;
    SipIfMatch = "SIP-If-Match" b' ' One;
    InfoPackage = "Info-Package" b' ' One;
    RecvInfo = "Recv-Info" b' ' List;
    SessionId = "Session-ID" b' ' One;
    UserToUser = "User-to-User" b' ' List;
    PAccessNetworkInfo = "P-Access-Network-Info" b' ' List;
    PAssociatedUri = "P-Associated-URI" b' ' List;
    PCalledPartyId = "P-Called-Party-ID" b' ' One;
    PEarlyMedia = "P-Early-Media" b' ' List;
}

/// How many names there are, `Other` included.
pub(crate) const NAMES: usize = ROWS.len() + 1;

/// Size of the search table: a power of two, at most half full.
const SLOTS: usize = 256;

/// No row.
const NONE: u8 = u8::MAX;

/// Rows by [`slot_of`], open addressing; made by the compiler.
static BY_NAME: [u8; SLOTS] = by_name();

/// Rows by compact letter.
static BY_LETTER: [u8; 26] = by_letter();

/// Where to look for a name first: its length and its first and last letter.
const fn slot_of(name: &[u8]) -> usize {
    let first = (name[0] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    (name.len() * 41 + first * 7 + last * 13) % SLOTS
}

const fn by_name() -> [u8; SLOTS] {
    assert!(ROWS.len() * 2 < SLOTS, "the search table is too full");
    let mut table = [NONE; SLOTS];
    let mut row = 0;
    while row < ROWS.len() {
        assert!(ROWS[row].name as usize == row, "rows stand in the order of the variants");
        let mut slot = slot_of(ROWS[row].long.as_bytes());
        while table[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = row as u8;
        row += 1;
    }
    table
}

const fn by_letter() -> [u8; 26] {
    let mut table = [NONE; 26];
    let mut row = 0;
    while row < ROWS.len() {
        let letter = ROWS[row].compact;
        if letter != b' ' {
            let at = (letter - b'a') as usize;
            assert!(table[at] == NONE, "two headers have the same compact form");
            table[at] = row as u8;
        }
        row += 1;
    }
    table
}

impl Name {
    /// The name with these bytes, long or compact, in any case.
    pub fn find(name: &[u8]) -> Name {
        match name {
            [] => Name::Other,
            [letter] => {
                let at = (letter | 0x20).wrapping_sub(b'a') as usize;
                match BY_LETTER.get(at) {
                    Some(&row) if letter.is_ascii_alphabetic() && row != NONE => {
                        ROWS[row as usize].name
                    }
                    _ => Name::Other,
                }
            }
            _ => {
                let mut slot = slot_of(name);
                while BY_NAME[slot] != NONE {
                    let row = &ROWS[BY_NAME[slot] as usize];
                    let long = row.long.as_bytes();
                    if long == name || long.eq_ignore_ascii_case(name) {
                        return row.name;
                    }
                    slot = (slot + 1) % SLOTS;
                }
                Name::Other
            }
        }
    }

    /// The long form; empty for `Other`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Other => "",
            name => ROWS[name as usize].long,
        }
    }

    /// The compact form, if there is one.
    pub fn compact(self) -> Option<char> {
        match self {
            Name::Other => None,
            name => Some(ROWS[name as usize].compact).filter(|&c| c != b' ').map(char::from),
        }
    }

    /// How often it may be there. `Other` is `Many`: nothing is known of its commas.
    pub const fn kind(self) -> Kind {
        match self {
            Name::Other => Kind::Many,
            name => ROWS[name as usize].kind,
        }
    }

    /// All known names.
    pub fn all() -> impl Iterator<Item = Name> {
        ROWS.iter().map(|row| row.name)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_any_case() {
        for name in Name::all() {
            for text in [
                name.as_str().to_owned(),
                name.as_str().to_ascii_lowercase(),
                name.as_str().to_ascii_uppercase(),
            ] {
                assert_eq!(Name::find(text.as_bytes()), name, "{text}");
            }
            if let Some(letter) = name.compact() {
                assert_eq!(Name::find(letter.to_string().as_bytes()), name);
                assert_eq!(Name::find(letter.to_ascii_uppercase().to_string().as_bytes()), name);
            }
        }
    }

    #[test]
    fn near_misses_are_other() {
        for text in
            ["", "q", "Vi", "Viaa", "Froms", "X-Via", "!", "[", "Call_ID", "Content-Lengtg", "5"]
        {
            assert_eq!(Name::find(text.as_bytes()), Name::Other, "{text}");
        }
    }
}
