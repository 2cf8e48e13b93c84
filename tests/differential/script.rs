//! A case as a shell script, which makes the world and runs both programs in it.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::case::{Case, Form, Program, Who, quoted};
use super::world::{
    Acl, BLOCK, Content, Entry, Filling, Kind, LONG_AGO, Moment, NULL, ROOT, STRIDE,
};
use crate::support::unix::NOBODY;

/// What comes before the world. `seq` makes the numbered lines of files.
const HEAD: &str = r#"set -u
mycp=${1:-mycp} # the program to compare with cp
place=$(mktemp -d -p /dev/shm) && chmod 755 "$place" || exit
trap 'rm -rf "$place"' EXIT
W=$place/1/2/3/w
text() { seq -f "$1%.0f" "$2" | head -c "$2"; }
pieces() { # FILE LETTER LENGTH: numbered lines in every second block
    for ((i = 0; i * 16384 < $3; i += 2)); do
        text "$2" "$3" | dd of="$1" bs=16384 skip=$i seek=$i count=1 conv=notrunc \
            iflag=fullblock status=none
    done
}
make() {
    mkdir -p "$W" && cd "$W" || exit
"#;

/// What comes behind it: both programs in turns, and what they leave side by side.
const TAIL: &str = r#"}
look() {
    cd "$W" || exit
    find . -printf '%p %y mode %#m owner %U:%G links %n size %s %l modified %T@ accessed %A@\n' |
        sed -E "s/ $(date +%s | cut -c1-8)[0-9]+\.[0-9]+/ now/g" | sort
    find . -type f -exec cksum {} + | sort -k3
    find . -links +1 ! -type d -printf '%i %p\n' | sort | awk '$1 != last { n++; last = $1 }
        { $1 = n; print "inode", $0 }'
    find . -exec getfattr -hd -m- -e hex {} + | sort
}
for program in cp "$mycp"; do
    make
    try "$program" >"$place/output" 2>&1
    status=$?
    { echo "status $status"; sort "$place/output"; look; } >"$place/${program##*/}.seen"
    sed "s/^/${program##*/}: /" "$place/output"
    rm -rf "$place/1"
done
cd "$place" && diff cp.seen "${mycp##*/}.seen" && echo no difference
"#;

/// The script; `remarks` stand at its head.
pub(crate) fn script(case: &Case, remarks: &[String]) -> String {
    let mut text = String::from("#!/bin/bash\n");
    for remark in remarks {
        writeln!(text, "# {remark}").unwrap();
    }
    text += HEAD;
    for entry in &case.world.entries {
        writeln!(text, "    {}", making(entry)).unwrap();
    }
    let owner = case.owner().map(|(uid, gid)| format!("{uid}:{gid}"));
    let root = Entry::new(b"", Kind::Directory);
    for entry in case.world.entries.iter().rev().chain([&root]) {
        for line in attributes(entry, owner.as_deref()) {
            writeln!(text, "    {line}").unwrap();
        }
    }
    text += "}\n";
    text += &trying(case);
    // The brace that ends `make` is there already.
    text + TAIL.strip_prefix("}\n").unwrap()
}

/// A function that runs a program.
fn trying(case: &Case) -> String {
    let mut words: Vec<String> = case.options.iter().map(|word| quoted(word.as_bytes())).collect();
    let all = case.words(Program::UnderTest, Path::new("/W"));
    // What follows the options, which may be fewer for another program than mycp.
    let operands = case.sources.len() + 1;
    let extra =
        usize::from(case.form != Form::Last) + usize::from(all.iter().any(|word| word == "--"));
    let tail = all.len() - operands - extra;
    words.extend(all[tail..].iter().map(|word| placed(word.as_bytes())));
    let user = match case.who {
        Who::Caller => String::new(),
        Who::Nobody => {
            format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups ")
        }
    };
    let directory = match case.directory.as_slice() {
        b"" => String::new(),
        directory => format!("cd {} && ", quoted(&[b"./", directory].concat())),
    };
    let umask = case.umask;
    format!(
        "try() ( # cp before 9.3 says -u for --update=older and -n for --update=none\n    \
         {directory}umask {umask:03o} && {user}\"$1\" {}\n)\n",
        words.join(" ")
    )
}

/// A word whose [`ROOT`] is the shell's `$W`.
fn placed(word: &[u8]) -> String {
    match word.strip_prefix(ROOT) {
        Some(b"") => "\"$W\"".to_owned(),
        Some(rest) => format!("\"$W\"{}", quoted(rest)),
        None => quoted(word),
    }
}

/// A path that no command takes for an option.
fn path(path: &[u8]) -> String {
    match path {
        b"" => ".".to_owned(),
        path if path.starts_with(b"-") => quoted(&[b"./", path].concat()),
        path => quoted(path),
    }
}

fn making(entry: &Entry) -> String {
    let path = path(&entry.path);
    match &entry.kind {
        Kind::File(content) => file(&path, *content),
        Kind::Directory => format!("mkdir {path}"),
        Kind::SymbolicLink(text) => format!("ln -sT -- {} {path}", placed(text)),
        Kind::Fifo => format!("mkfifo {path}"),
        Kind::Socket => {
            format!("perl -MSocket -e 'socket S,1,1,0; bind S,sockaddr_un $ARGV[0]' {path}")
        }
        Kind::Null => format!("mknod {path} c {} {}", NULL.0, NULL.1),
        Kind::Block => format!("mknod {path} b {} {}", BLOCK.0, BLOCK.1),
        Kind::HardLink(first) => format!("ln -PT {} {path}", self::path(first)),
    }
}

fn file(path: &str, content: Content) -> String {
    let Content { len, letter, filling } = content;
    match filling {
        _ if len == 0 => format!(">{path}"),
        Filling::Text => format!("text {letter} {len} >{path}"),
        Filling::Nothing => format!("truncate -s {len} {path}"),
        Filling::Holes => {
            const { assert!(STRIDE == 16_384, "the shell function has this number") };
            format!("truncate -s {len} {path}; pieces {path} {letter} {len}")
        }
        Filling::Zeros => format!("head -c {len} /dev/zero >{path}; pieces {path} {letter} {len}"),
    }
}

/// In the order of [`Entry::set_attributes`]. Times are always set, long ago: what a program sets
/// shows.
fn attributes(entry: &Entry, owner: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if matches!(entry.kind, Kind::HardLink(_)) {
        return lines;
    }
    let path = path(&entry.path);
    let own = entry.owner.map(|(uid, gid)| format!("{uid}:{gid}"));
    if let Some(owner) = own.as_deref().or(owner) {
        lines.push(format!("chown -h {owner} {path}"));
    }
    for (name, value) in &entry.attributes {
        let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("setfattr -h -n {name} -v 0x{value} {path}"));
    }
    if !matches!(entry.kind, Kind::SymbolicLink(_)) {
        lines.push(format!("chmod {:04o} {path}", entry.mode));
    }
    if let Some(acl) = entry.acl {
        lines.push(format!("setfacl --set {} {path}", acl_text(acl, entry.mode)));
    }
    if let Some((acl, mode)) = entry.default_acl {
        lines.push(format!("setfacl -d --set {} {path}", acl_text(acl, mode)));
    }
    if entry.accessed == entry.modified {
        lines.push(format!("touch -h -d @{} {path}", decimal(entry.modified)));
    } else {
        lines.push(format!("touch -ha -d @{} {path}", decimal(entry.accessed)));
        lines.push(format!("touch -hm -d @{} {path}", decimal(entry.modified)));
    }
    lines
}

fn acl_text(acl: Acl, mode: u32) -> String {
    let Acl { user, user_rights, group_rights } = acl;
    let (owner, mask, others) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7);
    format!("u::{owner},u:{user}:{user_rights},g::{group_rights},m::{mask},o::{others}")
}

/// Seconds as a decimal fraction: the nanoseconds of a time before 1970 count upwards, too.
fn decimal(moment: Moment) -> String {
    let Moment { seconds, nanoseconds } = moment;
    match nanoseconds {
        0 => seconds.to_string(),
        _ if seconds >= 0 => format!("{seconds}.{nanoseconds:09}"),
        _ => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
    }
}

#[test]
fn times_before_1970_are_told_as_touch_takes_them() {
    let told = |seconds, nanoseconds| decimal(Moment { seconds, nanoseconds });
    assert_eq!(told(LONG_AGO.seconds, 0), "1000000000");
    assert_eq!(told(5, 1), "5.000000001");
    assert_eq!(told(-1, 999_999_999), "-0.000000001");
    assert_eq!(told(-1_000_000_001, 500_000_000), "-1000000000.500000000");
}
