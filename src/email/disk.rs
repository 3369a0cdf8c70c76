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
const BLOCK_BYTES: usize = SLICE_BYTES * 10;

/// Without waiting: opening a named pipe that nobody writes to would hang the host.
pub(super) fn open(path: &Path) -> io::Result<OpenFile> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)
}

/// Which file it is, and in which state. ctime cannot be set back as mtime can; what happens within one tick of the file
/// system's clock (a few milliseconds before Linux 6.13) has one time, so that a host must have written its file before it
/// names it.
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

    /// The path still leads to the file that was given, and the opened file is that one. The path first: what happened to it
    /// is the better explanation, and changes the opened file's ctime besides.
    fn check(&self, opened: &OpenFile) -> Result<(), FileProblem> {
        self.identity.check(&std::fs::metadata(&self.path)?)?;
        self.identity.check(&opened.metadata()?)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Seek as _, Write as _};
    use std::time::{Duration, SystemTime};

    use super::super::content::{Content, Encoding, Piece, Segment};
    use super::super::{
        Data,
        tests::{encoded, written},
    };
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mailbutton-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// A file that was given, and its path.
        fn given(&self, name: &str, bytes: &[u8]) -> (Arc<FileOnDisk>, PathBuf) {
            let path = self.0.join(name);
            fs::write(&path, bytes).unwrap();
            let noted = FileOnDisk::new(&path, &fs::metadata(&path).unwrap());
            (Arc::new(noted), path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 7 % 251).unwrap()).collect()
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn a_file_on_the_disk_gives_what_one_in_memory_gives() {
        let folder = Folder::new("blocks");
        let borders = [1, 57, SLICE_BYTES, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES];
        for length in borders.into_iter().flat_map(|border| [border - 1, border, border + 1]) {
            let raw = bytes(length);
            let (file, _) = folder.given("a", &raw);
            let around = |data| {
                Content::new(vec![
                    Segment::Text(b"a\r\n".to_vec()),
                    Segment::File(data),
                    Segment::Either { base64: "", binary: "\r\n" },
                    Segment::Text(b"b\r\n".to_vec()),
                ])
            };
            let (on_disk, held) = (around(Data::OnDisk(file)), around(Data::Held(raw.into())));
            for encoding in [Encoding::Base64, Encoding::Binary] {
                // A second try reads the file anew.
                for _ in 0..2 {
                    assert!(run(read_pieces(&on_disk, encoding)) == written(&held, encoding), "{length} {encoding:?}");
                }
            }
        }
    }

    async fn read_pieces(content: &Content, encoding: Encoding) -> Vec<u8> {
        let (mut reader, mut out) = (content.reader(encoding), Vec::new());
        assert_eq!(reader.left(), content.size(encoding));
        reader.ready().await.unwrap();
        while let Some(piece) = reader.next().await.unwrap() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Lines(raw) => {
                    assert!((1..=SLICE_BYTES).contains(&raw.len()));
                    out.extend(encoded(raw));
                }
                Piece::Bytes(raw) => {
                    assert!((1..=SLICE_BYTES).contains(&raw.len()));
                    out.extend_from_slice(raw);
                }
            }
            assert_eq!(reader.left(), content.size(encoding) - out.len() as u64);
        }
        out
    }

    /// What is said of a change, and how to make it.
    type Change = (&'static str, fn(&Path));
    const CHANGES: [Change; 6] = [
        ("it had 400000 bytes, and now has 399999", |path| {
            fs::File::options().write(true).open(path).unwrap().set_len(399_999).unwrap();
        }),
        ("it had 400000 bytes, and now has 400001", |path| {
            fs::File::options().append(true).open(path).unwrap().write_all(b"x").unwrap();
        }),
        ("it was written to", |path| {
            // As a program does that puts the old time back.
            let before = fs::metadata(path).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            // Where the clock of the file system ticks slowly, two changes may have one time.
            while Identity::of(&file.metadata().unwrap()) == Identity::of(&before) {
                (&file).write_all(b"y").unwrap();
                file.set_modified(before.modified().unwrap()).unwrap();
                (&file).rewind().unwrap();
            }
        }),
        ("it was written to", |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        }),
        ("another file has taken its place", |path| {
            let other = path.with_extension("new");
            fs::copy(path, &other).unwrap();
            fs::rename(other, path).unwrap();
        }),
        ("it is not there any more", |path| fs::remove_file(path).unwrap()),
    ];

    #[test]
    fn a_file_that_is_not_the_same_when_its_turn_comes_is_not_read() {
        for (at, (why, change)) in CHANGES.into_iter().enumerate() {
            let folder = Folder::new(&format!("before-{at}"));
            let (file, path) = folder.given("a", &bytes(400_000));
            change(&path);
            // The first block of two: what is wrong with the last one is not seen here.
            let first = run(async { file.read().ready().await });
            assert_eq!(first, Err(FileProblem::Changed(why.to_owned())), "{at}");
        }
    }

    #[test]
    fn the_last_block_of_a_file_that_changed_meanwhile_is_not_given() {
        for (at, (why, change)) in CHANGES.into_iter().enumerate() {
            let folder = Folder::new(&format!("meanwhile-{at}"));
            let (file, path) = folder.given("a", &bytes(400_000));
            let opened = Opened::open(file).unwrap();
            let (opened, block) = opened.read(Vec::new()).unwrap();
            change(&path);
            // Of a deleted file the descriptor still shows the bytes, and nobody can tell that these are all.
            assert_eq!(opened.read(block).err(), Some(FileProblem::Changed(why.to_owned())), "{at}");
        }
    }

    #[test]
    fn after_a_problem_nothing_more_comes() {
        let folder = Folder::new("problem");
        let (file, path) = folder.given("a", &bytes(10));
        fs::remove_file(path).unwrap();
        run(async {
            let content = Content::new(vec![Segment::File(Data::OnDisk(file)), Segment::Text(b"end\r\n".to_vec())]);
            let mut reader = content.reader(Encoding::Base64);
            assert!(matches!(reader.ready().await, Err(FileProblem::Changed(_))));
            for _ in 0..3 {
                reader.next().await.unwrap_err();
            }
        });
    }

    #[test]
    fn a_path_means_the_same_file_wherever_the_host_goes() {
        let given = FileOnDisk::new(Path::new("Cargo.toml"), &fs::metadata("Cargo.toml").unwrap());
        assert_eq!(given.path, std::env::current_dir().unwrap().join("Cargo.toml"));
    }
}
