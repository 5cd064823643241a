//! SQLite's file layer on a [`Disk`] in memory. All unsafe code of the store's tests is here.
//! Never here: what a disk does.
//!
//! One connection at a time uses a file: locks are not modelled.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

use crate::disk::{Disk, Failure};

/// The name of the file layer, for `OpenOptions::vfs`.
pub const NAME: &str = "power";

type Shared = Arc<Mutex<Disk>>;

/// Running machines by name.
static MACHINES: Mutex<BTreeMap<String, Shared>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine with a disk, until it is dropped.
pub struct Machine {
    name: String,
    disk: Shared,
}

impl Machine {
    pub fn start(disk: Disk) -> Machine {
        static REGISTERED: OnceLock<()> = OnceLock::new();
        REGISTERED.get_or_init(register);
        static COUNT: Mutex<u64> = Mutex::new(0);
        let mut count = lock(&COUNT);
        *count += 1;
        let name = format!("machine-{}", *count);
        let disk = Arc::new(Mutex::new(disk));
        lock(&MACHINES).insert(name.clone(), disk.clone());
        Machine { name, disk }
    }

    /// The path of a database on this machine.
    pub fn path(&self) -> String {
        format!("{}/rf.db", self.name)
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        lock(&MACHINES).remove(&self.name);
    }
}

/// What SQLite sees of an open file.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    inner: *mut Inner,
}

struct Inner {
    disk: Shared,
    name: String,
    /// As SQLite's own layer does: the first sync of a log or journal syncs the directory too.
    sync_directory: bool,
    /// The shared-memory index, of this one connection. Boxes, so that regions never move.
    regions: Vec<Box<[u64]>>,
}

/// SAFETY: SQLite passes a file that `x_open` filled and `x_close` has not seen yet, from one thread
/// at a time.
unsafe fn inner<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Inner {
    unsafe { &mut *(*file.cast::<OpenFile>()).inner }
}

/// SAFETY: `text` is a string that ends with a zero byte, as SQLite passes.
unsafe fn text(text: *const c_char) -> String {
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The disk that a path is on, and the file's name there.
fn locate(path: &str) -> Option<(Shared, String)> {
    let (machine, name) = path.split_once('/')?;
    let disk = lock(&MACHINES).get(machine).cloned()?;
    Some((disk, name.to_owned()))
}

fn code(outcome: Result<(), Failure>, io: c_int) -> c_int {
    match outcome {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failure::Io) => io,
        Err(Failure::Full) => ffi::SQLITE_FULL,
    }
}

unsafe extern "C" fn x_open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for an `OpenFile` (szOsFile), and a name or null.
    unsafe {
        (*file).pMethods = std::ptr::null();
        if name.is_null() {
            return ffi::SQLITE_CANTOPEN;
        }
        let Some((disk, name)) = locate(&text(name)) else { return ffi::SQLITE_CANTOPEN };
        {
            let mut held = lock(&disk);
            let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
            if held.is_off() || !create && !held.exists(&name) {
                return ffi::SQLITE_CANTOPEN;
            }
            held.create(&name);
        }
        let logs = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        let sync_directory = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & logs != 0;
        let inner = Inner { disk, name, sync_directory, regions: Vec::new() };
        (*file.cast::<OpenFile>()).inner = Box::into_raw(Box::new(inner));
        (*file).pMethods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the box was made by `x_open`; SQLite closes a file once.
    unsafe { drop(Box::from_raw((*file.cast::<OpenFile>()).inner)) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `to` has room for `amount` bytes.
    let (inner, to) =
        unsafe { (inner(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), amount as usize)) };
    let disk = lock(&inner.disk);
    let Some(found) = disk.read(&inner.name, offset as usize, to.len()) else {
        return ffi::SQLITE_IOERR_READ;
    };
    to[..found.len()].copy_from_slice(found);
    to[found.len()..].fill(0);
    if found.len() == to.len() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn x_write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `from` holds `amount` bytes.
    let (inner, from) =
        unsafe { (inner(file), std::slice::from_raw_parts(from.cast::<u8>(), amount as usize)) };
    let outcome = lock(&inner.disk).write(&inner.name, offset as usize, from);
    code(outcome, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let inner = unsafe { inner(file) };
    let outcome = lock(&inner.disk).truncate(&inner.name, size as usize);
    code(outcome, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    let inner = unsafe { inner(file) };
    let outcome = lock(&inner.disk).sync(&inner.name, inner.sync_directory);
    inner.sync_directory &= outcome.is_err();
    code(outcome, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn x_file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    let inner = unsafe { inner(file) };
    // SAFETY: SQLite passes a place for the size.
    unsafe { *size = lock(&inner.disk).size(&inner.name) as ffi::sqlite3_int64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(
    _file: *mut ffi::sqlite3_file,
    reserved: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *reserved = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(
    _file: *mut ffi::sqlite3_file,
    _op: c_int,
    _arg: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4_096
}

/// As SQLite's own layer says on Linux: a cut within a write does not harm its neighbours.
unsafe extern "C" fn x_device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let inner = unsafe { inner(file) };
    let index = region as usize;
    while extend != 0 && inner.regions.len() <= index {
        inner.regions.push(vec![0; size as usize / 8].into_boxed_slice());
    }
    let found = inner.regions.get_mut(index);
    // SAFETY: SQLite passes a place for the pointer. The region lives until `x_shm_unmap`.
    unsafe { *out = found.map_or(std::ptr::null_mut(), |found| found.as_mut_ptr().cast()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_shm_lock(
    _file: *mut ffi::sqlite3_file,
    _offset: c_int,
    _count: c_int,
    _flags: c_int,
) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_shm_barrier(_file: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn x_shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    unsafe { inner(file) }.regions.clear();
    ffi::SQLITE_OK
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_lock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn x_delete(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    let Some((disk, name)) = locate(&unsafe { text(name) }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let mut disk = lock(&disk);
    if !disk.exists(&name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    code(disk.delete(&name, sync_directory != 0), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn x_access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    let found = locate(&unsafe { text(name) });
    let exists = found.is_some_and(|(disk, name)| lock(&disk).exists(&name));
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *out = c_int::from(exists) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: `out` has `room` bytes.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > room as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
    }
    ffi::SQLITE_OK
}

/// Takes what is left to do (randomness, time, sleep) from SQLite's own layer.
fn register() {
    let name = CString::new(NAME).expect("the name has no zero byte");
    // SAFETY: the layer and its name are leaked: they live as long as SQLite.
    unsafe {
        let default = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!default.is_null(), "SQLite has a file layer");
        let vfs = ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<OpenFile>() as c_int,
            pNext: std::ptr::null_mut(),
            zName: name.into_raw(),
            xOpen: Some(x_open),
            xDelete: Some(x_delete),
            xAccess: Some(x_access),
            xFullPathname: Some(x_full_pathname),
            xGetLastError: None,
            ..*default
        };
        let outcome = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0);
        assert_eq!(outcome, ffi::SQLITE_OK);
    }
}
