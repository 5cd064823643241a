//! The token itself, for the program that has it. Lives here: what it is good for, giving it back. Never here: making one
//! (`portal::tokens`).

use serde::Serialize;
use utoipa::ToSchema;

use super::fault::Fault;
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing, Said};
use crate::portal::tokens::revoke_now;

/// What this token is good for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnToken {
    /// Its number among those of its user.
    token: u32,
    /// What its user calls it.
    name: String,
    /// Its user.
    user: String,
    /// The account.
    account: u32,
    /// What it is good for.
    scopes: Vec<&'static str>,
    /// When it was made.
    created: Moment,
    /// Until when it is good.
    until: Moment,
}

/// GET /api/v1/token
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<OwnToken, Fault> {
    let token = caller.token;
    Ok(OwnToken {
        token: token.number,
        name: token.name,
        user: caller.name,
        account: caller.account.0,
        scopes: token.scopes.iter().map(|scope| scope.code()).collect(),
        created: token.created.into(),
        until: token.until.into(),
    })
}

/// DELETE /api/v1/token: it is worth nothing from now on.
pub async fn revoke(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Said, Fault> {
    revoke_now(&caller.app, caller.user, caller.token.number, "by the program itself").await?;
    Ok(Said::that("This token is worth nothing from now on."))
}
