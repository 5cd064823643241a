//! A binding as callers and staff see it. Never here: how it is kept (table).

use types::Tick;

use super::table::Row;
use crate::flow::Flow;

/// One binding of a line.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    pub(super) row: &'a Row,
    pub(super) flow: Flow,
    pub(super) user_agent: &'a str,
}

impl<'a> Binding<'a> {
    /// The Contact URI: the request line of requests to it.
    pub fn uri(&self) -> &'a str {
        self.row.contact()
    }

    /// The Path values in order: the Route values of requests to it (RFC 3327 §5.3).
    pub fn path(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.row.path_text().lines()
    }

    /// The way to it: where its REGISTER came from.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Preference in thousandths.
    pub fn q(&self) -> u16 {
        self.row.q
    }

    /// Its User-Agent, cut at [`super::MAX_USER_AGENT`] bytes.
    pub fn user_agent(&self) -> &'a str {
        self.user_agent
    }

    /// Call-ID of the registration.
    pub fn call_id(&self) -> &'a str {
        self.row.call_id()
    }

    /// Its `+sip.instance`, when it registered with outbound: of several bindings of one instance a
    /// request goes to one (RFC 5626 §5.3).
    pub fn instance(&self) -> Option<&'a str> {
        self.row.outbound().map(|key| key.instance)
    }

    /// When it ends.
    pub fn expires(&self) -> Tick {
        Tick(u64::from(self.row.expires_s) * 1_000_000)
    }

    /// Was its stream closed? Then it cannot be reached until it registers again.
    pub fn is_gone(&self) -> bool {
        self.row.gone
    }
}
