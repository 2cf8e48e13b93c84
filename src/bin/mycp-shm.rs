//! The program `mycp-shm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mycp::segments::run(std::env::args_os())
}
