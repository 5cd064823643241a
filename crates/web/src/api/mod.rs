//! What programs ask: the API under `/api/v1`. Lives here: its operations, one table of them, its description, tokens, keys of
//! repeated requests. Never here: pages, and no way to change anything but the desk's, which pages use too.
//!
//! ```text
//! guard ─► bearer ─► keys ─► op (reads what was sent, by its schema) ─► a room's function ─► Desk
//! (table)  (whose)   (once)
//! ```
//!
//! A new operation: a function in a room below, and its row in [`operations`]. Router, description, the test of who may what and
//! the list in the documentation are made of that row and of the function's types.

mod account;
mod alerts;
pub mod bearer;
mod calls;
mod check;
mod check_up;
mod contacts;
mod events;
pub mod fault;
mod hours;
pub mod keys;
mod limits;
mod lock;
mod op;
mod openapi;
mod own_token;
mod phones;
mod places;
mod recovery;
mod values;

use axum::http::Method;
use types::TokenScope;

use crate::guard::Who;
use op::{described, op, stream};

pub use op::Op;
pub use openapi::{document, text};

/// All operations.
pub fn operations() -> Vec<Op> {
    use TokenScope::{Change, Contacts, Read, Stop};
    let get = Method::GET;
    let post = Method::POST;
    let (patch, put, delete) = (Method::PATCH, Method::PUT, Method::DELETE);
    let with = Who::Token;
    vec![
        described(),
        op(
            &get,
            "/api/v1/token",
            Who::AnyToken,
            "/tokens",
            "What this token is good for",
            own_token::show,
        ),
        op(
            &delete,
            "/api/v1/token",
            Who::AnyToken,
            "/tokens",
            "Revoke this token",
            own_token::revoke,
        ),
        op(
            &get,
            "/api/v1/account",
            with(Read),
            "/",
            "Money, status and the most that can be lost",
            account::show,
        ),
        op(&get, "/api/v1/history", with(Read), "/", "What happened last", account::history),
        op(
            &post,
            "/api/v1/freeze",
            with(Stop),
            "/stop",
            "Stop outgoing calls now",
            account::freeze,
        ),
        op(&post, "/api/v1/thaw", with(Change), "/stop", "Let calls out again", account::thaw),
        stream(
            "/api/v1/events",
            with(Read),
            "/",
            "Money and live calls as they change",
            events::stream,
        ),
        op(&get, "/api/v1/live-calls", with(Read), "/", "Calls in progress", calls::live),
        op(
            &post,
            "/api/v1/live-calls/{call}/cut",
            with(Stop),
            "/",
            "Hang up a call in progress",
            calls::cut,
        ),
        op(
            &get,
            "/api/v1/calls",
            with(Read),
            "/calls",
            "Calls that are over, or were stopped",
            calls::list,
        ),
        op(&get, "/api/v1/calls/{call}", with(Read), "/calls", "One call", calls::show),
        op(
            &post,
            "/api/v1/calls/{call}/not-mine",
            with(Stop),
            "/calls",
            "Report a call that the holder did not make",
            calls::not_mine,
        ),
        op(
            &post,
            "/api/v1/calls/{call}/allow",
            with(Change),
            "/calls",
            "Let calls like this one out",
            calls::allow,
        ),
        op(&get, "/api/v1/limits", with(Read), "/limits", "Money limits", limits::show),
        op(&patch, "/api/v1/limits", with(Change), "/limits", "Lower money limits", limits::change),
        op(
            &get,
            "/api/v1/requests",
            with(Read),
            "/limits",
            "Requests that staff have not looked at yet",
            limits::requests,
        ),
        op(
            &get,
            "/api/v1/places",
            with(Read),
            "/where",
            "Countries and kinds of numbers",
            places::show,
        ),
        op(
            &post,
            "/api/v1/places/off",
            with(Change),
            "/where",
            "Turn countries and kinds of numbers off",
            places::off,
        ),
        op(
            &post,
            "/api/v1/places/off-never-called",
            with(Change),
            "/where",
            "Turn off what was never called",
            places::off_never,
        ),
        op(
            &post,
            "/api/v1/places/on",
            with(Change),
            "/where",
            "Turn countries and kinds of numbers on",
            places::on,
        ),
        op(&get, "/api/v1/lock", with(Read), "/from-where", "The lock to addresses", lock::show),
        op(
            &delete,
            "/api/v1/lock",
            with(Change),
            "/from-where",
            "Remove the lock to addresses",
            lock::remove,
        ),
        op(
            &post,
            "/api/v1/lock/trial",
            with(Change),
            "/from-where",
            "Put a lock to addresses on trial",
            lock::put,
        ),
        op(
            &delete,
            "/api/v1/lock/trial",
            with(Change),
            "/from-where",
            "End the trial: what stood before stands again",
            lock::give_up,
        ),
        op(
            &post,
            "/api/v1/lock/trial/confirm",
            with(Change),
            "/from-where",
            "Confirm the lock on trial, from behind it",
            lock::confirm,
        ),
        op(
            &get,
            "/api/v1/hours",
            with(Read),
            "/from-where/hours",
            "Hours in which calls that cost money are refused",
            hours::show,
        ),
        op(&put, "/api/v1/hours", with(Change), "/from-where/hours", "Bar hours", hours::put),
        op(
            &get,
            "/api/v1/check-up",
            with(Read),
            "/check-up",
            "How the points of the check-up stand",
            check_up::show,
        ),
        op(
            &put,
            "/api/v1/check-up/{point}",
            with(Change),
            "/check-up",
            "Say how a point of the check-up stands",
            check_up::say,
        ),
        op(
            &post,
            "/api/v1/check-up/outside",
            with(Change),
            "/check-up",
            "Look from outside at the address of a phone",
            check_up::outside,
        ),
        op(
            &get,
            "/api/v1/recovery",
            with(Read),
            "/wrong",
            "The recovery that is open",
            recovery::show,
        ),
        op(
            &post,
            "/api/v1/recovery",
            with(Stop),
            "/wrong",
            "Say that something is wrong",
            recovery::begin,
        ),
        op(
            &get,
            "/api/v1/reports",
            with(Read),
            "/wrong",
            "Reports of unauthorised use",
            recovery::reports,
        ),
        op(
            &get,
            "/api/v1/phones",
            with(Read),
            "/phones",
            "Phones that have shown a password",
            phones::show,
        ),
        op(
            &post,
            "/api/v1/phones/{phone}/mine",
            with(Change),
            "/phones",
            "Say that a phone is the holder’s",
            phones::mine,
        ),
        op(
            &post,
            "/api/v1/phones/{phone}/not-mine",
            with(Stop),
            "/phones",
            "Keep a phone out for good",
            phones::not_mine,
        ),
        op(
            &get,
            "/api/v1/lines",
            with(Read),
            "/passwords",
            "Lines, with the age of their passwords",
            phones::lines,
        ),
        op(
            &post,
            "/api/v1/lines/{line}/password",
            with(Change),
            "/passwords",
            "Make a new password for a line",
            phones::password,
        ),
        op(
            &get,
            "/api/v1/access-log",
            with(Read),
            "/passwords",
            "Who came in, and who tried",
            account::access_log,
        ),
        op(
            &get,
            "/api/v1/sessions",
            with(Read),
            "/log-in",
            "Where the token’s user is signed in",
            account::sessions,
        ),
        op(
            &post,
            "/api/v1/sessions/end",
            with(Stop),
            "/log-in",
            "Sign the token’s user out everywhere",
            account::end_sessions,
        ),
        op(&get, "/api/v1/contacts", with(Contacts), "/alerts", "Who is told", contacts::list),
        op(
            &post,
            "/api/v1/contacts",
            with(Contacts),
            "/alerts",
            "Add somebody who is told",
            contacts::add,
        ),
        op(
            &get,
            "/api/v1/contacts/{contact}",
            with(Contacts),
            "/alerts",
            "One contact",
            contacts::show,
        ),
        op(
            &patch,
            "/api/v1/contacts/{contact}",
            with(Contacts),
            "/alerts",
            "Change a contact",
            contacts::change,
        ),
        op(
            &delete,
            "/api/v1/contacts/{contact}",
            with(Contacts),
            "/alerts",
            "Remove a contact",
            contacts::remove,
        ),
        op(
            &post,
            "/api/v1/contacts/{contact}/test",
            with(Contacts),
            "/alerts",
            "Send a test to a contact",
            contacts::test,
        ),
        op(
            &post,
            "/api/v1/contacts/{contact}/confirm",
            with(Contacts),
            "/alerts",
            "Confirm a contact by the code that was sent to it",
            contacts::confirm,
        ),
        op(&get, "/api/v1/alerts", with(Contacts), "/alerts", "What was told", alerts::list),
        op(
            &put,
            "/api/v1/alerts/new-phones",
            with(Contacts),
            "/alerts",
            "Choose which new phones are told",
            alerts::new_phones,
        ),
        op(&get, "/api/v1/alerts/{alert}", with(Contacts), "/alerts", "One alert", alerts::show),
        op(
            &post,
            "/api/v1/alerts/{alert}/acknowledge",
            with(Contacts),
            "/alerts",
            "Say that somebody knows",
            alerts::acknowledge,
        ),
    ]
}
