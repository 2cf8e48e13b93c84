//! What `explore` runs on its disks besides mycp, in processes of their own: a process that serves
//! a disk and maps its files would wait for itself.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::crash::simulated::{Cripple, SyncMode, store};
use crate::options::Quoted;
use crate::program::words::one_of;

/// What was typed behind `work`.
#[derive(Debug, Args)]
pub(in crate::laboratory) struct WorkArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Store into the files of a directory, and tell each flush
    Stores {
        #[arg(value_parser = one_of(SyncMode::ALL, |it| (it.as_str(), "")))]
        mode: SyncMode,
        directory: PathBuf,
    },
    /// Copy a file, badly
    Cripple {
        #[arg(value_parser = one_of(Cripple::ALL, |it| (it.as_str(), "")))]
        how: Cripple,
        source: PathBuf,
        target: PathBuf,
    },
}

/// Does it.
pub(in crate::laboratory) fn run(args: &WorkArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Stores { mode, directory } => {
            store(*mode, directory, std::io::stdout(), std::io::stdin())
                .with_context(|| format!("cannot store in {}", Quoted(directory)))?;
        }
        What::Cripple { how, source, target } => {
            how.copy(source, target).with_context(|| format!("cannot copy {}", Quoted(source)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
