//! An operation of the API: a row of the table, made of a function and of its types. Lives here: reading what was sent by the schema
//! that describes it, writing what is answered. Never here: what an operation does, the text of the description (`openapi`).

use std::any::TypeId;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Query, RawPathParams, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use types::{AccountId, ApiToken, ProblemKind, WebUserId};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::check::{Checker, parameters, whole_numbers};
use super::fault::{Fault, FieldFault};
use super::openapi;
use super::values::Nothing;
use crate::app::Shared;
use crate::desk::{Desk, DeskError, Overview};
use crate::guard::{Client, Who};
use crate::secrets::hash;

/// A body is shorter than this.
pub const LONGEST_BODY: usize = 64 << 10;

/// Who asks: a program with a token. Put beside the request when it was let in.
#[derive(Clone)]
pub struct Caller {
    /// What all requests share.
    pub app: Shared,
    /// Whose account.
    pub account: AccountId,
    /// Whose token.
    pub user: WebUserId,
    /// His name.
    pub name: String,
    /// The token, as it is kept.
    pub token: ApiToken,
    /// From where.
    pub client: Client,
}

impl Caller {
    /// Asks the desk.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Desk) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, Fault> {
        Ok(self.app.ask(question).await?)
    }

    /// The account's money now.
    pub async fn overview(&self) -> Result<Overview, Fault> {
        Ok(self.app.overview(self.account).await?)
    }

    /// Who does it, for the record: the user, and which of his programs.
    pub fn in_words(&self) -> String {
        format!("{} (token {} “{}”)", self.name, self.token.number, self.token.name)
    }

    /// From where.
    pub fn source(&self) -> IpAddr {
        self.client.source
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Caller, Fault> {
        let found = parts.extensions.get::<Caller>().cloned();
        found.ok_or_else(|| Fault::new(ProblemKind::NoToken).of(parts.uri.path()))
    }
}

/// What was sent.
pub struct Sent<Q, B> {
    /// What the path names, if it names something.
    pub id: String,
    /// Parameters.
    pub query: Q,
    /// The body.
    pub body: B,
}

/// What is sent, or answered, of one type.
#[derive(Clone)]
pub struct Shape {
    /// Its schema.
    pub schema: Value,
    /// Schemas that it names, itself among them.
    pub known: Map<String, Value>,
}

impl Shape {
    fn of<T: ToSchema + 'static>() -> Option<Shape> {
        if TypeId::of::<T>() == TypeId::of::<Nothing>() {
            return None;
        }
        let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
        schemas.push((T::name().into_owned(), <T as PartialSchema>::schema()));
        T::schemas(&mut schemas);
        let known = schemas
            .into_iter()
            .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)));
        let schema = serde_json::json!({ "$ref": format!("#/components/schemas/{}", T::name()) });
        Some(Shape { schema, known: known.collect() })
    }

    /// Must something be there?
    pub fn is_required(&self) -> bool {
        let schema = Checker { known: &self.known }.resolved(&self.schema).clone();
        !schema["required"].as_array().is_none_or(Vec::is_empty)
            || !schema["minProperties"].is_null()
    }

    fn errors(&self, value: &Value) -> Vec<FieldFault> {
        Checker { known: &self.known }.errors(&self.schema, value)
    }
}

/// What is answered.
#[derive(Clone)]
pub enum Gives {
    /// JSON of this shape.
    Json(Box<Shape>),
    /// Server-sent events.
    Events,
    /// The description itself.
    Description,
}

/// An operation.
pub struct Op {
    /// How.
    pub method: Method,
    /// As axum writes it, and OpenAPI too.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// The page where the holder does the same.
    pub page: &'static str,
    /// A few words.
    pub summary: &'static str,
    /// Parameters.
    pub query: Option<Shape>,
    /// Body.
    pub body: Option<Shape>,
    /// Answer.
    pub gives: Gives,
    /// What answers.
    pub to: MethodRouter<Shared>,
}

/// The description of the API.
pub fn described() -> Op {
    Op {
        method: Method::GET,
        path: "/api/v1/openapi.json",
        who: Who::Anybody,
        page: "/",
        summary: "This description",
        query: None,
        body: None,
        gives: Gives::Description,
        to: get(|headers: HeaderMap| async move { json(&headers, openapi::text().to_owned()) }),
    }
}

/// A stream of events.
pub fn stream<F, Fut>(
    path: &'static str,
    who: Who,
    page: &'static str,
    summary: &'static str,
    run: F,
) -> Op
where
    F: Fn(Caller) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Fault>> + Send,
{
    let to = get(move |caller: Caller| {
        let run = run.clone();
        async move { run(caller).await.map_err(|fault| fault.of(path)) }
    });
    let (query, body, gives) = (None, None, Gives::Events);
    Op { method: Method::GET, path, who, page, summary, query, body, gives, to }
}

/// An operation: `run` and its types say what is sent and answered.
pub fn op<Q, B, A, F, Fut>(
    method: &Method,
    path: &'static str,
    who: Who,
    page: &'static str,
    summary: &'static str,
    run: F,
) -> Op
where
    Q: DeserializeOwned + ToSchema + Send + 'static,
    B: DeserializeOwned + ToSchema + Send + 'static,
    A: Serialize + ToSchema + 'static,
    F: Fn(Caller, Sent<Q, B>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<A, Fault>> + Send,
{
    let (query, body) = (Shape::of::<Q>(), Shape::of::<B>());
    let shapes = Arc::new((query.clone(), body.clone()));
    let answer =
        move |State(_): State<Shared>, caller: Caller, params: RawPathParams, request: Request| {
            let (run, shapes) = (run.clone(), Arc::clone(&shapes));
            let instance = request.uri().path().to_owned();
            let id = params.iter().next().map_or_else(String::new, |(_, id)| id.to_owned());
            async move {
                let headers = request.headers().clone();
                let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
                let answered = async {
                    let (query, body) = read(request, &shapes).await?;
                    run(caller, Sent { id, query, body }).await
                };
                match answered.await {
                    Ok(answer) => match serde_json::to_string(&answer) {
                        Ok(text) if is_look => json(&headers, text),
                        Ok(text) => json(&HeaderMap::new(), text),
                        Err(error) => Fault::from(DeskError::Down(error.to_string()))
                            .of(&instance)
                            .into_response(),
                    },
                    Err(fault) => fault.of(&instance).on_page(page).into_response(),
                }
            }
        };
    let filter = MethodFilter::try_from(method.clone()).expect("one of HTTP's own methods");
    let answers = Shape::of::<A>().expect("an answer says something");
    let gives = Gives::Json(Box::new(answers));
    let to = on(filter, answer);
    Op { method: method.clone(), path, who, page, summary, query, body, gives, to }
}

/// JSON, unless who asks has it already (RFC 9110 §13.1.2).
fn json(headers: &HeaderMap, text: String) -> Response {
    let tag = format!("\"{}\"", &hash(&text)[..32]);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    match is_known {
        true => (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response(),
        false => {
            ([(CONTENT_TYPE, "application/json".to_owned()), (ETAG, tag)], text).into_response()
        }
    }
}

async fn read<Q: DeserializeOwned, B: DeserializeOwned>(
    request: Request,
    (query, body): &(Option<Shape>, Option<Shape>),
) -> Result<(Q, B), Fault> {
    let uri = request.uri().clone();
    let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(&uri).map_err(|_| {
        Fault::because(ProblemKind::Unreadable, "The parameters after `?` cannot be read")
    })?;
    let query = read_query(query.as_ref(), &pairs.0)?;
    let (parts, sent) = request.into_parts();
    let bytes = whole(sent).await?;
    Ok((query, read_body(body.as_ref(), &parts.headers, &bytes)?))
}

/// A body, if it is not too long.
pub async fn whole(body: Body) -> Result<Bytes, Fault> {
    to_bytes(body, LONGEST_BODY).await.map_err(|_| Fault::new(ProblemKind::TooLarge))
}

fn read_query<Q: DeserializeOwned>(
    shape: Option<&Shape>,
    pairs: &[(String, String)],
) -> Result<Q, Fault> {
    let mut errors: Vec<FieldFault> = Vec::new();
    for (place, (name, _)) in pairs.iter().enumerate() {
        if pairs[..place].iter().any(|(known, _)| known == name) {
            errors.push(FieldFault::parameter(name, "is there twice"));
        }
    }
    let value = match shape {
        Some(shape) => parameters(&Checker { known: &shape.known }, &shape.schema, pairs),
        None => {
            let all = pairs.iter();
            errors.extend(
                all.map(|(name, _)| FieldFault::parameter(name, "there is no such parameter")),
            );
            Value::Object(Map::new())
        }
    };
    let found = shape.map(|shape| shape.errors(&value)).unwrap_or_default();
    errors.extend(found.into_iter().map(|error| {
        let name = error.pointer.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
        let detail = error.detail.replace("no such field", "no such parameter");
        FieldFault::parameter(name, detail)
    }));
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    serde_json::from_value(value).map_err(|error| Fault::refused(error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|one| kind.eq_ignore_ascii_case(one))
}

fn read_body<B: DeserializeOwned>(
    shape: Option<&Shape>,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<B, Fault> {
    let nothing = Value::Object(Map::new());
    let value = match bytes {
        [] => nothing,
        _ if !is_json(headers) => return Err(Fault::new(ProblemKind::NotJson)),
        _ => serde_json::from_slice(bytes).map(whole_numbers).map_err(|error| {
            Fault::because(ProblemKind::Unreadable, format!("The body is not JSON: {error}"))
        })?,
    };
    let errors = match shape {
        Some(shape) => shape.errors(&value),
        None if value == Value::Object(Map::new()) => Vec::new(),
        None => vec![FieldFault::at("", "takes no body")],
    };
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    serde_json::from_value(value)
        .map_err(|error| Fault::invalid(vec![FieldFault::at("", error.to_string())]))
}
