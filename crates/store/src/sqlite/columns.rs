//! How words of ours look in a column. Lives here: numbers, codes and JSON, both ways.
//! Never here: tables.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::value::{Error as CodeError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use types::decision::Outcome;
use types::{
    AccountId, DecisionId, E164, LedgerAccount, LineId, Money, Region, TransferKind, TrunkId,
    UnixMicros,
};

/// A decision id as a column. Ids beyond the sign were refused before.
pub fn decision(id: DecisionId) -> i64 {
    id.0.cast_signed()
}

/// A number as a column.
pub fn e164(number: E164) -> i64 {
    number.value().cast_signed()
}

/// A column read into a word of ours.
pub struct Read<T>(pub T);

macro_rules! read {
    ($($type:ty: $value:ident => $build:expr;)*) => {
        $(impl FromSql for Read<$type> {
            fn column_result(column: ValueRef<'_>) -> FromSqlResult<Self> {
                let $value = column.as_i64()?;
                Ok(Read($build))
            }
        })*
    };
}

read! {
    DecisionId: value => DecisionId(value.cast_unsigned());
    UnixMicros: value => UnixMicros(value);
    Money: value => Money::from_micros(value);
    AccountId: value => AccountId(small(value)?);
    LineId: value => LineId(small(value)?);
    types::ResellerId: value => types::ResellerId(small(value)?);
    TrunkId: value => TrunkId(small(value)?);
    types::DeckId: value => types::DeckId(small(value)?);
    E164: value => E164::try_from(value.cast_unsigned()).map_err(FromSqlError::other)?;
    u64: value => u64::try_from(value).map_err(|_| FromSqlError::OutOfRange(value))?;
    u32: value => small(value)?;
    u16: value => u16::try_from(value).map_err(|_| FromSqlError::OutOfRange(value))?;
    bool: value => match value {
        0 => false,
        1 => true,
        _ => return Err(FromSqlError::OutOfRange(value)),
    };
}

fn small(value: i64) -> FromSqlResult<u32> {
    u32::try_from(value).map_err(|_| FromSqlError::OutOfRange(value))
}

/// A column with a stable name, as `on-net`: the same words as in JSON.
pub struct Code<T>(pub T);

impl<T: DeserializeOwned> FromSql for Code<T> {
    fn column_result(column: ValueRef<'_>) -> FromSqlResult<Self> {
        let text: StrDeserializer<'_, CodeError> = column.as_str()?.into_deserializer();
        T::deserialize(text).map(Code).map_err(FromSqlError::other)
    }
}

impl<T: Serialize> ToSql for Code<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let quoted = json(&self.0)?;
        Ok(quoted.trim_matches('"').to_owned().into())
    }
}

/// A column of JSON.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(column: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(column.as_str()?).map(Json).map_err(FromSqlError::other)
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(json(&self.0)?.into())
    }
}

/// JSON of a value.
pub fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Stable name of an outcome.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Admitted => "admitted",
        Outcome::Refused => "refused",
    }
}

/// A ledger account as two columns: kind and id.
pub fn ledger_account(account: LedgerAccount) -> (i64, i64) {
    match account {
        LedgerAccount::Receivable(id) => (RECEIVABLE, id.0.into()),
        LedgerAccount::Revenue => (2, 0),
        LedgerAccount::CarrierCost => (3, 0),
        LedgerAccount::CarrierPayable(id) => (4, id.0.into()),
        LedgerAccount::Cash => (5, 0),
        LedgerAccount::Goodwill => (6, 0),
        LedgerAccount::WrittenOff => (7, 0),
        LedgerAccount::Instalments(id) => (8, id.0.into()),
    }
}

/// The kind of [`LedgerAccount::Receivable`].
pub const RECEIVABLE: i64 = 1;

/// A ledger account from its two columns.
pub fn read_ledger_account(kind: i64, id: i64) -> FromSqlResult<LedgerAccount> {
    Ok(match kind {
        RECEIVABLE => LedgerAccount::Receivable(AccountId(small(id)?)),
        2 => LedgerAccount::Revenue,
        3 => LedgerAccount::CarrierCost,
        4 => LedgerAccount::CarrierPayable(TrunkId(small(id)?)),
        5 => LedgerAccount::Cash,
        6 => LedgerAccount::Goodwill,
        7 => LedgerAccount::WrittenOff,
        8 => LedgerAccount::Instalments(AccountId(small(id)?)),
        _ => return Err(FromSqlError::OutOfRange(kind)),
    })
}

/// A kind of transfer from its column.
pub fn read_transfer_kind(kind: i64) -> FromSqlResult<TransferKind> {
    TransferKind::ALL
        .into_iter()
        .find(|known| *known as i64 == kind)
        .ok_or(FromSqlError::OutOfRange(kind))
}

/// A country as a column.
pub fn region(region: Option<&Region>) -> Option<&str> {
    region.map(Region::as_str)
}
