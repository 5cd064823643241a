//! The pages and the node. Lives here: what the pages ask of the node and of the database, web users. Never here: HTML,
//! sessions (web), what may be changed (engine).

mod alerts;
mod check_up;
mod desk;
mod destinations;
pub mod overview;
pub mod phones;
mod ports;
mod recovery;
mod secrets;
mod software;
mod tokens;
pub mod users;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
pub use desk::NodeUsers;
pub use recovery::recovery_of;
pub use users::UserAsk;

/// Serves the pages on a thread of their own; where, if they are to be served at all.
pub fn serve(config: &Config, users: Arc<NodeUsers>) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = config.web_listen else { return Ok(None) };
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot serve pages on {address}: choose another web.listen, or \"none\"")
    })?;
    let settings = web::Settings {
        url: config.web_url.clone(),
        proxies: config.web_proxies.clone(),
        token_rate: config.token_rate,
    };
    let sessions = users.sessions();
    let reader = Arc::clone(&users);
    // Beside the rest: there may be many web users, and no phone is to wait for them.
    let restore = move || {
        if let Err(error) = reader.restore_sessions() {
            tracing::warn!(%error, "who was signed in has to sign in again");
        }
    };
    std::thread::Builder::new().name("sessions".to_owned()).spawn(restore)?;
    let app = web::App::new(users, sessions, settings);
    Ok(Some(web::start(listener, app).context("cannot serve pages")?))
}
