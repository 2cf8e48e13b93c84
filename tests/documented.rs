//! The README names every key of the JSON that `mycp-crash` prints.

use std::path::Path;

use serde_json::Value;

pub(crate) fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("README.md")).unwrap()
}

/// Panics for a key of what `mycp-crash --json` printed that the README does not name.
#[track_caller]
pub(crate) fn assert_documented(printed: &Value) {
    let readme = readme();
    let section = readme.split("\n## ").find(|it| it.starts_with("What survives a crash\n"));
    assert_keys(section.unwrap(), printed);
}

#[track_caller]
fn assert_keys(section: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_named = section.contains(&format!("`{key}`")) || key.ends_with("_bytes");
                assert!(is_named, "the README does not name `{key}`");
                assert_keys(section, value);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| assert_keys(section, value)),
        _ => (),
    }
}
