//! Stop levels of lines, resellers and the platform by name. Never here: what they mean.

use serde_json::Value;
use types::StopLevels;

use super::Raw;
use super::controls::amount;

/// A stop level that has a name.
pub struct LevelKey {
    /// In settings and files.
    pub name: &'static str,
    /// For people.
    pub help: &'static str,
    /// Reads it.
    pub set: fn(&mut StopLevels, &Raw) -> Result<(), String>,
    /// Shows it.
    pub show: fn(&StopLevels) -> Raw,
}

macro_rules! level_key {
    ($name:ident, $help:literal) => {
        LevelKey {
            name: stringify!($name),
            help: $help,
            set: |levels, raw| raw.optional(amount).map(|level| levels.$name = level),
            show: |levels| Raw::maybe(levels.$name),
        }
    };
}

/// Every level, the shortest window first.
pub const LEVEL_KEYS: &[LevelKey] = &[
    level_key!(stop_level_1h, "costly spending in any hour at which calls end, or none"),
    level_key!(stop_level_24h, "costly spending in any 24 hours at which calls end, or none"),
    level_key!(stop_level_7d, "costly spending in any seven days at which calls end, or none"),
    level_key!(
        stop_level_all_24h,
        "spending of every kind in any 24 hours at which calls end, or none"
    ),
];

/// Sets a level by its name; `None` if there is no such name.
pub fn set(levels: &mut StopLevels, name: &str, raw: &Raw) -> Option<Result<(), String>> {
    let key = LEVEL_KEYS.iter().find(|key| key.name == name)?;
    Some((key.set)(levels, raw))
}

/// Levels as JSON: amounts as decimal texts.
pub fn levels_view(levels: &StopLevels) -> Value {
    let one = |key: &LevelKey| (key.name.to_owned(), (key.show)(levels).to_json());
    Value::Object(LEVEL_KEYS.iter().map(one).collect())
}
