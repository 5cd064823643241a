//! What can go wrong with a store, named for the cause. Every error names its file.

/// Why the database refused, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody else writes; try again.
    Busy,
    /// No room on the disk.
    Full,
    /// The disk failed.
    Io,
    /// A rule of the schema was broken.
    Constraint,
    /// The file is not a database, or is damaged.
    Corrupt,
    /// Anything else.
    Other,
}

/// A fault of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("{file}: cannot {doing}: {message}")]
    Database {
        /// Which database.
        file: String,
        /// What was tried.
        doing: &'static str,
        /// Why, for programs.
        cause: Cause,
        /// Why, for people.
        message: String,
    },
    /// The database was written by a newer program.
    #[error(
        "{file}: its schema version is {found}, this program knows versions up to {known}: use a newer ringfence"
    )]
    NewerSchema {
        /// Which database.
        file: String,
        /// Its version.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The database was written by an older program, and is open for reading only.
    #[error(
        "{file}: its schema version is {found}, this program needs {known}: open it once for writing"
    )]
    OlderSchema {
        /// Which database.
        file: String,
        /// Its version.
        found: u32,
        /// The version needed.
        known: u32,
    },
    /// There is no database where one should be read.
    #[error("{file}: there is no database here")]
    Missing {
        /// Where.
        file: String,
    },
    /// A row cannot be read back.
    #[error("{file}: {what} cannot be read: {message}")]
    Damaged {
        /// Which database or journal.
        file: String,
        /// Which row.
        what: String,
        /// Why.
        message: String,
    },
    /// The file system refused.
    #[error("{file}: cannot {doing}: {message}")]
    Io {
        /// Which file.
        file: String,
        /// What was tried.
        doing: &'static str,
        /// Is the disk full?
        full: bool,
        /// Why.
        message: String,
    },
    /// A record breaks a rule of the store; nothing of its group was written.
    #[error("{file}: refused: {message}")]
    Refused {
        /// Which store.
        file: String,
        /// Which rule, in words.
        message: String,
    },
    /// The store was opened for reading only.
    #[error("{file}: opened for reading only")]
    ReadOnly {
        /// Which store.
        file: String,
    },
    /// The secrets in the database are sealed with keys that are not there.
    #[error("{file}: {problem}")]
    WrongKey {
        /// Which store.
        file: String,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// The store was opened without keys, and secrets were to be read or written.
    #[error("{file}: opened without the key that seals its secrets")]
    NoKey {
        /// Which store or journal.
        file: String,
    },
    /// The outcome of the last commit is unknown; `Backend::resolve` comes first.
    #[error("{file}: the outcome of the last commit is not known yet")]
    Unresolved {
        /// Which store.
        file: String,
    },
}

impl StoreError {
    /// Is it for want of room on the disk?
    pub fn is_full(&self) -> bool {
        match self {
            StoreError::Database { cause, .. } => *cause == Cause::Full,
            StoreError::Io { full, .. } => *full,
            _ => false,
        }
    }

    /// Is it the record's fault, so that it will be refused again however often it is tried?
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Database { cause, .. } => *cause == Cause::Constraint,
            StoreError::Refused { .. } => true,
            _ => false,
        }
    }
}

/// How a commit failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Rolled back: nothing of the group is there.
    #[error("nothing was written: {0}")]
    Failed(StoreError),
    /// The disk is full; rolled back: nothing of the group is there.
    #[error("nothing was written, the disk is full: {0}")]
    Full(StoreError),
    /// All of the group is there, or nothing: `Backend::resolve` tells.
    #[error("it is not known whether anything was written: {0}")]
    Unknown(StoreError),
}

impl CommitError {
    /// A certain failure of this cause.
    pub fn certain(error: StoreError) -> CommitError {
        if error.is_full() { CommitError::Full(error) } else { CommitError::Failed(error) }
    }

    /// The fault below.
    pub fn cause(&self) -> &StoreError {
        match self {
            CommitError::Failed(error) | CommitError::Full(error) | CommitError::Unknown(error) => {
                error
            }
        }
    }
}
