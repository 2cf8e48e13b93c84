//! A tree with everything that a file system can hold.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::fs::{makedev, mkdirat, mknodat, openat, utimensat};

use super::files::chmod;
use super::{content, is_mycp};

/// Who makes the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Owners, devices, privileged attributes and ACLs included.
    Root,
    /// Only what every user may make, by system calls alone.
    Anyone,
}

/// Where the path longer than PATH_MAX begins.
pub(crate) const DEEP: &str = "longer than PATH_MAX";

/// Levels of 250 bytes each: more than the 4096 of PATH_MAX.
const DEEP_LEVELS: usize = 20;

/// Makes the tree below `root`, an empty directory.
pub(crate) fn plant(root: &Path, maker: Maker) {
    let planter = Planter { root };
    planter.modes();
    planter.links();
    planter.symbolic_links();
    planter.holes();
    planter.names();
    planter.sizes();
    planter.fifos_and_sockets();
    planter.attributes();
    if maker == Maker::Root {
        planter.owners();
        planter.privileged_attributes();
        planter.access_control_lists();
        planter.devices();
        planter.closed_directories();
    }
    let mut moment = Moment(0);
    // Where GNU cp, which goes by paths, does not get.
    if is_mycp() {
        planter.deep(&mut moment);
    }
    moment.stamp(root);
}

/// Gives everything below `root`, and `root` itself, times of its own.
pub(crate) fn stamp(root: &Path) {
    Moment(0).stamp(root);
}

struct Planter<'a> {
    root: &'a Path,
}

impl Planter<'_> {
    fn directory(&self, name: &str) -> PathBuf {
        let path = self.root.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn modes(&self) {
        self.directory("modes");
        for mode in [0, 0o001, 0o200, 0o400, 0o444, 0o600, 0o644, 0o755, 0o1644, 0o2755, 0o6711] {
            // What cannot be read is for root alone.
            if mode & 0o400 != 0 || rustix::process::geteuid().is_root() {
                chmod(&self.file(&format!("modes/file-{mode:o}"), b"some content"), mode);
            }
        }
        for mode in [0o700, 0o755, 0o1777, 0o2775, 0o4711, 0o7777] {
            let directory = self.directory(&format!("modes/directory-{mode:o}"));
            self.file(&format!("modes/directory-{mode:o}/inside"), b"x");
            chmod(&directory, mode);
        }
        let read_only = self.directory("modes/read-only");
        self.file("modes/read-only/file", b"in a read-only directory");
        let nested = self.directory("modes/read-only/nested");
        self.file("modes/read-only/nested/file", b"deeper");
        chmod(&nested, 0o555);
        chmod(&read_only, 0o500);
    }

    fn links(&self) {
        for name in ["links/one/deep/er", "links/two", "links/three"] {
            self.directory(name);
        }
        let first = self.file("links/one/deep/er/first", &content(1, 70_000));
        for name in ["links/one/second", "links/two/third", "links/three/fourth", "fifth"] {
            std::fs::hard_link(&first, self.root.join(name)).unwrap();
        }
        let fifo = self.root.join("links/two/fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
        std::fs::hard_link(&fifo, self.root.join("links/one/fifo")).unwrap();
        let link = self.root.join("links/two/link");
        symlink("nowhere", &link).unwrap();
        std::fs::hard_link(&link, self.root.join("links/three/link")).unwrap();
        // Many pairs, so that the two names are met by different threads.
        for number in 0..60 {
            let file = self.file(&format!("links/one/pair-{number}"), &content(number, 3000));
            let other = self.root.join(format!("links/two/pair-{}", 59 - number));
            std::fs::hard_link(file, other).unwrap();
        }
    }

    fn symbolic_links(&self) {
        let directory = self.directory("symlinks");
        for (name, leads_to) in [
            ("dangling", "no such file"),
            ("itself", "itself"),
            ("there", "back"),
            ("back", "there"),
            ("absolute", "/"),
            ("up", ".."),
            ("here", "."),
            ("to-file", "../fifth"),
            ("to-directory", "../links/one"),
            ("slash", "../links/one/"),
        ] {
            symlink(leads_to, directory.join(name)).unwrap();
        }
        // XFS takes no more than 1023.
        symlink("x/".repeat(500), directory.join("long")).unwrap();
        symlink(OsStr::from_bytes(b"\xff\n\xfe"), directory.join("not-utf-8")).unwrap();
    }

    fn holes(&self) {
        self.directory("holes");
        const MIB: u64 = 1 << 20;
        for (name, len, data) in [
            ("only", 9 * MIB + 123, &[] as &[u64]),
            ("first", 6 * MIB, &[5 * MIB]),
            ("last", 7 * MIB + 1, &[0]),
            ("between", 8 * MIB, &[0, 3 * MIB, 3 * MIB + 65_536, 7 * MIB]),
        ] {
            let file = File::create(self.root.join("holes").join(name)).unwrap();
            file.set_len(len).unwrap();
            for at in data {
                file.write_all_at(&content(*at, 70_000), *at).unwrap();
            }
        }
    }

    fn names(&self) {
        self.directory("names");
        let names: [&[u8]; 13] = [
            b"\xff\xfe\x80 not utf-8",
            b"new\nline",
            b"\n",
            b"-rf",
            b"--",
            b" ",
            b"...",
            b".hidden",
            b"*?[a]",
            b"back\\slash",
            b"quote'\"`$(x)",
            "n\u{308}a\u{202e}\u{4e2d}".as_bytes(),
            b"\x01\x1b[2J\x7f",
        ];
        for name in names {
            let path = self.root.join("names").join(OsStr::from_bytes(name));
            std::fs::write(path, name).unwrap();
            let mut name = name.to_vec();
            name.push(b'd');
            let path = self.root.join("names").join(OsStr::from_bytes(&name));
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join(OsStr::from_bytes(&name)), &name).unwrap();
        }
        let long = "x".repeat(255);
        self.file(&format!("names/{long}"), b"the longest name");
        // Its temporary has the same name unless the number behind it differs.
        self.file(&format!("names/{}y", &long[1..]), b"nearly the same");
        let wide = "\u{20ac}".repeat(85);
        self.directory(&format!("names/{wide}"));
        self.file(&format!("names/{wide}/{wide}"), b"wide");
        let other = OsStr::from_bytes(&[0xfe; 255]);
        symlink(&long, self.root.join("names").join(other)).unwrap();
    }

    fn sizes(&self) {
        self.directory("sizes/empty directory/in another");
        const MIB: usize = 1 << 20;
        for len in [0, 1, 4095, 4096, 4097, 65_536, 131_071, MIB, 2 * MIB + 1, 9 * MIB - 7] {
            self.file(&format!("sizes/{len}"), &content(len as u64, len));
        }
        // More than one call of getdents returns.
        self.directory("sizes/many");
        for number in 0..700 {
            self.file(&format!("sizes/many/file with a longer name {number}"), &[number as u8; 99]);
        }
    }

    fn fifos_and_sockets(&self) {
        self.directory("special");
        for (name, kind, mode) in [
            ("fifo", FileType::Fifo, 0o622),
            ("closed-fifo", FileType::Fifo, 0),
            ("socket", FileType::Socket, 0o755),
        ] {
            let path = self.root.join("special").join(name);
            mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), 0).unwrap();
            chmod(&path, mode);
        }
    }

    fn attributes(&self) {
        let directory = self.directory("attributes");
        let file = self.file("attributes/user", b"with attributes");
        for path in [&file, &directory] {
            set_attribute(path, "user.empty", b"");
            set_attribute(path, "user.binary", &[0, 255, 10, 0, 61]);
            set_attribute(path, "user.a name with spaces", b"and = signs");
        }
        // ext4 keeps all of a file in one block, of 1 KiB on a small disk.
        set_attribute(&file, "user.large", &content(5, 700));
        let read_only = self.file("attributes/read-only", b"written before it was closed");
        set_attribute(&read_only, "user.x", b"y");
        chmod(&read_only, 0o444);
    }

    fn owners(&self) {
        self.directory("owners");
        for (number, (user, group, mode)) in [
            (1000, 1000, 0o644),
            (0, 5, 0o2755),
            (65_534, 0, 0o4755),
            (3_000_000_000, 4_000_000_000, 0o600),
            (1, 2, 0o6755),
        ]
        .into_iter()
        .enumerate()
        {
            let file = self.file(&format!("owners/file-{number}"), b"owned");
            let directory = self.directory(&format!("owners/directory-{number}"));
            self.file(&format!("owners/directory-{number}/inside"), b"root's own");
            let link = self.root.join(format!("owners/link-{number}"));
            symlink("../fifth", &link).unwrap();
            for path in [&file, &directory, &link] {
                std::os::unix::fs::lchown(path, Some(user), Some(group)).unwrap();
            }
            // A change of owner clears the bits that matter.
            chmod(&file, mode);
            chmod(&directory, mode | 0o100);
        }
    }

    fn privileged_attributes(&self) {
        let file = self.file("attributes/trusted", b"#!/bin/true");
        let directory = self.directory("attributes/trusted-directory");
        let link = self.root.join("attributes/trusted-link");
        symlink("trusted", &link).unwrap();
        let fifo = self.root.join("attributes/trusted-fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for path in [&file, &directory, &link, &fifo] {
            set_attribute(path, "trusted.test", b"only root sees it");
        }
        // cap_net_raw=ep in the second version of the format (capability.h); the owner is not
        // root, so a later chown would clear it.
        let capable = self.file("attributes/capable", b"#!/bin/true");
        std::os::unix::fs::chown(&capable, Some(1000), Some(1000)).unwrap();
        chmod(&capable, 0o755);
        let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        set_attribute(&capable, "security.capability", &capability);
    }

    fn access_control_lists(&self) {
        let directory = self.directory("acls");
        // Without an entry of its own, in a directory that would hand one down.
        self.file("acls/plain", b"no ACL");
        chmod(&self.file("acls/strict", b"no ACL"), 0o600);
        self.directory("acls/plain directory");
        self.file("acls/plain directory/inside", b"no ACL");
        let file = self.file("acls/file", b"an ACL");
        set_acl(&file, "-m", "u:1000:rw,g:5:r,m::rw");
        let masked = self.file("acls/masked", b"an ACL with a narrow mask");
        set_acl(&masked, "-m", "u:1000:rwx,g:5:rwx,m::r");
        let nested = self.directory("acls/nested");
        set_acl(&nested, "-m", "u:7:rwx,d:u:7:rwx,d:g:9:rx,d:o::-");
        self.file("acls/nested/inherits", b"inherited");
        set_acl(&directory, "-m", "u:65534:rwx,d:u:65534:rwx,d:m::rwx,d:o::r");
    }

    fn devices(&self) {
        for (name, kind, device) in [
            ("character", FileType::CharacterDevice, makedev(1, 3)),
            ("block", FileType::BlockDevice, makedev(7, 200)),
            ("large-numbers", FileType::CharacterDevice, makedev(300, 70_000)),
        ] {
            let path = self.root.join("special").join(name);
            mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), device).unwrap();
            std::os::unix::fs::chown(&path, Some(3), Some(4)).unwrap();
            chmod(&path, 0o640);
            std::fs::hard_link(&path, self.root.join(format!("special/{name} again"))).unwrap();
        }
    }

    fn closed_directories(&self) {
        let closed = self.directory("modes/closed");
        self.file("modes/closed/file", b"behind a closed door");
        self.directory("modes/closed/directory");
        chmod(&closed, 0);
    }

    /// A chain of directories with a file and a link in each, made step by step.
    fn deep(&self, moment: &mut Moment) {
        let top = openat(CWD, self.root, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut chain: Vec<OwnedFd> = vec![top];
        let names: Vec<String> = std::iter::once(DEEP.to_owned())
            .chain((1..DEEP_LEVELS).map(|level| format!("{level:02}-{}", "d".repeat(247))))
            .collect();
        for name in &names {
            let parent = chain.last().unwrap();
            mkdirat(parent, &**name, Mode::from_raw_mode(0o755)).unwrap();
            let made = openat(parent, &**name, OFlags::DIRECTORY, Mode::empty()).unwrap();
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let file = openat(&made, "file", flags, Mode::from_raw_mode(0o644)).unwrap();
            rustix::io::write(&file, name.as_bytes()).unwrap();
            rustix::fs::symlinkat("file", &made, "link").unwrap();
            rustix::fs::linkat(&made, "file", &made, "second", AtFlags::empty()).unwrap();
            chain.push(made);
        }
        for (parent, name) in chain.iter().zip(&names).rev() {
            let made = openat(parent, &**name, OFlags::DIRECTORY, Mode::empty()).unwrap();
            for name in ["file", "link"] {
                moment.set(&made, OsStr::new(name));
            }
            moment.set(parent, OsStr::new(name));
        }
    }
}

/// Times in sequence, so that no two objects have the same.
struct Moment(u64);

impl Moment {
    /// Gives the object its times. That of the last access lies in the future, so that looking
    /// does not change it (relatime).
    fn set(&mut self, directory: &OwnedFd, name: &OsStr) {
        self.0 += 1;
        let nanoseconds = 123_456_789 + 1001 * self.0 as i64;
        // The first one is before 1970.
        let seconds = -100_000 + 1_000_000 * self.0 as i64;
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 2_000_000_000 + self.0 as i64,
                tv_nsec: 999_999_999 - nanoseconds,
            },
            last_modification: Timespec { tv_sec: seconds % 1_700_000_000, tv_nsec: nanoseconds },
        };
        utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    /// Sets the times of everything below `directory` but the deep path, then its own.
    fn stamp(&mut self, directory: &Path) {
        let handle = openat(CWD, directory, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == DEEP {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                self.stamp(&entry.path());
            } else {
                self.set(&handle, &entry.file_name());
            }
        }
        let parent = directory.parent().unwrap();
        let above = openat(CWD, parent, OFlags::DIRECTORY, Mode::empty()).unwrap();
        self.set(&above, directory.file_name().unwrap());
    }
}

/// Of the object itself, a symbolic link included.
pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
}

fn set_acl(path: &Path, option: &str, entries: &str) {
    let status = Command::new("setfacl").args([option, entries]).arg(path).status().unwrap();
    assert!(status.success(), "setfacl {entries}");
}
