//! Methods. Case-sensitive (RFC 3261 §7.1).

use std::fmt;

macro_rules! methods {
    ($($variant:ident = $text:literal,)*) => {
        /// A method; unknown ones by their text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method<'a> {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other token.
            Other(&'a str),
        }

        impl<'a> Method<'a> {
            /// The known methods.
            pub const KNOWN: &'static [Method<'static>] = &[$(Method::$variant,)*];

            /// The method with this text; the text is taken for a token.
            pub fn find(text: &'a str) -> Method<'a> {
                match text {
                    $($text => Method::$variant,)*
                    other => Method::Other(other),
                }
            }

            /// Its text.
            pub const fn as_str(self) -> &'a str {
                match self {
                    $(Method::$variant => $text,)*
                    Method::Other(text) => text,
                }
            }

            /// The same method without borrowing; `None` for unknown ones.
            pub const fn known(self) -> Option<Method<'static>> {
                match self {
                    $(Method::$variant => Some(Method::$variant),)*
                    Method::Other(_) => None,
                }
            }
        }
    };
}

methods! {
    Invite = "INVITE",
    Ack = "ACK",
    Bye = "BYE",
    Cancel = "CANCEL",
    Register = "REGISTER",
    Options = "OPTIONS",
    Prack = "PRACK",
    Update = "UPDATE",
    Info = "INFO",
    Refer = "REFER",
    Subscribe = "SUBSCRIBE",
    Notify = "NOTIFY",
    Message = "MESSAGE",
    Publish = "PUBLISH",
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters() {
        for &method in Method::KNOWN {
            assert_eq!(Method::find(method.as_str()), method);
            assert_eq!(method.known(), Some(method));
        }
        assert_eq!(Method::find("invite"), Method::Other("invite"));
        assert_eq!(Method::find("invite").known(), None);
    }
}
