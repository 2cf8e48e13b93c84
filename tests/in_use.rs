//! What other programs have open, which on Windows keeps others from it: the error names the file,
//! the cause, and what can be done. And what a file keeps of the one that it replaces.

use std::fs::File;
use std::os::windows::fs::OpenOptionsExt;

use crate::support::files::chmod;
use crate::support::{Sandbox, assert_same_bytes};
use crate::wine;

/// A source and a target, `name` of which is open and shared with nobody.
fn held(name: &str) -> (Sandbox, File) {
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.write("target", b"the old content");
    let held = File::options().read(true).share_mode(0).open(sandbox.path(name)).unwrap();
    (sandbox, held)
}

#[test]
fn a_file_that_is_not_shared_is_named_with_what_can_be_done() {
    for (name, way) in [
        ("source", "--engine=auto"),
        ("source", "--engine=mmap"),
        ("target", "--engine=auto"),
        ("target", "--in-place"),
        ("target", "--delta"),
    ] {
        let (sandbox, held) = held(name);
        let ended = sandbox.mycp([way, "source", "target"]).failed();
        let ended = ended.says(&format!("cannot open '{name}'")).says("(os error 32)");
        let ended = ended.says("hint: another program has it open");
        drop(held);
        assert_same_bytes(&sandbox.read("target"), b"the old content", &ended.description);
        sandbox.assert_tidy(&ended.description);
    }
}

/// One file of a tree does not keep the others from being copied.
#[test]
fn what_is_not_shared_in_a_tree_is_told_and_the_rest_is_copied() {
    let sandbox = Sandbox::new();
    sandbox.directory("s");
    for name in ["s/a", "s/held", "s/z"] {
        sandbox.write(name, name.as_bytes());
    }
    let _held = File::options().read(true).share_mode(0).open(sandbox.path("s/held")).unwrap();
    for way in ["-r", "-a", "--mirror"] {
        let target = format!("t{way}");
        let ended = sandbox.mycp([way, "s", &target]).failed().says("'s/held'");
        for name in ["a", "z"] {
            assert!(sandbox.path(format!("{target}/{name}")).exists(), "{name}: {ended}");
        }
    }
}

#[test]
fn a_mapped_target_is_not_cut_and_says_why() {
    if wine::cannot("in_use::a_mapped_target_is_not_cut_and_says_why") {
        return;
    }
    if wine::cannot("in_use::a_mapped_target_is_not_cut_and_says_why") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.write("target", &[7; 100_000]);
    let file = File::options().read(true).write(true).open(sandbox.path("target")).unwrap();
    let _map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
    let ended = sandbox.mycp(["--in-place", "source", "target"]).failed().says("'target'");
    let ended = ended.says("(os error 1224)").says("hint: another program has mapped it");
    assert_eq!(sandbox.read("target").len(), 100_000, "{ended}");
}

#[test]
fn a_read_only_target_is_replaced_on_request() {
    for way in [&["-f"] as &[&str], &["--remove-destination"], &["-b", "-f"], &["-fp"]] {
        let sandbox = Sandbox::new();
        sandbox.write("source", b"new");
        let target = sandbox.write("target", b"old");
        chmod(&target, 0o444);
        let ended = sandbox.mycp(way.iter().copied().chain(["source", "target"])).good();
        assert_same_bytes(&sandbox.read("target"), b"new", &ended.description);
        for name in ["target", "target~"] {
            if sandbox.path(name).exists() {
                chmod(&sandbox.path(name), 0o644);
            }
        }
    }
}

#[test]
fn a_read_only_target_is_not_replaced_unasked() {
    if wine::cannot("in_use::a_read_only_target_is_not_replaced_unasked") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    let target = sandbox.write("target", b"old");
    chmod(&target, 0o444);
    let ended = sandbox.mycp(["source", "target"]).failed().says("'target'");
    assert_same_bytes(&sandbox.read("target"), b"old", &ended.description);
    chmod(&target, 0o644);
}

/// A path as Win32 takes it.
fn wide(path: &std::path::Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().chain([0]).collect()
}

/// The access control list of a file, as a security descriptor.
fn access_list(path: &std::path::Path) -> Vec<u64> {
    use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, GetFileSecurityW};
    let (mut found, mut needed) = ([0_u64; 64], 0);
    let (path, bytes) = (wide(path), size_of_val(&found) as u32);
    let into = found.as_mut_ptr().cast();
    // SAFETY: the path ends in a zero, and the buffer has so many bytes.
    let told = unsafe {
        GetFileSecurityW(path.as_ptr(), DACL_SECURITY_INFORMATION, into, bytes, &raw mut needed)
    };
    assert_ne!(told, 0);
    found.to_vec()
}

/// Has everybody read and write a file, and nobody more, whatever its directory hands down.
fn let_everybody_write(path: &std::path::Path) {
    use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, SetFileSecurityW};
    // With a list, protected, in one piece; it begins at byte 20 ([MS-DTYP] 2.4.6).
    let mut bytes = vec![1, 0, 0x04, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0];
    // The list, of one entry.
    bytes.extend([2, 0, 28, 0, 1, 0, 0, 0]);
    // The entry: reading, writing, deleting.
    bytes.extend([0, 0, 20, 0, 0x9f, 0x01, 0x13, 0]);
    // Everybody: S-1-1-0.
    bytes.extend([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    let mut aligned: Vec<u64> =
        bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    assert_eq!(aligned.len() * 8, bytes.len());
    let path = wide(path);
    // SAFETY: the path ends in a zero, and the descriptor is one.
    let set = unsafe {
        let descriptor = aligned.as_mut_ptr().cast();
        SetFileSecurityW(path.as_ptr(), DACL_SECURITY_INFORMATION, descriptor)
    };
    assert_ne!(set, 0);
}

/// A key that its owner alone may read was replaced by one that everybody might whom the directory
/// lets. (Wine has permission bits in place of lists, and keeps nothing else of one.)
#[test]
fn what_replaces_a_file_has_its_access_list() {
    for way in [&["-T"] as &[&str], &["-T", "--engine=buffered"], &["-pT"], &["-T", "--delta"]] {
        let sandbox = Sandbox::new();
        sandbox.write("new.key", b"new");
        sandbox.write("server.key", b"the old key");
        let plain = access_list(&sandbox.path("server.key"));
        let_everybody_write(&sandbox.path("server.key"));
        let kept = access_list(&sandbox.path("server.key"));
        assert_ne!(kept, plain);
        let ended = sandbox.mycp(way.iter().copied().chain(["new.key", "server.key"])).good();
        assert_same_bytes(&sandbox.read("server.key"), b"new", &ended.description);
        assert_eq!(access_list(&sandbox.path("server.key")), kept, "{ended}");
    }
}
