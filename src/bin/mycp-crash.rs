//! The program `mycp-crash`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mycp::laboratory::run(std::env::args_os())
}
