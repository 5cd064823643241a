//! The description of the API (OpenAPI 3.1), made of the table of operations. Lives here: paths, parameters, answers, problems as
//! OpenAPI has them. Never here: what is sent and answered (the types of the operations), what an operation does.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Map, Value, json};
use types::ProblemKind;
use utoipa::{PartialSchema, ToSchema};

use super::fault::{Fault, PROBLEM_JSON};
use super::keys::LONGEST_KEY;
use super::op::{Gives, Op, Shape};
use super::operations;
use crate::guard::Who;

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let text = serde_json::to_string_pretty(&document());
    text.map(|text| text + "\n").unwrap_or_default()
});

/// The description as it is served, and as it lies in `docs/api/openapi.json`.
pub fn text() -> &'static str {
    &TEXT
}

/// The description.
pub fn document() -> Value {
    let operations = operations();
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    for op in &operations {
        let path = paths.entry(op.path).or_insert_with(|| json!({}));
        path[op.method.as_str().to_lowercase()] = described(op);
        for shape in [op.query.as_ref(), op.body.as_ref(), answer(op)].into_iter().flatten() {
            schemas.extend(shape.known.clone());
        }
    }
    let queries = operations
        .iter()
        .filter_map(|op| op.query.as_ref())
        .filter_map(|shape| shape.schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned));
    queries.for_each(|name| drop(schemas.remove(&name)));
    let mut parts = vec![(Fault::name().into_owned(), Fault::schema())];
    Fault::schemas(&mut parts);
    for (name, schema) in parts {
        schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringfence: the portal as an API",
            "version": "1",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": INTRODUCTION,
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problems(),
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "Made by the holder under Your log-in, or by staff: `ringfence token add`.",
            } },
        },
    })
}

const INTRODUCTION: &str = "What a holder does on the pages, his programs do here: with a token that he made, for what it is good \
    for, until its end. A token does what is safer at once. What allows more than before, or tells less, is for the holder \
    himself, on the page that the problem names: 403 `needs-holder`.\n\n\
    Send an `Idempotency-Key` with each change that must not be made twice: asked again with the same key within 24 hours, the \
    answer is the same, and nothing is done. Every problem is `application/problem+json` (RFC 9457).";

fn answer(op: &Op) -> Option<&Shape> {
    match &op.gives {
        Gives::Json(shape) => Some(shape),
        Gives::Events | Gives::Description => None,
    }
}

fn is_look(op: &Op) -> bool {
    op.method == Method::GET
}

/// The parts of a path that stand for something.
pub fn holes(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn described(op: &Op) -> Value {
    let name: String = op.path.trim_start_matches("/api/v1/").replace(['/', '-', '.'], "_");
    let name = format!("{}_{}", op.method.as_str().to_lowercase(), name.replace(['{', '}'], ""));
    let (scope, security) = match op.who {
        Who::Token(scope) => (format!("Scope `{scope}`. "), json!([{ "token": [scope] }])),
        Who::AnyToken => ("Any token. ".to_owned(), json!([{ "token": [] }])),
        Who::Anybody | Who::HalfWay | Who::Holder => (String::new(), json!([])),
    };
    let tag = op.path.trim_start_matches("/api/v1/").split('/').next().unwrap_or_default();
    let mut value = json!({
        "operationId": name,
        "summary": op.summary,
        "description": format!("{scope}The same on the page `{}`.", op.page),
        "tags": [tag],
        "security": security,
        "responses": responses(op),
    });
    let parameters: Vec<Value> = parameters(op);
    if !parameters.is_empty() {
        value["parameters"] = parameters.into();
    }
    if let Some(body) = &op.body {
        value["requestBody"] = json!({
            "required": body.is_required(),
            "content": { "application/json": { "schema": body.schema } },
        });
    }
    value
}

fn parameters(op: &Op) -> Vec<Value> {
    let path = holes(op.path).map(|name| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        })
    });
    let mut all: Vec<Value> = path.collect();
    if let Some(shape) = &op.query {
        let name = shape.schema["$ref"].as_str().and_then(|place| place.rsplit('/').next());
        let schema = name.and_then(|name| shape.known.get(name)).cloned().unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, one) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|known| known == name);
            let mut one = one.clone();
            // A parameter that is there is not null.
            if let Some(any) = one["oneOf"].as_array().cloned() {
                let other = any.into_iter().find(|one| one["type"] != "null").unwrap_or_default();
                let description = one["description"].clone();
                one = other;
                one["description"] = description;
            }
            if let Some(types) = one["type"].as_array().cloned() {
                one["type"] = types.into_iter().find(|name| name != "null").unwrap_or_default();
            }
            let description = one.as_object_mut().and_then(|one| one.remove("description"));
            all.push(json!({
                "name": name, "in": "query", "required": is_required,
                "description": description, "schema": one,
            }));
        }
    }
    if !is_look(op) {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Chosen by the program, new for each change; asked again with the same, nothing is done twice.",
            "schema": {
                "type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[A-Za-z0-9._:-]+$",
            },
        }));
    }
    all
}

fn responses(op: &Op) -> Value {
    use ProblemKind as P;
    let mut all = Map::new();
    let content = match &op.gives {
        Gives::Json(shape) => json!({ "application/json": { "schema": shape.schema } }),
        Gives::Events => json!({ "text/event-stream": { "schema": { "type": "string" } } }),
        Gives::Description => json!({ "application/json": { "schema": { "type": "object" } } }),
    };
    all.insert("200".to_owned(), json!({ "description": op.summary, "content": content }));
    if is_look(op) && !matches!(op.gives, Gives::Events) {
        all.insert("304".to_owned(), json!({ "description": "As it was: see `If-None-Match`." }));
    }
    let mut kinds = Vec::new();
    if op.who != Who::Anybody {
        kinds.extend([P::NoToken, P::BadToken, P::TooFast, P::Busy, P::Down]);
        kinds.extend([P::Unreadable, P::Invalid, P::Refused]);
    }
    if matches!(op.who, Who::Token(_)) {
        kinds.push(P::MissingScope);
    }
    // What a path names, or what there is to change.
    if holes(op.path).next().is_some() || !is_look(op) {
        kinds.push(P::NotFound);
    }
    if !is_look(op) && op.who != Who::Anybody {
        kinds.extend([
            P::NeedsHolder,
            P::InProgress,
            P::OutcomeUnknown,
            P::KeyReused,
            P::TooManyKeys,
        ]);
        kinds.extend([P::TooLarge, P::NotJson]);
    }
    for kind in kinds {
        let status = kind.status().to_string();
        let place = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        all.insert(status, place);
    }
    Value::Object(all)
}

/// Problems by status: which there are of each.
fn problems() -> Value {
    let mut all = Map::new();
    for kind in ProblemKind::ALL {
        let entry = all.entry(format!("Problem{}", kind.status())).or_insert_with(|| {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            let mut one =
                json!({ "description": "", "content": { PROBLEM_JSON: { "schema": schema } } });
            if let Some(headers) = headers(kind.status()) {
                one["headers"] = headers;
            }
            one
        });
        let before = entry["description"].as_str().unwrap_or_default();
        let sep = if before.is_empty() { "" } else { "; " };
        entry["description"] = format!("{before}{sep}`{}`: {}", kind.code(), kind.title()).into();
    }
    Value::Object(all)
}

fn headers(status: u16) -> Option<Value> {
    let text = |words: &str| json!({ "description": words, "schema": { "type": "string" } });
    match status {
        401 => Some(json!({ "WWW-Authenticate": text("How to show who asks (RFC 6750).") })),
        429 => Some(json!({ "Retry-After": text("Seconds to wait.") })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use types::TokenScope;

    use super::*;

    #[test]
    fn every_operation_is_described_once_and_every_reference_leads_somewhere() {
        let document = document();
        let operations = operations();
        let described: usize = document["paths"]
            .as_object()
            .expect("paths")
            .values()
            .map(|path| path.as_object().map_or(0, Map::len))
            .sum();
        assert_eq!(described, operations.len());
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        for scope in TokenScope::ALL {
            assert!(text.contains(&format!("\"token\":[\"{scope}\"]")), "{scope} is of no use");
        }
    }
}
