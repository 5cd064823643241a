//! A value as somebody wrote it, before it means anything. Lives here: reading numbers, amounts,
//! lists and flags out of it, and saying what was expected. Never here: which keys exist.

use std::fmt::Display;
use std::str::FromStr;

use toml::de::DeValue;

/// A value from the configuration file, the environment or a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A quoted text in the file.
    Text(String),
    /// A bare number or date in the file, as written: amounts are never read as floating point.
    Bare(String),
    /// `true` or `false` in the file.
    Flag(bool),
    /// An array in the file.
    List(Vec<Raw>),
    /// Words from the environment or a command line: the key decides what they are.
    Words(String),
    /// A key that is not set.
    Unset,
}

impl Raw {
    /// From a parsed value of the file; tables are no values.
    pub fn from_toml(value: &DeValue<'_>) -> Result<Raw, String> {
        match value {
            DeValue::String(text) => Ok(Raw::Text(text.to_string())),
            DeValue::Integer(number) if number.radix() == 10 => {
                Ok(Raw::Bare(number.as_str().replace('_', "")))
            }
            DeValue::Integer(_) => Err("numbers are written in decimal".to_owned()),
            DeValue::Float(number) => Ok(Raw::Bare(number.as_str().replace('_', ""))),
            DeValue::Boolean(flag) => Ok(Raw::Flag(*flag)),
            DeValue::Datetime(date) => Ok(Raw::Bare(date.to_string())),
            DeValue::Array(items) => items
                .iter()
                .map(|item| Raw::from_toml(item.get_ref()))
                .collect::<Result<_, _>>()
                .map(Raw::List),
            DeValue::Table(_) => Err("expected a value, found a section".to_owned()),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Raw::Text(text) | Raw::Words(text) => Ok(text),
            other => Err(format!("expected a text in quotes, found {}", other.kind())),
        }
    }

    /// A text that means something.
    pub fn parse<T>(&self) -> Result<T, String>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text()?.trim().parse().map_err(|error: T::Err| error.to_string())
    }

    /// A whole number within bounds.
    pub fn number(&self, least: u64, most: u64) -> Result<u64, String> {
        let text = match self {
            Raw::Bare(text) | Raw::Words(text) => text.trim(),
            other => return Err(format!("expected a whole number, found {}", other.kind())),
        };
        let value: u64 =
            text.parse().map_err(|_| format!("expected a whole number, found `{text}`"))?;
        if value < least || value > most {
            return Err(format!("{value} is out of bounds: expected {least} to {most}"));
        }
        Ok(value)
    }

    /// An amount of money or a date: quoted or not.
    pub fn plain<T>(&self) -> Result<T, String>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self {
            Raw::Bare(text) | Raw::Text(text) | Raw::Words(text) => {
                text.trim().parse().map_err(|error: T::Err| error.to_string())
            }
            other => Err(format!("found {}", other.kind())),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<bool, String> {
        match self {
            Raw::Flag(flag) => Ok(*flag),
            Raw::Words(text) => match text.trim() {
                "true" | "yes" | "on" => Ok(true),
                "false" | "no" | "off" => Ok(false),
                other => Err(format!("expected true or false, found `{other}`")),
            },
            other => Err(format!("expected true or false, found {}", other.kind())),
        }
    }

    /// A list; words are split at commas, and no words are an empty list.
    pub fn list<T>(&self, item: impl Fn(&Raw) -> Result<T, String>) -> Result<Vec<T>, String> {
        match self {
            Raw::List(items) => items.iter().map(item).collect(),
            Raw::Words(text) => text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty() && *word != "none")
                .map(|word| item(&Raw::Words(word.to_owned())))
                .collect(),
            other => Err(format!("expected a list in brackets, found {}", other.kind())),
        }
    }

    /// `none` and no words stand for "not set".
    pub fn optional<T>(
        &self,
        item: impl Fn(&Raw) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self {
            Raw::Text(text) | Raw::Words(text) if matches!(text.trim(), "" | "none") => Ok(None),
            Raw::Unset => Ok(None),
            other => item(other).map(Some),
        }
    }

    /// From a list of printable things.
    pub fn words<T: Display>(items: impl IntoIterator<Item = T>) -> Raw {
        Raw::List(items.into_iter().map(|item| Raw::Text(item.to_string())).collect())
    }

    /// From a printable thing.
    pub fn of(value: impl Display) -> Raw {
        Raw::Text(value.to_string())
    }

    /// From a number.
    pub fn bare(value: impl Display) -> Raw {
        Raw::Bare(value.to_string())
    }

    /// From a printable thing that may be missing.
    pub fn maybe(value: Option<impl Display>) -> Raw {
        value.map_or(Raw::Unset, Raw::of)
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Raw::Text(text) | Raw::Words(text) => text.clone().into(),
            Raw::Bare(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
            Raw::Flag(flag) => (*flag).into(),
            Raw::List(items) => items.iter().map(Raw::to_json).collect(),
            Raw::Unset => serde_json::Value::Null,
        }
    }

    /// As it would stand in the file.
    pub fn to_toml(&self) -> String {
        match self {
            Raw::Text(text) | Raw::Words(text) => format!("{text:?}"),
            Raw::Bare(text) => text.clone(),
            Raw::Flag(flag) => flag.to_string(),
            Raw::List(items) => {
                format!("[{}]", items.iter().map(Raw::to_toml).collect::<Vec<_>>().join(", "))
            }
            Raw::Unset => "\"none\"".to_owned(),
        }
    }

    fn kind(&self) -> String {
        match self {
            Raw::Text(text) => format!("the text {text:?}"),
            Raw::Bare(text) | Raw::Words(text) => format!("`{text}`"),
            Raw::Flag(flag) => format!("`{flag}`"),
            Raw::List(_) => "a list".to_owned(),
            Raw::Unset => "nothing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_what_was_expected() {
        fn check(raw: Raw, want: Result<u64, &str>) {
            assert_eq!(raw.number(1, 10), want.map_err(str::to_owned), "{raw:?}");
        }
        check(Raw::Bare("7".into()), Ok(7));
        check(Raw::Words("7".into()), Ok(7));
        check(Raw::Bare("0".into()), Err("0 is out of bounds: expected 1 to 10"));
        check(Raw::Bare("-1".into()), Err("expected a whole number, found `-1`"));
        check(Raw::Bare("1.5".into()), Err("expected a whole number, found `1.5`"));
        check(Raw::Text("7".into()), Err("expected a whole number, found the text \"7\""));
        check(Raw::Flag(true), Err("expected a whole number, found `true`"));
    }

    #[test]
    fn words_become_lists_flags_and_nothing() {
        let words = |text: &str| Raw::Words(text.to_owned());
        let text = |raw: &Raw| raw.text().map(str::to_owned);
        assert_eq!(words("a, b,").list(text), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(words("none").list(text), Ok(Vec::new()));
        assert_eq!(words("yes").flag(), Ok(true));
        assert!(words("perhaps").flag().is_err());
        assert_eq!(words("none").optional(text), Ok(None));
        assert_eq!(words("x").optional(text), Ok(Some("x".to_owned())));
    }
}
