//! `create`: makes a segment.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::args;
use super::words::object;
use crate::error::{Cause, Error, Operation};
use crate::options::{Endpoint, SegmentName, SystemVName};
use crate::program::say::print;
use crate::program::words::octal_mode;
use crate::shm::{self, Creation, MODE, Segment};
use crate::sys::signals;

/// What was typed behind `create`.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What to make, or sysv:private for a System V segment without a key, whose identifier is
    /// printed
    #[arg(value_name = "OBJECT", value_parser = args::segment())]
    object: SegmentName,
    /// Its length in bytes, or with K, M, G or T behind it in powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: u64,
    /// Its permission bits, octal, whatever the umask is [default: 600]
    #[arg(long, value_name = "MODE", value_parser = octal_mode)]
    mode: Option<u32>,
    /// Take an existing one that is at least as long
    #[arg(long, conflicts_with = "replace")]
    or_existing: bool,
    /// Remove an existing one before; who has it goes on with it
    #[arg(long)]
    replace: bool,
    /// Keep a section until Ctrl+C or Ctrl+Break: it goes with the last process that has it open
    #[arg(long)]
    hold: bool,
}

/// How often it is looked whether the holding is to end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) fn run(args: &CreateArgs) -> anyhow::Result<ExitCode> {
    let len = args.size;
    refuse_misuse(args)?;
    if args.hold {
        // Before anybody can be told that it is there.
        signals::catch_stop()?;
    }
    let creation = match () {
        () if args.replace => Creation::Replace { len },
        () if args.or_existing => Creation::Either { len },
        () => Creation::New { len },
    };
    let options = Segment::options().creation(creation).mode(args.mode.unwrap_or(MODE));
    let segment = options.open(&args.object)?;
    if let (SegmentName::SystemV(SystemVName::Private), Some(id)) = (&args.object, segment.id()) {
        print(format_args!("{}\n", object(&SegmentName::SystemV(SystemVName::Id(id)))))?;
    }
    if args.hold {
        print(format_args!("{} is held until Ctrl+C\n", object(&args.object)))?;
        while signals::stop_signal().is_none() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
    drop(segment);
    Ok(ExitCode::SUCCESS)
}

/// A section has to be held by somebody, and nothing else has to.
fn refuse_misuse(args: &CreateArgs) -> crate::error::Result<()> {
    let endpoint = Endpoint::Segment(args.object.clone());
    shm::reachable(Operation::Create, &endpoint)?;
    let why = match (&args.object, args.hold) {
        (SegmentName::Section(_), false) => "it would go with this process: --hold keeps it",
        (SegmentName::Posix(_) | SegmentName::SystemV(_), true) => {
            "--hold is about sections: this one stays until it is removed"
        }
        _ => return Ok(()),
    };
    Err(Error::new(Operation::Create, &endpoint, Cause::Unsupported(why)))
}

/// Bytes, as truncate(1) takes them.
fn size(typed: &str) -> Result<u64, &'static str> {
    let (digits, shift) = match typed.as_bytes().last() {
        Some(b'K') => (&typed[..typed.len() - 1], 10),
        Some(b'M') => (&typed[..typed.len() - 1], 20),
        Some(b'G') => (&typed[..typed.len() - 1], 30),
        Some(b'T') => (&typed[..typed.len() - 1], 40),
        _ => (typed, 0),
    };
    let number = digits.parse().ok().filter(|number| *number > 0);
    number
        .and_then(|number: u64| number.checked_mul(1 << shift))
        .ok_or("it can be a number of bytes, at least 1, or one with K, M, G or T behind it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        assert_eq!(size("1"), Ok(1));
        assert_eq!(size("3K"), Ok(3072));
        assert_eq!(size("2T"), Ok(2 << 40));
        for wrong in ["", "0", "0M", "K", "-1", "1.5M", "1k", "20000000T", "1é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
