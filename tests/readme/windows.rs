//! The commands that are about Windows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::*;

/// What holds a section, ended with the test.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs one that ends by Ctrl+C, and waits until it has said something.
fn hold(line: &str, directory: &Path) -> Holder {
    let mut child = start(line, directory).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let output = BufReader::new(child.stdout.take().unwrap());
    let holder = Holder(child);
    { output }.read_line(&mut said).unwrap();
    assert!(said.contains("Ctrl+C"), "{said}");
    holder
}

#[test]
fn every_command_about_windows_works() {
    let readme = readme();
    let sandbox = place();
    let photograph = sandbox.read("photograph.png");
    std::fs::create_dir_all(sandbox.path("fixtures/inputs")).unwrap();
    sandbox.write("fixtures/inputs/photograph.png", &photograph);

    let mut holders = Vec::new();
    let mut count = 0;
    for line in commands(&readme, "powershell") {
        match line {
            // The tests would be run by themselves.
            line if line.starts_with("cargo ") => continue,
            line if line.contains("--hold") => holders.push(hold(line, sandbox.root())),
            line => run(line, sandbox.root()),
        }
        count += 1;
    }
    assert_eq!((count, holders.len()), (5, 1));
    assert_eq!(sandbox.read("copy.png"), photograph);
    let saved = sandbox.read("photograph.saved");
    assert_eq!(saved.len(), 1 << 20);
    assert!(saved.starts_with(&photograph));
}
