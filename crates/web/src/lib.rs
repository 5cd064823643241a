//! The pages. Lives here: HTTP, HTML, sign-in, the portal of holders. Never here: what may be changed (engine), how the node
//! is reached (ringfence, behind [`Desk`]), SQL, SIP.
//!
//! ```text
//! server ─► routes ─► guard ─► portal/x ─► app ─► Desk ─► the node's thread, the database
//!  (http)    (table)  (who may)  (a page)
//! ```
//!
//! A new page: `portal/x.rs`, its template, its row in `routes`.

mod api;
mod app;
mod desk;
mod guard;
mod page;
mod portal;
mod routes;
mod seats;
mod secrets;
mod server;
mod sessions;

pub use api::bearer::{BURST_S as TOKEN_BURST_S, make as make_token};
pub use api::keys::MOST_KEPT as MOST_KEPT_ANSWERS;
pub use api::{document as api_document, text as api_text};

pub use app::{App, MOST_STREAMS, Settings, Shared};
pub use desk::{
    AlertDesk, Amend, CallAsk, CallsFound, CheckUp, CheckUpDesk, ContactAsk, Country, Desk,
    DeskError, Destinations, Event, LineSecret, LiveCall, LogIn, MostLost, NewSecret, OnRecord,
    Outcome, Overview, PageUser, Phone, PhoneDesk, PhoneLine, PhoneServer, Phones, PhonesAndLocks,
    PointSaid, PortsSeen, Prices, Recovery, RecoveryDesk, RegisteredPhone, Reported, SecretDesk,
    SecretShape, Software, StepSaid, TokenDesk, ToldAlert, TurnedOff, as_called,
};
pub use guard::{SESSION_COOKIE, Who};
pub use portal::tokens::{add as add_token, name_fault as token_name_fault, take as take_token};
pub use routes::routes;
pub use secrets::{NoDice, hash, token};
pub use server::start;
pub use sessions::{Session, Sessions, TokenWish};
