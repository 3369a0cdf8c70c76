//! A document that stays on the disk until it is sent: noted when it is given, read in blocks when its turn comes, and
//! sent only if it is the same file from beginning to end.

use std::{
    fmt,
    fs::{File as OpenFile, Metadata, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::content::SLICE_BYTES;

/// What is read at a time. One block is sent while the next one is read, so that two of them are in memory. Whole slices,
/// so that a line of base64 never spans two blocks.
const BLOCK_BYTES: usize = SLICE_BYTES * 5;

/// Without waiting: opening a named pipe that nobody writes to would hang the host.
pub(super) fn open(path: &Path) -> io::Result<OpenFile> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)
}

/// Which file it is, and in which state. Times are in nanoseconds; ctime cannot be set back as mtime can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn check(&self, metadata: &Metadata) -> Result<(), FileProblem> {
        let now = Self::of(metadata);
        if now == *self {
            Ok(())
        } else if (now.device, now.inode) != (self.device, self.inode) {
            Err(FileProblem::Changed("another file has taken its place".to_owned()))
        } else if now.size != self.size {
            Err(FileProblem::Changed(format!("it had {} bytes, and now has {}", self.size, now.size)))
        } else {
            Err(FileProblem::Changed("it was written to".to_owned()))
        }
    }
}

/// Why a file on the disk cannot be sent. The texts are for the person who helps, and never name the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// It is not the file that was given: written to, replaced, or gone.
    Changed(String),
    Unreadable(String),
}

impl From<io::Error> for FileProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Changed("it is not there any more".to_owned()),
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Changed(why) | Self::Unreadable(why)) = self;
        formatter.write_str(why)
    }
}

impl std::error::Error for FileProblem {}

#[derive(Debug, PartialEq, Eq)]
pub struct FileOnDisk {
    path: PathBuf,
    identity: Identity,
}

impl FileOnDisk {
    /// `metadata` is that of the opened file. The path is kept whole: the host may change its folder before the turn comes.
    pub(super) fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), identity: Identity::of(metadata) }
    }

    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Begins at once, in the background. Each reading opens the file anew.
    pub fn read(self: &Arc<Self>) -> Reading {
        let file = Arc::clone(self);
        Reading { next: Next::Awaited(spawn_blocking(move || Opened::open(file)?.read(Vec::new()))) }
    }

    /// The opened file is still the one that was given, and the path still leads to it.
    fn check(&self, opened: &OpenFile) -> Result<(), FileProblem> {
        self.identity.check(&opened.metadata()?)?;
        self.identity.check(&std::fs::metadata(&self.path)?)
    }
}

struct Opened {
    on_disk: Arc<FileOnDisk>,
    file: OpenFile,
    left: u64,
}

type Block = (Opened, Vec<u8>);

impl Opened {
    fn open(on_disk: Arc<FileOnDisk>) -> Result<Self, FileProblem> {
        let file = open(&on_disk.path)?;
        on_disk.identity.check(&file.metadata()?)?;
        let left = on_disk.size();
        Ok(Self { on_disk, file, left })
    }

    /// Blocks the thread. The last block is given only if the file is the same after it was read as before.
    fn read(mut self, mut buffer: Vec<u8>) -> Result<Block, FileProblem> {
        let wanted = self.left.min(BLOCK_BYTES as u64);
        buffer.clear();
        buffer.reserve_exact(usize::try_from(wanted).unwrap_or(BLOCK_BYTES));
        (&self.file).take(wanted).read_to_end(&mut buffer)?;
        self.left -= wanted;
        if buffer.len() as u64 != wanted || self.left == 0 {
            self.on_disk.check(&self.file)?;
        }
        if buffer.len() as u64 == wanted {
            Ok((self, buffer))
        } else {
            Err(FileProblem::Changed("it ended before its end".to_owned()))
        }
    }
}

/// The blocks of a file, the next one always under way.
pub struct Reading {
    next: Next,
}

enum Next {
    Awaited(JoinHandle<Result<Block, FileProblem>>),
    Here(Block),
    /// Everything was given, or a problem was.
    Over,
}

impl Reading {
    /// Waits for the first block: that the file is gone is known before anything is said to a server.
    pub async fn ready(&mut self) -> Result<(), FileProblem> {
        if let Next::Awaited(reading) = &mut self.next {
            // A panic in it, or a runtime that ends.
            let read = reading.await.unwrap_or_else(|error| Err(FileProblem::Unreadable(error.to_string())));
            self.next = Next::Over;
            self.next = Next::Here(read?);
        }
        Ok(())
    }

    /// The next block, and none at the end. `spare` is one that was used up, for the one after it.
    pub async fn next(&mut self, spare: Vec<u8>) -> Result<Option<Vec<u8>>, FileProblem> {
        self.ready().await?;
        let Next::Here((opened, block)) = std::mem::replace(&mut self.next, Next::Over) else { return Ok(None) };
        if opened.left > 0 {
            self.next = Next::Awaited(spawn_blocking(move || opened.read(spare)));
        }
        Ok(Some(block))
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reading")
    }
}
