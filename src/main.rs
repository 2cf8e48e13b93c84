//! The program `mycp`.
fn main() {}
