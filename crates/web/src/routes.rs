//! Every route, as data. Lives here: path, method, who may open it, what answers. The router is made of this table, and
//! so is the test of who may open what. Never here: what pages do.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::app::Shared;
use crate::guard::{Who, admit, wrap};
use crate::page::Problem;
use crate::portal::recovery::{report, wrong};
use crate::portal::{
    alerts, api, call, calls, check_up, confirm, contact_code, contacts, freeze, hours, limits,
    live, lock, log_in, passwords, phones, places, safe, sign_in, totp, turn_on, welcome,
};

/// A form is shorter than this.
const LONGEST_BODY: usize = 64 << 10;
/// An answer that takes longer is given up.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// One route.
pub struct Route {
    /// As axum writes it: `/calls/{decision}/cut`.
    pub path: &'static str,
    /// GET changes nothing.
    pub method: Method,
    /// Who may open it.
    pub who: Who,
    /// What answers.
    to: MethodRouter<Shared>,
}

fn page(path: &'static str, who: Who, to: MethodRouter<Shared>) -> Route {
    Route { path, method: Method::GET, who, to }
}

fn form(path: &'static str, who: Who, to: MethodRouter<Shared>) -> Route {
    Route { path, method: Method::POST, who, to }
}

/// All routes.
pub fn routes() -> Vec<Route> {
    use Who::{Anybody, HalfWay, Holder};
    vec![
        // Sign-in.
        page("/sign-in", Anybody, get(sign_in::show)),
        form("/sign-in", Anybody, post(sign_in::submit)),
        page("/sign-in/code", HalfWay, get(sign_in::show_code)),
        form("/sign-in/code", HalfWay, post(sign_in::submit_code)),
        page("/welcome/{link}", Anybody, get(welcome::show)),
        form("/welcome/{link}", Anybody, post(welcome::submit)),
        form("/sign-out", Anybody, post(sign_in::sign_out)),
        // The portal.
        page("/", Holder, get(safe::show)),
        page("/live", Holder, get(live::stream)),
        page("/stop", Holder, get(freeze::show)),
        form("/stop", Holder, post(freeze::stop)),
        form("/start-again", Holder, post(freeze::thaw)),
        page("/calls", Holder, get(calls::show)),
        page("/calls.csv", Holder, get(calls::download)),
        page("/calls/{decision}", Holder, get(call::show)),
        form("/calls/{decision}/not-mine", Holder, post(call::report)),
        form("/calls/{decision}/allow", Holder, post(call::allow)),
        form("/calls/{decision}/cut", Holder, post(safe::cut)),
        page("/limits", Holder, get(limits::show)),
        form("/limits", Holder, post(limits::save)),
        page("/where", Holder, get(places::show)),
        form("/where/off", Holder, post(places::off)),
        page("/where/on", Holder, get(turn_on::ask_on)),
        form("/where/on", Holder, post(turn_on::on)),
        page("/where/never", Holder, get(places::ask_never)),
        form("/where/never", Holder, post(places::never)),
        page("/where/undo", Holder, get(turn_on::ask_undo)),
        page("/from-where", Holder, get(lock::show)),
        form("/from-where", Holder, post(lock::put)),
        form("/from-where/confirm", Holder, post(lock::confirm)),
        form("/from-where/give-up", Holder, post(lock::give_up)),
        form("/from-where/remove", Holder, post(lock::remove)),
        page("/from-where/hours", Holder, get(hours::show)),
        form("/from-where/hours", Holder, post(hours::save)),
        page("/phones", Holder, get(phones::show)),
        page("/phones/live", Holder, get(live::phones)),
        form("/phones/{device}/mine", Holder, post(phones::mine)),
        page("/phones/{device}/not-mine", Holder, get(phones::ask_not_mine)),
        form("/phones/{device}/not-mine", Holder, post(phones::not_mine)),
        page("/alerts", Holder, get(alerts::show)),
        form("/alerts/new-phones", Holder, post(alerts::save_notices)),
        page("/alerts/{alert}", Holder, get(alerts::show_one)),
        form("/alerts/{alert}/acknowledge", Holder, post(alerts::acknowledge)),
        form("/contacts", Holder, post(contacts::add)),
        page("/contacts/{contact}", Holder, get(contacts::show)),
        form("/contacts/{contact}", Holder, post(contacts::save)),
        form("/contacts/{contact}/remove", Holder, post(contacts::remove)),
        form("/contacts/{contact}/test", Holder, post(contacts::test)),
        page("/contacts/{contact}/confirm", Anybody, get(contact_code::show)),
        form("/contacts/{contact}/confirm", Anybody, post(contact_code::confirm)),
        page("/passwords", Holder, get(passwords::show)),
        page("/passwords/{line}", Holder, get(passwords::ask)),
        form("/passwords/{line}", Holder, post(passwords::make)),
        page("/confirm", Holder, get(confirm::show)),
        form("/confirm", Holder, post(confirm::submit)),
        page("/log-in", Holder, get(log_in::show)),
        form("/log-in/password", Holder, post(log_in::change_password)),
        form("/log-in/sign-out-everywhere", Holder, post(log_in::sign_out_everywhere)),
        page("/log-in/authenticator", Holder, get(totp::show)),
        form("/log-in/authenticator", Holder, post(totp::enrol)),
        form("/log-in/authenticator/remove", Holder, post(totp::remove)),
        // The check-up, and when something is wrong.
        page("/check-up", Holder, get(check_up::show)),
        form("/check-up/outside", Holder, post(check_up::look_outside)),
        form("/check-up/{point}", Holder, post(check_up::say_point)),
        page("/wrong", Holder, get(wrong::show)),
        form("/wrong", Holder, post(wrong::begin)),
        form("/wrong/nothing", Holder, post(wrong::nothing)),
        page("/wrong/report", Holder, get(report::show)),
        form("/wrong/report", Holder, post(report::send)),
        page("/wrong/report/text", Holder, get(report::text)),
        page("/wrong/reports/{number}", Holder, get(report::show_sent)),
        page("/wrong/reports/{number}/text", Holder, get(report::sent_text)),
        page("/wrong/{step}", Holder, get(wrong::show_step)),
        form("/wrong/{step}", Holder, post(wrong::say_step)),
        // Machines.
        page("/api/v1/account", Holder, get(api::account)),
        // What pages are made of.
        page("/static/style.css", Anybody, get(style)),
        page("/static/live.js", Anybody, get(script)),
        page("/static/icon.svg", Anybody, get(icon)),
    ]
}

/// The router of the table.
pub fn router(app: &Shared) -> Router {
    let mut router: Router<Shared> = Router::new();
    for Route { path, who, to, .. } in routes() {
        let guard = from_fn_with_state((app.clone(), who), admit);
        router = router.route(path, to.layer(guard));
    }
    router
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(app.clone(), wrap))
        .with_state(app.clone())
}

async fn nothing(uri: Uri) -> Problem {
    Problem::not_found().at(uri.path())
}

async fn in_time(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::busy().at(&path).into_response(),
    }
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text)
}

async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("../static/style.css"))
}

async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("../static/live.js"))
}

async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("../static/icon.svg"))
}
