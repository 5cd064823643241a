//! Records as bytes that are always the same: what is hashed. Lives here: the form, the mark of each
//! field. Never here: hashes, which records are chained.
//!
//! ```text
//! value = tag (1 byte) and, by tag: 8 bytes of a whole number · length (4) and text or bytes · values up to an
//!         end tag · pairs of name and value up to an end tag · name of a variant and its value
//! ```
//!
//! Every value says where it ends, and every field of a structure carries its name, so that no two
//! values have the same bytes. A field that is `None` is left out: one that a later version adds
//! changes nothing of what was written before it.

use std::fmt::{self, Display};

use serde::{Serialize, ser};

const NONE: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;
const WHOLE: u8 = 3;
const NEGATIVE: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;
const LIST: u8 = 7;
const PAIRS: u8 = 8;
const VARIANT: u8 = 9;
const UNIT: u8 = 10;
const WIDE: u8 = 11;
const END: u8 = 255;

/// A record as bytes, with a short mark of each of its fields: a mark is no proof, it only tells which field it
/// was that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    bytes: Vec<u8>,
    marks: Vec<u8>,
    names: Vec<&'static str>,
}

impl Content {
    /// Begins anew, in the same memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
        self.names.clear();
    }

    /// Adds the fields of a structure.
    pub fn add(&mut self, record: &impl Serialize) {
        let top = Some(Top { marks: &mut self.marks, names: &mut self.names });
        let done = record.serialize(Writer { out: &mut self.bytes, top });
        done.expect("our records fail nowhere: they hold no locks and no foreign strings");
    }

    /// Adds one field.
    pub fn field(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        let top = Some(Top { marks: &mut self.marks, names: &mut self.names });
        let mut fields = Compound { out: &mut self.bytes, top };
        let done = fields.pair(name, value);
        done.expect("our records fail nowhere: they hold no locks and no foreign strings");
    }

    /// What is hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A mark for each field.
    pub fn marks(&self) -> &[u8] {
        &self.marks
    }

    /// The fields whose marks are not these; none if it is not known.
    pub fn fields_unlike(&self, marks: &[u8]) -> Vec<&'static str> {
        if marks.len() != self.marks.len() {
            return Vec::new();
        }
        let pairs = self.marks.iter().zip(marks).zip(&self.names);
        pairs.filter(|((ours, theirs), _)| ours != theirs).map(|(_, name)| *name).collect()
    }
}

/// Eight bits of a field, for naming it: FNV-1a over words of eight bytes, folded.
fn mark(bytes: &[u8]) -> u8 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        state ^= state >> 29;
    }
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]
}

struct Top<'a> {
    marks: &'a mut Vec<u8>,
    names: &'a mut Vec<&'static str>,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// For the record itself: what its fields leave behind.
    top: Option<Top<'a>>,
}

impl<'a> Writer<'a> {
    fn tagged(self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(bytes);
    }

    fn text(self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        push_text(self.out, bytes);
    }

    fn open(self, tag: u8) -> Compound<'a> {
        // The record itself has no bracket, so that fields can be added.
        if self.top.is_none() {
            self.out.push(tag);
        }
        Compound { out: self.out, top: self.top }
    }

    fn variant(self, name: &str, tag: u8) -> Compound<'a> {
        self.out.push(VARIANT);
        push_text(self.out, name.as_bytes());
        self.out.push(tag);
        Compound { out: self.out, top: None }
    }
}

fn push_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What can go wrong: nothing of ours does.
#[derive(Debug)]
pub struct Never(String);

impl Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: Display>(message: T) -> Never {
        Never(message.to_string())
    }
}

macro_rules! whole {
    ($($name:ident: $type:ty)*) => {
        $(fn $name(self, value: $type) -> Result<(), Never> {
            self.serialize_u64(value.into())
        })*
    };
}

macro_rules! signed {
    ($($name:ident: $type:ty)*) => {
        $(fn $name(self, value: $type) -> Result<(), Never> {
            self.serialize_i64(value.into())
        })*
    };
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    whole! { serialize_u8: u8 serialize_u16: u16 serialize_u32: u32 }
    signed! { serialize_i8: i8 serialize_i16: i16 serialize_i32: i32 }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Never> {
        self.out.push(if value { YES } else { NO });
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Never> {
        self.tagged(WHOLE, &value.to_le_bytes());
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Never> {
        let tag = if value < 0 { NEGATIVE } else { WHOLE };
        self.tagged(tag, &value.to_le_bytes());
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Never> {
        self.text(WIDE, &value.to_le_bytes());
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Never> {
        self.text(WIDE, &value.to_le_bytes());
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Never> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Never> {
        self.text(WIDE, &value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Never> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        self.text(TEXT, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Never> {
        self.text(BYTES, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.out.push(NONE);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        self.out.push(UNIT);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Never> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Never> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.out.push(VARIANT);
        push_text(self.out, variant.as_bytes());
        value.serialize(Writer { out: self.out, top: None })
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Compound<'a>, Never> {
        self.out.push(LIST);
        Ok(Compound { out: self.out, top: None })
    }

    fn serialize_tuple(self, _length: usize) -> Result<Compound<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Never> {
        Ok(self.variant(variant, LIST))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Compound<'a>, Never> {
        self.out.push(PAIRS);
        Ok(Compound { out: self.out, top: None })
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Compound<'a>, Never> {
        Ok(self.open(PAIRS))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Compound<'a>, Never> {
        Ok(self.variant(variant, PAIRS))
    }
}

/// Something with parts.
pub struct Compound<'a> {
    out: &'a mut Vec<u8>,
    top: Option<Top<'a>>,
}

impl Compound<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(Writer { out: self.out, top: None })
    }

    fn pair<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Never> {
        let from = self.out.len();
        push_text(self.out, name.as_bytes());
        let begin = self.out.len();
        self.part(value)?;
        if self.out[begin..] == [NONE] {
            self.out.truncate(from);
        }
        self.leave(name, from);
        Ok(())
    }

    fn leave(&mut self, name: &'static str, from: usize) {
        if let Some(top) = &mut self.top {
            let bytes = &self.out[from..];
            top.marks.push(if bytes.is_empty() { 0 } else { mark(bytes) });
            top.names.push(name);
        }
    }

    fn close(self) {
        if self.top.is_none() {
            self.out.push(END);
        }
    }
}

macro_rules! list {
    ($($kind:ident $part:ident),*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = Never;

            fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
                self.part(value)
            }

            fn end(self) -> Result<(), Never> {
                self.close();
                Ok(())
            }
        })*
    };
}

list! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                self.pair(name, value)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), Never> {
                let from = self.out.len();
                self.leave(name, from);
                Ok(())
            }

            fn end(self) -> Result<(), Never> {
                self.close();
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.part(value)
    }

    fn end(self) -> Result<(), Never> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
