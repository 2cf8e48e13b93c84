//! Which process made something, told by a name that it gave it.

use std::fmt;
use std::io;
use std::str::FromStr;

/// A process, told from all that have had its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The namespace that the number is of.
    namespace: u64,
    pid: u32,
    /// When it was started, in ticks since the system was.
    started: u64,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc`.
    pub(crate) fn this() -> io::Result<Self> {
        let pid = std::process::id();
        let (_, started) = state_of(pid)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { namespace: own_namespace()?, pid, started })
    }

    /// Whether it has ended, which one that is stopped has not; `false` where that cannot be told,
    /// as of one whose numbers are others'.
    pub(crate) fn has_ended(self) -> bool {
        if own_namespace().ok() != Some(self.namespace) {
            return false;
        }
        match state_of(self.pid) {
            Ok(Some((state, started))) => started != self.started || matches!(state, 'Z' | 'X'),
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

fn own_namespace() -> io::Result<u64> {
    let link = std::fs::read_link("/proc/self/ns/pid")?;
    let number = link.to_str().and_then(|link| link.strip_prefix("pid:[")?.strip_suffix(']'));
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The state of a process, and when it was started (proc_pid_stat(5)); `None` if there is none.
fn state_of(pid: u32) -> io::Result<Option<(char, u64)>> {
    let stat = match std::fs::read(format!("/proc/{pid}/stat")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // It has ended meanwhile.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        stat => stat?,
    };
    let stat = String::from_utf8_lossy(&stat);
    // The name before may have anything in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut fields = fields.split(' ');
    let state = fields.next().and_then(|state| state.chars().next());
    let started = fields.nth(18).and_then(|ticks| ticks.parse().ok());
    state.zip(started).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.namespace, self.pid, self.started)
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let mut parts = name.split('-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (namespace, pid, started) = (number(), number(), number());
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        match (namespace, pid, started, parts.next()) {
            (Some(namespace), Some(pid), Some(started), None) => {
                Ok(Self { namespace, pid, started })
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    #[test]
    fn this_process_lives_and_its_name_can_be_read_again() {
        let own = Owner::this().unwrap();
        assert!(!own.has_ended());
        assert_eq!(own.to_string().parse(), Ok(own));
        for name in ["", "1-2", "1-2-x", "1-2-3-4", "1-99999999999-3"] {
            assert_eq!(name.parse::<Owner>(), Err(()), "{name}");
        }
        // Another has its number now.
        assert!(Owner { started: own.started + 1, ..own }.has_ended());
        // Its number is of elsewhere.
        assert!(!Owner { namespace: 1, started: 0, ..own }.has_ended());
    }

    #[test]
    fn one_that_is_stopped_has_not_ended_and_one_that_is_killed_has() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let own = Owner::this().unwrap();
        let (_, started) = state_of(child.id()).unwrap().unwrap();
        let owner = Owner { pid: child.id(), started, ..own };
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        while state_of(child.id()).unwrap().unwrap().0 != 'T' {}
        assert!(!owner.has_ended());
        child.kill().unwrap();
        // Nobody has waited for it yet.
        while state_of(child.id()).unwrap().unwrap().0 != 'Z' {}
        assert!(owner.has_ended());
        child.wait().unwrap();
        assert!(owner.has_ended());
    }
}
