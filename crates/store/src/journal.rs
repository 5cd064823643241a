//! An append-only file for records while the database is down: emergency calls, CDRs of calls that
//! ended. Lives here: the file, its frames, telling it to a store. Never here: SQL.
//!
//! ```text
//! file  = frame*
//! frame = length (4 bytes, little-endian) · CRC-32 of the body (4 bytes) · body
//! body  = JSON array of records, or `S` and the same sealed, if secrets are among them
//! ```
//!
//! Every append is synced before it returns. A torn frame at the end was never acknowledged and is
//! cut off. All records are idempotent, so the file may be told to a store more than once.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::Record;
use zeroize::Zeroizing;

use crate::backend::{Backend, Batch};
use crate::error::{CommitError, StoreError};
use crate::rules;
use crate::seal::{Bound, Sealer};
use crate::sqlite::sync_directory;

/// A frame longer than this is damage, not data.
const LONGEST_FRAME: usize = 16 << 20;
const HEAD: usize = 8;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that hold whole frames.
    whole: u64,
    frames: u64,
    /// After a failed append: the end must be cut before the next.
    torn: bool,
    /// What seals frames with secrets in them; without it they are refused.
    sealer: Option<Arc<Sealer>>,
}

/// The first byte of a sealed body; JSON begins with a bracket.
const SEALED: u8 = b'S';

/// What is in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The records of each append, in order.
    pub frames: Vec<Vec<Record>>,
    /// Bytes of whole frames.
    pub whole: u64,
    /// Bytes after them: a torn frame.
    pub torn: u64,
}

/// What became of a journal's contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Records that the store has now.
    pub records: usize,
    /// Frames that it refuses: they are in the file of [`refused_path`].
    pub set_aside: usize,
}

/// The file beside a journal that takes what the store refuses.
pub fn refused_path(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".refused");
    PathBuf::from(path)
}

impl Journal {
    /// Opens a journal to append to, and makes it if it is not there. A torn tail is cut off.
    pub fn open(
        path: impl AsRef<Path>,
        sealer: Option<Arc<Sealer>>,
    ) -> Result<Journal, StoreError> {
        let path = path.as_ref().to_owned();
        let known = path.exists();
        let fault = |doing| fault(&path, doing);
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fault("open it"))?;
        if !known {
            sync_directory(&path).map_err(fault("sync its directory"))?;
        }
        let contents = contents(&mut file, &path, sealer.as_deref())?;
        let (whole, frames) = (contents.whole, contents.frames.len() as u64);
        let mut journal = Journal { path, file, whole, frames, torn: contents.torn > 0, sealer };
        journal.cut_tail()?;
        Ok(journal)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends since it was last cleared.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Writes the records and syncs them. On `Err` they are not there.
    pub fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.cut_tail()?;
        let body = match records.iter().any(rules::holds_secret) {
            false => self.json(records)?.to_vec(),
            true => [&[SEALED], self.sealed(records)?.as_slice()].concat(),
        };
        let too_long = || io::Error::other(format!("{} bytes are too many", body.len()));
        if body.len() > LONGEST_FRAME {
            return Err(fault(&self.path, "append to it")(too_long()));
        }
        let length = u32::try_from(body.len()).expect("LONGEST_FRAME is less than 4 GiB");
        let mut frame = Vec::with_capacity(HEAD + body.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&crc32(&body).to_le_bytes());
        frame.extend_from_slice(&body);
        self.torn = true;
        let file = &mut self.file;
        file.seek(SeekFrom::Start(self.whole))
            .and_then(|_| file.write_all(&frame))
            .and_then(|()| file.sync_data())
            .map_err(fault(&self.path, "append to it"))?;
        self.torn = false;
        self.whole += frame.len() as u64;
        self.frames += 1;
        Ok(())
    }

    fn json(&self, records: &[Record]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        serde_json::to_vec(records)
            .map(Zeroizing::new)
            .map_err(io::Error::other)
            .map_err(fault(&self.path, "write a record"))
    }

    fn sealed(&self, records: &[Record]) -> Result<Vec<u8>, StoreError> {
        let no_key = || StoreError::NoKey { file: self.path.display().to_string() };
        let sealer = self.sealer.as_ref().ok_or_else(no_key)?;
        sealer
            .seal(Bound::Frame, &self.json(records)?)
            .map_err(io::Error::other)
            .map_err(fault(&self.path, "seal a record"))
    }

    /// Tells everything to the store in one transaction each for some frames, then empties the file.
    /// A frame that the store refuses for what it holds is set aside. Whatever stops it, telling it
    /// again is right.
    pub fn replay(&mut self, store: &mut dyn Backend) -> Result<Told, StoreError> {
        let contents = contents(&mut self.file, &self.path, self.sealer.as_deref())?;
        let mut told = Told::default();
        for frames in contents.frames.chunks(256) {
            self.tell(store, frames, &mut told)?;
        }
        self.clear()?;
        Ok(told)
    }

    /// Tells frames, by halves when one among them is refused.
    fn tell(
        &mut self,
        store: &mut dyn Backend,
        frames: &[Vec<Record>],
        told: &mut Told,
    ) -> Result<(), StoreError> {
        let batch = |records: &Vec<Record>| Batch { ticket: 0, records: records.clone() };
        let batches: Vec<Batch> = frames.iter().map(batch).collect();
        match commit_surely(store, &batches) {
            Ok(()) => told.records += frames.iter().map(Vec::len).sum::<usize>(),
            Err(error) if error.is_refusal() && frames.len() > 1 => {
                let (first, second) = frames.split_at(frames.len() / 2);
                self.tell(store, first, told)?;
                self.tell(store, second, told)?;
            }
            Err(error) if error.is_refusal() => {
                for records in frames {
                    self.set_aside(records, &error.to_string())?;
                }
                told.set_aside += frames.len();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps records that the store refuses, for people: a line of JSON in a file beside this one. With
    /// secrets among them they are sealed.
    pub fn set_aside(&self, records: &[Record], why: &str) -> Result<(), StoreError> {
        let path = refused_path(&self.path);
        let is_new = !path.exists();
        let aside = match records.iter().any(rules::holds_secret) {
            false => serde_json::json!({ "why": why, "records": records }),
            true => {
                serde_json::json!({ "why": why, "sealed": STANDARD.encode(self.sealed(records)?) })
            }
        };
        let mut text = serde_json::to_vec(&aside)
            .map_err(io::Error::other)
            .map_err(fault(&path, "write a record"))?;
        text.push(b'\n');
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data()))
            .map_err(fault(&path, "append to it"))?;
        if is_new {
            sync_directory(&path).map_err(fault(&path, "sync its directory"))?;
        }
        Ok(())
    }

    /// Empties the file, once its records are in the store.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        self.whole = 0;
        self.frames = 0;
        self.torn = true;
        self.cut_tail()
    }

    /// What it holds, for who tells it to the store in his own way.
    pub fn contents(&mut self) -> Result<Contents, StoreError> {
        contents(&mut self.file, &self.path, self.sealer.as_deref())
    }

    fn cut_tail(&mut self) -> Result<(), StoreError> {
        if self.torn {
            self.file
                .set_len(self.whole)
                .and_then(|()| self.file.sync_data())
                .map_err(fault(&self.path, "cut its torn end"))?;
            self.torn = false;
        }
        Ok(())
    }
}

/// Tells a journal file to the store, then removes it. Nothing to do is nothing told.
pub fn replay_file(
    path: impl AsRef<Path>,
    sealer: Option<Arc<Sealer>>,
    store: &mut dyn Backend,
) -> Result<Told, StoreError> {
    let path = path.as_ref();
    if !path.exists() {
        return Ok(Told::default());
    }
    let told = Journal::open(path, sealer)?.replay(store)?;
    fs::remove_file(path).and_then(|()| sync_directory(path)).map_err(fault(path, "remove it"))?;
    Ok(told)
}

fn commit_surely(store: &mut dyn Backend, batches: &[Batch]) -> Result<(), StoreError> {
    match store.commit(batches) {
        Ok(()) => Ok(()),
        Err(CommitError::Unknown(error)) => match store.resolve()? {
            true => Ok(()),
            false => Err(error),
        },
        Err(CommitError::Failed(error) | CommitError::Full(error)) => Err(error),
    }
}

fn fault(path: &Path, doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    let file = path.display().to_string();
    move |error| StoreError::Io {
        file: file.clone(),
        doing,
        full: error.kind() == ErrorKind::StorageFull,
        message: error.to_string(),
    }
}

/// Reads whole frames until the first that is not.
fn contents(file: &mut File, path: &Path, sealer: Option<&Sealer>) -> Result<Contents, StoreError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(fault(path, "read it"))?;
    let mut contents = Contents::default();
    let mut rest = bytes.as_slice();
    loop {
        let at = bytes.len() - rest.len();
        let damaged = |message: String| StoreError::Damaged {
            file: path.display().to_string(),
            what: format!("the frame at byte {at}"),
            message,
        };
        match frame(rest) {
            Frame::Whole(body, after) => {
                let records = match body.split_first() {
                    Some((&SEALED, sealed)) => {
                        let plain = unseal(sealed, sealer).map_err(damaged)?;
                        serde_json::from_slice(&plain)
                    }
                    _ => serde_json::from_slice(body),
                };
                contents.frames.push(records.map_err(|error| damaged(error.to_string()))?);
                rest = after;
            }
            Frame::Torn => {
                contents.torn = rest.len() as u64;
                contents.whole = at as u64;
                return Ok(contents);
            }
            // Only the last frame can be torn: this one was acknowledged once.
            Frame::Damaged => return Err(damaged("its checksum is wrong".to_owned())),
        }
    }
}

fn unseal(sealed: &[u8], sealer: Option<&Sealer>) -> Result<Zeroizing<Vec<u8>>, String> {
    let sealer = sealer.ok_or("it is sealed, and there is no key")?;
    sealer.open(Bound::Frame, sealed).map_err(|error| error.to_string())
}

enum Frame<'a> {
    /// Its body, and what follows.
    Whole(&'a [u8], &'a [u8]),
    /// The end of the file, or an append that did not come through.
    Torn,
    /// Wrong, and something follows it.
    Damaged,
}

/// The first frame of the bytes.
fn frame(bytes: &[u8]) -> Frame<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Frame::Torn;
    };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else {
        return Frame::Torn;
    };
    let length = u32::from_le_bytes(*length) as usize;
    // A frame of nothing would be eight zero bytes: what a file system leaves after a power cut.
    if length == 0 || length > LONGEST_FRAME || length > rest.len() {
        return Frame::Torn;
    }
    let (body, after) = rest.split_at(length);
    if crc32(body) == u32::from_le_bytes(*crc) {
        Frame::Whole(body, after)
    } else if after.is_empty() {
        Frame::Torn
    } else {
        Frame::Damaged
    }
}

/// CRC-32 as in ISO 3309 (polynomial 0x04C11DB7, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let step = |crc: u32, byte: &u8| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    !bytes.iter().fold(u32::MAX, step)
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
