//! What others make is read, listed and removed here, and what is made here there: Python,
//! util-linux.

use super::*;

use std::io::{BufRead, BufReader};

/// Runs a Python program with these arguments.
fn python(program: &str, words: &[&str]) -> String {
    done(&run("python3", &[&["-c", program], words].concat()))
}

fn json(word: &str) -> Value {
    serde_json::from_str(&done(&run(MYCP_SHM, &["stat", "--json", word]))).unwrap()
}

const UNTRACKED: &str = "
import sys
from multiprocessing import resource_tracker, shared_memory
# It would remove what others have made when it ends (bpo-38119).
resource_tracker.register = lambda *_: None
resource_tracker.unregister = lambda *_: None
name = sys.argv[1]
";

#[test]
#[ignore = "needs python3"]
fn python_s_shared_memory_is_ours_and_ours_is_python_s() {
    let sandbox = Sandbox::new();
    let names = Names::new("python");
    let word = names.posix("object");
    let name = word.strip_prefix("shm:/").unwrap();
    let program = "
made = shared_memory.SharedMemory(name, create=True, size=100001)
made.buf[:] = bytes(i % 251 for i in range(100001))
made.close()";
    python(&format!("{UNTRACKED}{program}"), &[name]);
    let expected: Vec<u8> = (0..100_001_u32).map(|at| (at % 251) as u8).collect();
    let back = sandbox.path("back");
    let back = back.to_str().unwrap();
    // As Python spells it, without the slash.
    done(&run(MYCP, &[&format!("shm:{name}"), back]));
    assert!(sandbox.read("back") == expected);
    let line = json(&word);
    assert_eq!((&line["size"], &line["perms"]), (&100_001.into(), &"0600".into()));
    done(&run(MYCP_SHM, &["rm", &word]));

    let file = sandbox.write("file", &content(5, 70_000));
    done(&run(MYCP, &[file.to_str().unwrap(), &word]));
    let program = "
found = shared_memory.SharedMemory(name)
assert found.size == 70000, found.size
assert bytes(found.buf) == open(sys.argv[2], 'rb').read()
found.buf[0] ^= 255
found.close()
found.unlink()";
    let removed = names.posix("kept");
    done(&run(MYCP, &[&word, &removed]));
    python(&format!("{UNTRACKED}{program}"), &[name, file.to_str().unwrap()]);
    assert!(shm::status(&named(&word)).is_err());
    assert!(read(&removed) == content(5, 70_000));
}

#[test]
#[ignore = "needs python3 with posix_ipc"]
fn posix_ipc_s_objects_and_semaphores_are_ours() {
    let sandbox = Sandbox::new();
    let names = Names::new("posix-ipc");
    let word = names.posix("object");
    let name = word.strip_prefix("shm:").unwrap();
    let program = "
import mmap, os, posix_ipc, sys
os.umask(0)
name = sys.argv[1]
made = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=5000, mode=0o640)
mapped = mmap.mmap(made.fd, made.size)
mapped[:] = b'p' * 5000
posix_ipc.Semaphore(name, posix_ipc.O_CREX, initial_value=1)";
    python(program, &[name]);
    let line = json(&word);
    assert_eq!((&line["size"], &line["perms"]), (&5000.into(), &"0640".into()));
    let back = sandbox.path("back");
    let lock = format!("--lock=sem:{name}");
    let copy = |wait: &str| run(MYCP, &[&lock, wait, &word, back.to_str().unwrap()]);
    done(&copy("--lock-wait=0"));
    assert!(sandbox.read("back") == [b'p'; 5000]);
    let take = "import posix_ipc, sys; posix_ipc.Semaphore(sys.argv[1]).acquire(0)";
    python(take, &[name]);
    let said = refused(&copy("--lock-wait=0.01"));
    assert!(said.contains("another process has locked it"), "{said}");
    let release = "import posix_ipc, sys; posix_ipc.Semaphore(sys.argv[1]).release()";
    python(release, &[name]);
    done(&copy("--lock-wait=0"));
    // What mycp had taken it has given back.
    python(take, &[name]);
    done(&run(MYCP_SHM, &["rm", &word]));
    let program = "
import posix_ipc, sys
posix_ipc.unlink_semaphore(sys.argv[1])
try:
    posix_ipc.SharedMemory(sys.argv[1])
    sys.exit('it is there')
except posix_ipc.ExistentialError:
    pass";
    python(program, &[name]);
    done(&run(MYCP, &[back.to_str().unwrap(), &word]));
    let program = "
import mmap, posix_ipc, sys
found = posix_ipc.SharedMemory(sys.argv[1])
assert found.size == 5000 and mmap.mmap(found.fd, 5000)[:] == b'p' * 5000
found.unlink()";
    python(program, &[name]);
    assert!(shm::status(&named(&word)).is_err());
}

#[test]
#[ignore = "needs python3 with sysv_ipc"]
fn sysv_ipc_s_segments_and_semaphores_are_ours() {
    let sandbox = Sandbox::new();
    let names = Names::new("sysv-ipc");
    let word = names.key(12);
    let key = word.strip_prefix("sysv:key=").unwrap();
    let program = "
import sys, sysv_ipc
key = int(sys.argv[1], 0)
made = sysv_ipc.SharedMemory(key, sysv_ipc.IPC_CREX, mode=0o640, size=5000)
made.write(b's' * 5000)
semaphore = sysv_ipc.Semaphore(key, sysv_ipc.IPC_CREX, initial_value=0)
semaphore.release()
print(made.id, semaphore.id, sysv_ipc.ftok(sys.argv[2], 9))
made.detach()";
    let file = sandbox.write("file", &content(3, 6000));
    let said = python(program, &[key, file.to_str().unwrap()]);
    let numbers: Vec<i64> = said.split_whitespace().map(|it| it.parse().unwrap()).collect();
    let line = json(&word);
    assert_eq!((&line["size"], &line["perms"]), (&5000.into(), &"0640".into()));
    assert_eq!(line["id"], numbers[0]);
    let back = sandbox.path("back");
    let locks = [format!("--lock=sysv:key={key}"), format!("--lock=sysv:id={}", numbers[1])];
    for lock in &locks {
        done(&run(MYCP, &[lock, "--lock-wait=0", &word, back.to_str().unwrap()]));
        assert!(sandbox.read("back") == [b's'; 5000]);
    }
    // Without undo: it is taken when Python has ended.
    let take = "import sys, sysv_ipc; sysv_ipc.Semaphore(int(sys.argv[1], 0)).acquire()";
    python(take, &[key]);
    let said = refused(&run(MYCP, &[&locks[0], "--lock-wait=0", &word, back.to_str().unwrap()]));
    assert!(said.contains("another process has locked it"), "{said}");
    done(&run(MYCP_SHM, &["rm", &word]));

    let by_path = format!("sysv:ftok={},9", file.display());
    names.note(&by_path);
    done(&run(MYCP, &[file.to_str().unwrap(), &by_path]));
    let ours = shm::status(&named(&by_path)).unwrap().key.unwrap().get();
    assert_eq!(i64::from(ours), numbers[2]);
    let program = "
import sys, sysv_ipc
sysv_ipc.Semaphore(int(sys.argv[1], 0)).remove()
found = sysv_ipc.SharedMemory(int(sys.argv[2]))
assert found.size == 6000 and found.read() == open(sys.argv[3], 'rb').read()
found.remove()";
    python(program, &[key, &ours.to_string(), file.to_str().unwrap()]);
    assert!(shm::status(&named(&by_path)).is_err());
}

#[test]
fn util_linux_makes_lists_and_removes_the_same() {
    let names = Names::new("util-linux");
    let said = done(&run("ipcmk", &["-M", "5000", "-p", "640"]));
    let id = said.trim_end().rsplit(' ').next().unwrap();
    let word = format!("sysv:id={id}");
    names.note(&word);
    let line = json(&word);
    assert_eq!((&line["size"], &line["perms"]), (&5000.into(), &"0640".into()));
    let listed = done(&run("lsipc", &["-m", "-P", "-i", id, "-J"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let theirs = &listed["sharedmemory"][0];
    let theirs = if theirs.is_null() { &listed["shmems"][0] } else { theirs };
    for (ours, field) in [("key", "key"), ("owner", "owner"), ("perms", "perms")] {
        assert_eq!(line[ours], theirs[field], "{listed}");
    }
    done(&run("ipcrm", &["-m", id]));
    assert!(refused(&run(MYCP_SHM, &["stat", &word])).contains("No such file"));

    let made = names.key(11);
    done(&run(MYCP_SHM, &["create", &made, "--size", "1"]));
    done(&run("ipcrm", &["-M", made.strip_prefix("sysv:key=").unwrap()]));
    assert!(shm::status(&named(&made)).is_err());
    let other = done(&run("ipcmk", &["-M", "1"]));
    let id = other.trim_end().rsplit(' ').next().unwrap();
    done(&run(MYCP_SHM, &["rm", &format!("sysv:id={id}")]));
    assert!(!run("ipcrm", &["-m", id]).status.success());
}

/// Stores one number into all of a segment again and again, under a record lock.
const SERVER: &str = "
import fcntl, mmap, os, struct, sys
fd = os.open('/dev/shm/' + sys.argv[1], os.O_RDWR)
length = os.fstat(fd).st_size
mapped = mmap.mmap(fd, length)
number = 0
while True:
    number += 1
    value = struct.pack('<Q', number) * (length // 8)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    mapped[:] = value
    fcntl.lockf(fd, fcntl.LOCK_UN)
    if number == 1:
        print('ready', flush=True)
";

#[test]
#[ignore = "needs python3"]
fn two_hundred_snapshots_of_a_live_segment_are_each_of_one_moment() {
    let names = Names::new("snapshots");
    let word = names.posix("live");
    let copy = names.posix("copy");
    done(&run(MYCP_SHM, &["create", &word, "--size", "64M"]));
    let mut server = Command::new("python3")
        .args(["-c", SERVER, word.strip_prefix("shm:/").unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    done(&run(MYCP_SHM, &["create", &copy, "--size", "64M"]));
    let snapshot = |words: &[&str]| {
        done(&run(MYCP, &[words, &[&word, &copy]].concat()));
        let bytes = std::fs::read(file_of(&copy)).unwrap();
        bytes.chunks(8).all(|chunk| chunk == &bytes[..8])
    };
    let torn = (0..200).filter(|_| !snapshot(&["--lock"])).count();
    // The control: the server does change it meanwhile.
    let is_torn = (0..200).any(|_| !snapshot(&[]));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(torn, 0, "snapshots of more than one moment");
    assert!(is_torn, "no snapshot without a lock was torn: the test shows nothing");
}
