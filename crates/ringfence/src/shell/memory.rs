//! Memory that loading left over. Lives here: giving it back. Never here: what is kept.

/// Gives back what SQLite used while everything was read at the start; it has an allocator of its own.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number, touches nothing that is in use, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
