//! What was sent, against its schema: the description of the API is what it is read by. Lives here: the parts of JSON Schema
//! (2020-12) that the schemas here use, parameters of an address. Never here: what a schema is of.

use regex::Regex;
use serde_json::{Map, Value};

use super::fault::FieldFault;

/// A schema that stands elsewhere in the description.
const COMPONENT: &str = "#/components/schemas/";
/// Wrong fields that are told of.
const MOST_ERRORS: usize = 50;

/// Looks at values with these schemas at hand.
pub struct Checker<'s> {
    /// Schemas by name.
    pub known: &'s Map<String, Value>,
}

impl Checker<'_> {
    /// Everything that is wrong with a value.
    pub fn errors(&self, schema: &Value, value: &Value) -> Vec<FieldFault> {
        let mut errors = Vec::new();
        self.look(schema, value, "", &mut errors);
        errors.truncate(MOST_ERRORS);
        errors
    }

    /// The schema itself, if it is only named here.
    pub fn resolved<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let name = schema["$ref"].as_str().and_then(|place| place.strip_prefix(COMPONENT));
        name.and_then(|name| self.known.get(name)).unwrap_or(schema)
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, errors: &mut Vec<FieldFault>) {
        let schema = self.resolved(schema);
        let mut wrong = |detail: String| errors.push(FieldFault::at(at, detail));
        if let Some(any) = schema["oneOf"].as_array() {
            let others: Vec<&Value> = any.iter().filter(|one| one["type"] != "null").collect();
            // What may be left out: told as if it could not be.
            if let ([only], false) = (others.as_slice(), value.is_null()) {
                return self.look(only, value, at, errors);
            }
            if !any.iter().any(|one| self.errors(one, value).is_empty()) {
                wrong("is none of what it may be".to_owned());
            }
            return;
        }
        let types = type_names(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
            return wrong(format!("must be {}", types.join(" or ")));
        }
        if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
            let all: Vec<String> = all.iter().map(Value::to_string).collect();
            return wrong(format!("must be one of {}", all.join(", ")));
        }
        match value {
            Value::String(text) => {
                let length = text.chars().count() as u64;
                if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
                    wrong(format!("must have at most {most} characters"));
                }
                if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
                    wrong(format!("must have at least {least} characters"));
                }
                // None of the patterns here is wrong, and a text is short: see the body's bound.
                let pattern = schema["pattern"].as_str().and_then(|text| Regex::new(text).ok());
                if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
                    let like = schema["example"].as_str().or(schema["examples"][0].as_str());
                    wrong(match like {
                        Some(like) => format!("must be written like {like}"),
                        None => format!("must fit {}", schema["pattern"]),
                    });
                }
            }
            Value::Number(number) => {
                let is_below = |most: f64| number.as_f64().is_none_or(|it| it > most);
                let is_above = |least: f64| number.as_f64().is_none_or(|it| it < least);
                if let Some(most) = schema["maximum"].as_f64().filter(|most| is_below(*most)) {
                    wrong(format!("must be at most {most}"));
                }
                if let Some(least) = schema["minimum"].as_f64().filter(|least| is_above(*least)) {
                    wrong(format!("must be at least {least}"));
                }
            }
            Value::Array(items) => self.look_at_items(schema, items, at, errors),
            Value::Object(fields) => self.look_at_fields(schema, fields, at, errors),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn look_at_items(
        &self,
        schema: &Value,
        items: &[Value],
        at: &str,
        errors: &mut Vec<FieldFault>,
    ) {
        let most = schema["maxItems"].as_u64();
        if let Some(most) = most.filter(|most| items.len() as u64 > *most) {
            return errors.push(FieldFault::at(at, format!("must have at most {most} items")));
        }
        let least = schema["minItems"].as_u64();
        if let Some(least) = least.filter(|least| (items.len() as u64) < *least) {
            errors.push(FieldFault::at(at, format!("must have at least {least} items")));
        }
        for (place, item) in items.iter().enumerate() {
            self.look(&schema["items"], item, &format!("{at}/{place}"), errors);
        }
    }

    fn look_at_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        errors: &mut Vec<FieldFault>,
    ) {
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str).filter(|name| !fields.contains_key(*name)) {
            errors.push(FieldFault::at(format!("{at}/{name}"), "is missing"));
        }
        let least = schema["minProperties"].as_u64();
        if least.is_some_and(|least| (fields.len() as u64) < least) {
            errors.push(FieldFault::at(at, "names nothing to change"));
        }
        for (name, value) in fields {
            // RFC 6901 §3.
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match schema["properties"].get(name) {
                Some(one) => self.look(one, value, &place, errors),
                None if schema["additionalProperties"] == false => {
                    errors.push(FieldFault::at(place, "there is no such field"));
                }
                None => {}
            }
        }
    }
}

/// Numbers that are whole, as whole numbers: to JSON Schema `1.0` is one (2020-12 §6.1.1), to who reads it here it would not be.
pub fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|it| number.is_f64() && it.fract() == 0.0);
            // Beyond it not every whole number is there.
            let whole = float.filter(|it| it.abs() < 9e15).map(|it| Value::from(it as i64));
            whole.unwrap_or(Value::Number(number))
        }
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, whole_numbers(value))).collect()
        }
        other => other,
    }
}

fn type_names(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// Parameters of an address as an object of their schema; what cannot be read stays text, which the schema then refuses.
pub fn parameters(checker: &Checker<'_>, schema: &Value, pairs: &[(String, String)]) -> Value {
    let properties = &checker.resolved(schema)["properties"];
    let mut object = Map::new();
    for (name, text) in pairs {
        let types = properties.get(name).map(type_names).unwrap_or_default();
        let value = match (types.contains(&"integer"), types.contains(&"boolean"), text.as_str()) {
            (true, ..) => text.parse::<i64>().map_or_else(|_| text.clone().into(), Value::from),
            (_, true, "true") => Value::Bool(true),
            (_, true, "false") => Value::Bool(false),
            _ => Value::String(text.clone()),
        };
        object.insert(name.clone(), value);
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> Map<String, Value> {
        let colour = json!({ "type": "string", "enum": ["red", "blue"] });
        Map::from_iter([("Colour".to_owned(), colour)])
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        fn check(value: &Value, want: &[(&str, &str)]) {
            let schema = json!({
                "type": "object",
                "additionalProperties": false,
                "minProperties": 1,
                "required": ["name"],
                "properties": {
                    "name": { "type": "string", "minLength": 1, "maxLength": 3 },
                    "count": { "type": ["integer", "null"], "minimum": 0, "maximum": 9 },
                    "on": { "type": "boolean" },
                    "sum": { "type": "string", "pattern": "^[0-9]+$", "example": "12" },
                    "list": {
                        "type": "array", "minItems": 1, "maxItems": 2,
                        "items": { "$ref": "#/components/schemas/Colour" },
                    },
                    "one": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Colour" }] },
                },
            });
            let known = known();
            let found = Checker { known: &known }.errors(&schema, value);
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|one| (one.pointer.as_deref().unwrap_or("-"), one.detail.as_str()))
                .collect();
            assert_eq!(found, want, "{value}");
        }
        let fine =
            json!({ "name": "abc", "count": null, "on": true, "list": ["red"], "one": null });
        check(&fine, &[]);
        check(&json!({ "name": "äöü", "count": 9, "one": "blue" }), &[]);
        check(&json!([]), &[("", "must be object")]);
        check(&json!({}), &[("/name", "is missing"), ("", "names nothing to change")]);
        check(&json!({ "name": "" }), &[("/name", "must have at least 1 characters")]);
        check(&json!({ "name": "abcd" }), &[("/name", "must have at most 3 characters")]);
        check(&json!({ "name": 1 }), &[("/name", "must be string")]);
        check(&json!({ "name": "a", "a/b~": 1 }), &[("/a~1b~0", "there is no such field")]);
        let wrong = |field: &str, value: Value| {
            let mut object = json!({ "name": "a" });
            object[field] = value;
            object
        };
        check(&wrong("count", json!(-1)), &[("/count", "must be at least 0")]);
        check(&wrong("count", json!(10)), &[("/count", "must be at most 9")]);
        check(&wrong("count", json!(1.0)), &[("/count", "must be integer or null")]);
        check(&wrong("sum", json!("12")), &[]);
        check(&wrong("sum", json!("1 2")), &[("/sum", "must be written like 12")]);
        check(&wrong("on", json!("yes")), &[("/on", "must be boolean")]);
        check(&wrong("list", json!([])), &[("/list", "must have at least 1 items")]);
        check(
            &wrong("list", json!(["red", "red", "red"])),
            &[("/list", "must have at most 2 items")],
        );
        check(
            &wrong("list", json!(["green", "red"])),
            &[("/list/0", "must be one of \"red\", \"blue\"")],
        );
        check(&wrong("one", json!("green")), &[("/one", "must be one of \"red\", \"blue\"")]);
    }

    #[test]
    fn whole_numbers_are_whole() {
        let found = whole_numbers(json!({ "a": [1.0, -0.0, 1.5, 1e300, 7], "b": "1.0" }));
        assert_eq!(found, json!({ "a": [1, 0, 1.5, 1e300, 7], "b": "1.0" }));
    }

    #[test]
    fn parameters_have_the_types_of_their_schema() {
        let schema = json!({ "properties": { "limit": { "type": "integer" }, "all": { "type": "boolean" } } });
        let known = known();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = [pair("limit", "7"), pair("all", "true"), pair("q", "7")];
        let found = parameters(&Checker { known: &known }, &schema, &pairs);
        assert_eq!(found, json!({ "limit": 7, "all": true, "q": "7" }));
        let found = parameters(&Checker { known: &known }, &schema, &[pair("limit", "many")]);
        assert_eq!(found, json!({ "limit": "many" }));
    }
}
