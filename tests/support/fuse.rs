//! A file system in memory, served through FUSE, that fails where a test wants it to.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::Sandbox;

/// How long the kernel may remember names and attributes: nobody else changes them.
const REMEMBER: Duration = Duration::from_secs(60);

/// What fails, in every file of the file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Reading this byte is an input/output error.
    pub(crate) read_at: Option<u64>,
    /// Writing this byte fails so.
    pub(crate) write_at: Option<(u64, Errno)>,
    /// `fsync` of a file fails so.
    pub(crate) fsync: Option<Errno>,
    /// `close` fails so, where something was written.
    pub(crate) close: Option<Errno>,
    /// Files are opened with `FOPEN_DIRECT_IO`: the kernel then refuses to map them shared.
    pub(crate) direct_io: bool,
    /// Files say to be so many bytes longer than they are, and to have been written just now, as
    /// those do that are made up when they are read (lxcfs).
    pub(crate) longer_by: u64,
}

#[derive(Debug)]
struct Node {
    bytes: Vec<u8>,
    attributes: FileAttr,
    was_written: bool,
}

#[derive(Debug, Default)]
struct Tree {
    names: BTreeMap<OsString, u64>,
    // An inode stays here when its name goes: it may still be open.
    nodes: BTreeMap<u64, Node>,
    faults: Faults,
}

impl Tree {
    fn add(&mut self, name: &OsStr, mode: u32, request: Option<&Request>) -> u64 {
        let number = 2 + self.nodes.len() as u64;
        let mut attributes = attributes(number, FileType::RegularFile, mode);
        if let Some(request) = request {
            (attributes.uid, attributes.gid) = (request.uid(), request.gid());
        }
        self.nodes.insert(number, Node { bytes: Vec::new(), attributes, was_written: false });
        self.names.insert(name.to_owned(), number);
        number
    }

    fn resize(&mut self, number: u64, len: u64) {
        let node = self.nodes.get_mut(&number).unwrap();
        node.bytes.resize(len as usize, 0);
        node.attributes.size = len;
        node.attributes.blocks = len.div_ceil(512);
        node.attributes.mtime = SystemTime::now();
        node.attributes.ctime = SystemTime::now();
    }

    fn attributes(&self, number: u64) -> Option<FileAttr> {
        match number {
            1 => Some(attributes(1, FileType::Directory, 0o755)),
            number => {
                let attributes = self.nodes.get(&number)?.attributes;
                Some(match self.faults.longer_by {
                    0 => attributes,
                    more => FileAttr {
                        size: attributes.size + more,
                        mtime: SystemTime::now(),
                        ..attributes
                    },
                })
            }
        }
    }

    /// How long the kernel may remember attributes.
    fn remember(&self) -> Duration {
        if self.faults.longer_by == 0 { REMEMBER } else { Duration::ZERO }
    }

    /// How the kernel is to treat an opened file.
    fn open_flags(&self) -> FopenFlags {
        match self.faults.direct_io {
            true => FopenFlags::FOPEN_DIRECT_IO,
            false => FopenFlags::empty(),
        }
    }
}

fn attributes(number: u64, kind: FileType, mode: u32) -> FileAttr {
    let now = SystemTime::now();
    FileAttr {
        ino: INodeNo(number),
        size: 0,
        blocks: 0,
        atime: now,
        mtime: now,
        ctime: now,
        crtime: now,
        kind,
        perm: (mode & 0o7777) as u16,
        nlink: 1,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// The mounted file system; unmounted when it is dropped.
pub(crate) struct FaultyFileSystem {
    // Before the directory it is mounted on.
    _session: fuser::BackgroundSession,
    tree: Arc<Mutex<Tree>>,
    sandbox: Sandbox,
}

impl FaultyFileSystem {
    /// One with these files.
    pub(crate) fn new(files: &[(&str, &[u8])], faults: Faults) -> Self {
        // Where that is allowed, so that nothing stays mounted when the tests are killed.
        if rustix::process::geteuid().is_root() {
            super::mounts::enter_own_namespace();
        }
        let sandbox = Sandbox::new();
        let mut tree = Tree { faults, ..Tree::default() };
        for (name, bytes) in files {
            let number = tree.add(OsStr::new(name), 0o644, None);
            tree.resize(number, bytes.len() as u64);
            tree.nodes.get_mut(&number).unwrap().bytes = bytes.to_vec();
        }
        let tree = Arc::new(Mutex::new(tree));
        let server = Server { tree: Arc::clone(&tree) };
        let session = fuser::spawn_mount(server, sandbox.root(), &fuser::Config::default());
        Self { _session: session.expect("mounting through FUSE"), tree, sandbox }
    }

    /// Where `name` is found.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> &Path {
        self.sandbox.root()
    }

    /// The content of a file as the server has it, past all caches.
    pub(crate) fn served(&self, name: &str) -> Option<Vec<u8>> {
        let tree = self.tree.lock().unwrap();
        let number = tree.names.get(OsStr::new(name))?;
        Some(tree.nodes[number].bytes.clone())
    }

    /// The names in its directory.
    pub(crate) fn names(&self) -> Vec<OsString> {
        self.tree.lock().unwrap().names.keys().cloned().collect()
    }
}

struct Server {
    tree: Arc<Mutex<Tree>>,
}

impl Server {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap()
    }
}

fn answer(reply: ReplyEmpty, error: Option<Errno>) {
    match error {
        Some(error) => reply.error(error),
        None => reply.ok(),
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = self.tree();
        match tree.names.get(name).and_then(|number| tree.attributes(*number)) {
            Some(attributes) => reply.entry(&tree.remember(), &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let tree = self.tree();
        match tree.attributes(ino.0) {
            Some(attributes) => reply.attr(&tree.remember(), &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut tree = self.tree();
        if !tree.nodes.contains_key(&ino.0) {
            return reply.error(Errno::EPERM);
        }
        if let Some(len) = size {
            tree.resize(ino.0, len);
        }
        let attributes = &mut tree.nodes.get_mut(&ino.0).unwrap().attributes;
        let moment = |time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        };
        attributes.perm = mode.map_or(attributes.perm, |mode| (mode & 0o7777) as u16);
        attributes.uid = uid.unwrap_or(attributes.uid);
        attributes.gid = gid.unwrap_or(attributes.gid);
        attributes.atime = atime.map_or(attributes.atime, moment);
        attributes.mtime = mtime.map_or(attributes.mtime, moment);
        attributes.ctime = SystemTime::now();
        reply.attr(&REMEMBER, attributes);
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.tree().names.remove(name);
        answer(reply, removed.is_none().then_some(Errno::ENOENT));
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        name: &OsStr,
        _: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut tree = self.tree();
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && tree.names.contains_key(new_name) {
            return reply.error(Errno::EEXIST);
        }
        let Some(number) = tree.names.remove(name) else { return reply.error(Errno::ENOENT) };
        let replaced = tree.names.insert(new_name.to_owned(), number);
        if let (true, Some(replaced)) = (flags.contains(RenameFlags::RENAME_EXCHANGE), replaced) {
            tree.names.insert(name.to_owned(), replaced);
        }
        reply.ok();
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), self.tree().open_flags());
    }

    fn create(
        &self,
        request: &Request,
        _: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut tree = self.tree();
        let number = tree.add(name, mode & !umask, Some(request));
        let attributes = tree.attributes(number).unwrap();
        let flags = tree.open_flags();
        reply.created(&REMEMBER, &attributes, Generation(0), FileHandle(0), flags);
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
        let tree = self.tree();
        let Some(node) = tree.nodes.get(&ino.0) else { return reply.error(Errno::ENOENT) };
        let len = node.bytes.len();
        let start = (offset as usize).min(len);
        let end = (start + size as usize).min(len);
        match tree.faults.read_at {
            Some(bad) if (start as u64..end as u64).contains(&bad) => reply.error(Errno::EIO),
            _ => reply.data(&node.bytes[start..end]),
        }
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
        let mut tree = self.tree();
        let end = offset + data.len() as u64;
        match tree.faults.write_at {
            Some((bad, error)) if (offset..end).contains(&bad) => return reply.error(error),
            _ => (),
        }
        let Some(node) = tree.nodes.get(&ino.0) else { return reply.error(Errno::ENOENT) };
        if (node.bytes.len() as u64) < end {
            tree.resize(ino.0, end);
        }
        let node = tree.nodes.get_mut(&ino.0).unwrap();
        node.was_written = true;
        node.bytes[offset as usize..end as usize].copy_from_slice(data);
        reply.written(data.len() as u32);
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let tree = self.tree();
        let written = tree.nodes.get(&ino.0).is_some_and(|node| node.was_written);
        answer(reply, tree.faults.close.filter(|_| written));
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.tree().faults.fsync);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mut tree = self.tree();
        match (mode, tree.nodes.get(&ino.0).map(|node| node.bytes.len() as u64)) {
            (0, Some(len)) if len < offset + length => tree.resize(ino.0, offset + length),
            (0, Some(_)) => (),
            (_, Some(_)) => return reply.error(Errno::EOPNOTSUPP),
            (_, None) => return reply.error(Errno::ENOENT),
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: fuser::ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 16, 1 << 15, 4096, 255, 4096);
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let tree = self.tree();
        let dots =
            [(1, FileType::Directory, OsStr::new(".")), (1, FileType::Directory, OsStr::new(".."))];
        let files =
            tree.names.iter().map(|(name, n)| (*n, FileType::RegularFile, name.as_os_str()));
        for (at, (number, kind, name)) in dots.into_iter().chain(files).enumerate() {
            let next = at as u64 + 1;
            if next > offset && reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
