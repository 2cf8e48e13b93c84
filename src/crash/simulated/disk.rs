//! Simulated disks: files of a FUSE file system, each behind a loop device.
//!
//! A loop device hands a FUSE file every write of the file system above it, and every flush of its
//! cache as an fsync, in the order and as parallel as they come. The server keeps the bytes in
//! memory ([`Image`]) and, while it records, notes each ([`Record`]).
//!
//! The server never lets the kernel believe that it has no fsync: after one `ENOSYS` the kernel
//! would answer the file system itself, and every flush would be lost without a word.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, WriteFlags,
};

use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::image::Image;
use crate::crash::simulated::record::{Change, Moment, Record};
use crate::sync::lock;
use crate::sys::linux::{self, owners::Owner};
use crate::units::ByteRange;

/// Names and attributes never change.
const REMEMBER: Duration = Duration::from_secs(3600);

/// As mounts and loop devices show it, so that what a killed laboratory left can be told.
pub(crate) const NAME: &str = "mycp-crash";

/// The most bytes that the kernel hands over at once.
const REQUEST_MAX: u32 = 1 << 20;

/// About what is kept of a change or a flush besides its bytes.
const ENTRY_LEN: u64 = 128;

/// One disk.
#[derive(Debug)]
pub(crate) struct Disk(Mutex<Content>);

#[derive(Debug)]
struct Content {
    image: Image,
    recording: Option<Kept>,
    /// How often its cache was flushed.
    flushes: u64,
    /// Writes of what has these bytes fail.
    refused: Option<Vec<u8>>,
    #[cfg(test)]
    fault: Option<Fault>,
}

/// What a disk does wrong, so that a laboratory that trusts it finds nothing out.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A flush is answered and forgotten.
    FlushIsLost,
    /// It is not in the record.
    FlushIsNotRecorded,
    /// A write is not in the record.
    WriteIsNotRecorded,
    /// One bit of it is another there.
    RecordIsWrong,
    /// One bit of it is another on the disk.
    WriteIsWrong,
}

/// A record that is being made.
#[derive(Debug)]
struct Kept {
    record: Record,
    /// How much of it there is, and may be.
    len: u64,
    most: u64,
}

impl Kept {
    /// Notes something, unless there is too much already: the record is worth nothing then.
    fn note(&mut self, len: u64, note: impl FnOnce(&mut Record)) {
        self.len = self.len.saturating_add(len).saturating_add(ENTRY_LEN);
        if !self.is_full() {
            note(&mut self.record);
        }
    }

    fn is_full(&self) -> bool {
        self.len > self.most
    }
}

impl Disk {
    fn new(image: Image) -> Self {
        Self(Mutex::new(Content {
            image,
            recording: None,
            flushes: 0,
            refused: None,
            #[cfg(test)]
            fault: None,
        }))
    }

    /// Puts another content on it. To be done while nothing has the disk open.
    pub(crate) fn replace(&self, image: Image) {
        lock(&self.0).image = image;
    }

    /// What it holds.
    pub(crate) fn image(&self) -> Image {
        lock(&self.0).image.clone()
    }

    /// How often its cache was flushed.
    pub(crate) fn flushes(&self) -> u64 {
        lock(&self.0).flushes
    }

    /// Lets every write fail that has these bytes anywhere, as of bad sectors; none, again.
    #[cfg(test)]
    pub(crate) fn refuse(&self, bytes: Option<&[u8]>) {
        lock(&self.0).refused = bytes.map(<[u8]>::to_vec);
    }

    /// Lets it do something wrong from then on.
    #[cfg(test)]
    pub(crate) fn break_by(&self, fault: Fault) {
        lock(&self.0).fault = Some(fault);
    }

    fn is_refused(&self, data: &[u8]) -> bool {
        let content = lock(&self.0);
        let refused = content.refused.as_ref().filter(|bytes| !bytes.is_empty());
        refused.is_some_and(|bytes| data.windows(bytes.len()).any(|window| window == bytes))
    }

    /// Begins to record, but no more than so many bytes.
    pub(crate) fn record(&self, most: u64) {
        let mut content = lock(&self.0);
        let record = Record::new(content.image.clone());
        content.recording = Some(Kept { record, len: 0, most });
    }

    /// Marks the moment in the record; `None` when there is none.
    pub(crate) fn mark(&self) -> Option<Moment> {
        lock(&self.0).recording.as_mut().map(|kept| kept.record.mark())
    }

    /// The most that is recorded, if more was done than that.
    pub(crate) fn exceeded(&self) -> Option<u64> {
        lock(&self.0).recording.as_ref().filter(|kept| kept.is_full()).map(|kept| kept.most)
    }

    /// Ends recording, and returns the record.
    ///
    /// # Errors
    ///
    /// That there is none, or not all of it.
    pub(crate) fn recorded(&self) -> Result<Record> {
        match lock(&self.0).recording.take() {
            Some(kept) if kept.is_full() => Err(Error::TooMuch { most: kept.most }),
            Some(kept) => Ok(kept.record),
            None => Err(Error::Untrusted("it did not record".to_owned())),
        }
    }

    fn issue(&self) -> Moment {
        lock(&self.0).recording.as_mut().map_or(0, |kept| kept.record.issue())
    }

    fn change(&self, change: Change, issued: Moment) {
        let mut content = lock(&self.0);
        #[cfg(test)]
        let change = broken(change, content.fault, Fault::WriteIsWrong);
        change.apply(&mut content.image);
        #[cfg(test)]
        let change = broken(change, content.fault, Fault::RecordIsWrong);
        #[cfg(test)]
        if content.fault == Some(Fault::WriteIsNotRecorded) {
            return;
        }
        if let Some(kept) = &mut content.recording {
            let len = match &change {
                Change::Write { data, .. } => data.len() as u64,
                Change::Zero(_) => 0,
            };
            kept.note(len, |record| record.change(change, issued));
        }
    }

    fn flush(&self, issued: Moment) {
        let mut content = lock(&self.0);
        #[cfg(test)]
        if content.fault == Some(Fault::FlushIsLost) {
            return;
        }
        content.flushes += 1;
        #[cfg(test)]
        if content.fault == Some(Fault::FlushIsNotRecorded) {
            return;
        }
        if let Some(kept) = &mut content.recording {
            kept.note(0, |record| record.flush(issued));
        }
    }
}

#[cfg(test)]
fn broken(change: Change, fault: Option<Fault>, by: Fault) -> Change {
    match change {
        Change::Write { offset, data } if fault == Some(by) => {
            let mut data = data.to_vec();
            data[7] ^= 1;
            Change::Write { offset, data: data.into() }
        }
        change => change,
    }
}

/// A file system whose files are disks, mounted as long as this lives.
#[derive(Debug)]
pub(crate) struct Shelf {
    // Unmounted when it is dropped.
    _session: BackgroundSession,
    disks: Vec<Arc<Disk>>,
    directory: PathBuf,
    /// What the names of its files begin with.
    prefix: String,
}

/// What a name begins with that tells whose disk it is.
fn prefix_of(owner: Owner) -> String {
    format!("{NAME}-{owner}-")
}

/// Whose disk a file is, going by its name; `None` if it is none.
pub(crate) fn owner_of(file: &Path) -> Option<Owner> {
    let name = file.file_name()?.to_str()?.strip_prefix(NAME)?.strip_prefix('-')?;
    let (owner, _number) = name.rsplit_once('-')?;
    owner.parse().ok()
}

impl Shelf {
    /// Mounts `count` empty disks of `len` bytes at `directory`.
    ///
    /// # Errors
    ///
    /// Those of opening `/dev/fuse` and of mounting.
    pub(crate) fn mount(directory: &Path, count: usize, len: u64) -> io::Result<Self> {
        let disks: Vec<_> = (0..count).map(|_| Arc::new(Disk::new(Image::zeros(len)))).collect();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(NAME.to_owned())];
        // Requests are served side by side, as a disk with a queue does.
        config.n_threads = Some(2);
        config.clone_fd = true;
        let prefix = prefix_of(Owner::this()?);
        let server = Server { disks: disks.clone(), prefix: prefix.clone() };
        let session = fuser::spawn_mount(server, directory, &config)?;
        Ok(Self { _session: session, disks, directory: directory.to_owned(), prefix })
    }

    /// How many disks there are.
    pub(crate) fn len(&self) -> usize {
        self.disks.len()
    }

    /// A disk, and its file.
    pub(crate) fn disk(&self, number: usize) -> Option<(Arc<Disk>, PathBuf)> {
        let disk = Arc::clone(self.disks.get(number)?);
        Some((disk, self.directory.join(format!("{}{number}", self.prefix))))
    }
}

struct Server {
    disks: Vec<Arc<Disk>>,
    prefix: String,
}

impl Server {
    fn disk(&self, ino: INodeNo) -> Option<&Disk> {
        let number = usize::try_from(ino.0.checked_sub(2)?).ok()?;
        self.disks.get(number).map(Arc::as_ref)
    }

    fn attributes(&self, ino: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size) = match self.disk(ino) {
            Some(disk) => (FileType::RegularFile, 0o600, disk.image().len()),
            None if ino == INodeNo::ROOT => (FileType::Directory, 0o700, 0),
            None => return None,
        };
        let then = SystemTime::UNIX_EPOCH;
        Some(FileAttr {
            ino,
            size,
            blocks: size / 512,
            atime: then,
            mtime: then,
            ctime: then,
            crtime: then,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut fuser::KernelConfig) -> io::Result<()> {
        // An older kernel takes less, and splits what the file system writes.
        config
            .set_max_write(REQUEST_MAX)
            .map(drop)
            .or_else(|most| config.set_max_write(most).map(drop))
            .ok();
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number = name.to_str().and_then(|name| name.strip_prefix(&self.prefix));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        match number.and_then(|number| self.attributes(INodeNo(number.checked_add(2)?))) {
            Some(attributes) => reply.entry(&REMEMBER, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(ino) {
            Some(attributes) => reply.attr(&REMEMBER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Without it the page cache would answer reads and gather writes.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(disk) = self.disk(ino) else { return reply.error(Errno::ENOENT) };
        let mut bytes = vec![0; size as usize];
        lock(&disk.0).image.read(offset, &mut bytes);
        reply.data(&bytes);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(disk) = self.disk(ino) else { return reply.error(Errno::ENOENT) };
        if disk.is_refused(data) {
            return reply.error(Errno::EIO);
        }
        let issued = disk.issue();
        disk.change(Change::Write { offset, data: data.into() }, issued);
        reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let Some(disk) = self.disk(ino) else { return reply.error(Errno::ENOENT) };
        let issued = disk.issue();
        disk.flush(issued);
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Of close(2): no flush of the disk.
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let Some(disk) = self.disk(ino) else { return reply.error(Errno::ENOENT) };
        if linux::makes_zeros(mode) {
            let issued = disk.issue();
            let range = ByteRange::between(offset, offset.saturating_add(len));
            disk.change(Change::Zero(range), issued);
        }
        reply.ok();
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: u64, reply: ReplyDirectory) {
        // Nobody lists them.
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        // The loop device takes the size of a block for that of what can be discarded.
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }
}
