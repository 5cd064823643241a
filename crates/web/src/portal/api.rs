//! What programs read. Lives here: the account's money as JSON. Never here: pages.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::Shared;
use crate::desk::DeskError;
use crate::guard::Visitor;
use crate::page::Problem;

/// GET /api/v1/account
pub async fn account(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let found = app.overview(visitor.session.account).await;
    let found = found.map_err(|error| Problem::from(error).at("/api/v1/account"))?;
    let body = serde_json::to_string(&found).map_err(|error| DeskError::Down(error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
