//! Values that are chosen by their names.

use std::fmt;
use std::path::Path;

use crate::options::Quoted;

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} called {}; there are {known}", Quoted(Path::new(.name)))]
pub struct UnknownName {
    /// What it should be the name of.
    kind: &'static str,
    name: String,
    /// The names that there are.
    known: String,
}

/// The one of `all` that has this name.
pub(super) fn by_name<T: Copy + fmt::Display>(
    kind: &'static str,
    all: &[T],
    name: &str,
) -> Result<T, UnknownName> {
    let names: Vec<String> = all.iter().map(T::to_string).collect();
    let found = names.iter().position(|other| other == name).and_then(|at| all.get(at));
    found.copied().ok_or_else(|| {
        let (name, known) = (name.to_owned(), names.join(", "));
        UnknownName { kind, name, known }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_is_told_with_those_that_there_are() {
        assert_eq!(by_name("number", &[1, 2], "2"), Ok(2));
        let error = by_name("number", &[1, 2], "\x1b3").unwrap_err();
        assert_eq!(error.to_string(), "there is no number called '\\u{1b}3'; there are 1, 2");
    }
}
