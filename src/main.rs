//! The program `mycp`.

use std::ffi::OsString;
use std::process::ExitCode;

use mycp::cli::{self, Environment};

fn main() -> ExitCode {
    let environment = Environment {
        version_control: variable("VERSION_CONTROL"),
        simple_backup_suffix: variable("SIMPLE_BACKUP_SUFFIX"),
    };
    cli::run(std::env::args_os(), &environment)
}

#[expect(clippy::disallowed_methods, reason = "this is the program, not the library")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
