//! Problems as RFC 9457 has them. Lives here: one problem as an answer. Never here: the catalogue of them
//! (`types::ProblemKind`), what pages say.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use types::{ProblemKind, TokenScope};
use utoipa::ToSchema;

use crate::desk::DeskError;

/// The media type of problems (RFC 9457 §3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A request that does not get what it asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Fault {
    /// Which problem: stable, see `docs/reasons.md`.
    #[serde(rename = "type", serialize_with = "as_uri")]
    #[schema(value_type = String, example = "urn:ringfence:problem:needs-holder")]
    kind: ProblemKind,
    /// A few words, the same for each of its type.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong this time, and what to do.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The path that was asked for.
    #[schema(value_type = String)]
    instance: Box<str>,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldFault>,
    /// The page where the holder does the same himself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page: Option<&'static str>,
    #[serde(skip)]
    #[schema(ignore)]
    wait_s: Option<u32>,
    #[serde(skip)]
    #[schema(ignore)]
    challenge: Option<Box<str>>,
}

fn as_uri<S: serde::Serializer>(kind: &ProblemKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&kind.uri())
}

/// Something is wrong with a field or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// Which field of the body, as RFC 6901 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/stop_level_24h")]
    pub pointer: Option<String>,
    /// Which parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "since")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldFault {
    /// Of the body.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> FieldFault {
        FieldFault { pointer: Some(pointer.into()), parameter: None, detail: detail.into() }
    }

    /// Of the query or of a header.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> FieldFault {
        FieldFault { pointer: None, parameter: Some(name.into()), detail: detail.into() }
    }
}

impl Fault {
    /// Of this kind, with what the catalogue says to do.
    pub fn new(kind: ProblemKind) -> Fault {
        Fault::because(kind, kind.help())
    }

    /// Of this kind, with what is wrong this time.
    pub fn because(kind: ProblemKind, detail: impl Into<String>) -> Fault {
        Fault {
            kind,
            title: kind.title(),
            status: kind.status(),
            detail: detail.into().into_boxed_str(),
            instance: Box::default(),
            errors: Vec::new(),
            page: None,
            wait_s: None,
            challenge: None,
        }
    }

    /// There is no such thing, or it is another's (W6).
    pub fn not_found() -> Fault {
        Fault::new(ProblemKind::NotFound)
    }

    /// These fields are wrong.
    pub fn invalid(errors: Vec<FieldFault>) -> Fault {
        let detail = match errors.as_slice() {
            [] => ProblemKind::Invalid.help().to_owned(),
            [one] => one.detail.clone(),
            [first, rest @ ..] => format!("{}; and {} more", first.detail, rest.len()),
        };
        Fault { errors, ..Fault::because(ProblemKind::Invalid, detail) }
    }

    /// It cannot be so.
    pub fn refused(why: impl Into<String>) -> Fault {
        Fault::because(ProblemKind::Refused, why)
    }

    /// Of a request to this path.
    pub fn of(mut self, path: &str) -> Fault {
        if self.instance.is_empty() {
            self.instance = path.into();
        }
        self
    }

    /// What only the holder may do, he does on this page.
    pub fn on_page(mut self, page: &'static str) -> Fault {
        if self.kind == ProblemKind::NeedsHolder {
            self.page = Some(page);
        }
        self
    }

    /// In so many seconds it may be otherwise.
    pub fn wait(mut self, seconds: u64) -> Fault {
        self.wait_s = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// What to show (RFC 6750 §3).
    pub fn challenge(mut self, error: Option<&str>, scope: Option<TokenScope>) -> Fault {
        let mut text = "Bearer realm=\"ringfence\"".to_owned();
        if let Some(error) = error {
            text.push_str(&format!(", error=\"{error}\""));
        }
        if let Some(scope) = scope {
            text.push_str(&format!(", scope=\"{scope}\""));
        }
        self.challenge = Some(text.into_boxed_str());
        self
    }
}

impl From<DeskError> for Fault {
    fn from(error: DeskError) -> Fault {
        match error {
            DeskError::Refused(why) => Fault::refused(why),
            DeskError::NeedsProof => Fault::new(ProblemKind::NeedsHolder),
            DeskError::Down(why) => {
                tracing::warn!(error = %why, "a program was not answered by the node");
                Fault::new(ProblemKind::Down)
            }
        }
    }
}

impl From<crate::page::Problem> for Fault {
    /// What pages and programs share says the same to both.
    fn from(problem: crate::page::Problem) -> Fault {
        let kind = match problem.status().as_u16() {
            401 => ProblemKind::BadToken,
            403 => ProblemKind::NeedsHolder,
            404 => ProblemKind::NotFound,
            405 => ProblemKind::WrongMethod,
            421 => ProblemKind::WrongHost,
            422 => ProblemKind::Refused,
            _ => ProblemKind::Busy,
        };
        match problem.help_text() {
            "" => Fault::new(kind),
            help => Fault::because(kind, help),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        };
        if let Some(seconds) = self.wait_s {
            put(RETRY_AFTER, &seconds.to_string());
        }
        if let Some(challenge) = &self.challenge {
            put(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
