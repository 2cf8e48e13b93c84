//! What the order of the options on the command line says.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::words::{Attribute, AttributeList};
use crate::options::Dereference;

/// Whether an attribute is to be kept or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preserving {
    Yes,
    No,
}

/// What is done with a pattern, or a file of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selecting {
    Exclude,
    Include,
    From,
}

/// The values of an option, each with its place on the command line.
fn placed_values<'a, T: Clone + Send + Sync + 'static>(
    matches: &'a ArgMatches,
    id: &str,
) -> impl Iterator<Item = (usize, &'a T)> {
    let values = matches.get_many::<T>(id).into_iter().flatten();
    matches.indices_of(id).into_iter().flatten().zip(values)
}

pub(super) fn selecting_in_order(matches: &ArgMatches) -> Vec<(Selecting, OsString)> {
    let options = [
        ("exclude", Selecting::Exclude),
        ("include", Selecting::Include),
        ("exclude_from", Selecting::From),
    ];
    let mut all = Vec::new();
    for (id, selecting) in options {
        let values = placed_values(matches, id);
        all.extend(values.map(|(index, value): (_, &OsString)| (index, selecting, value.clone())));
    }
    all.sort_by_key(|(index, ..)| *index);
    all.into_iter().map(|(_, selecting, value)| (selecting, value)).collect()
}

pub(super) fn attributes_in_order(matches: &ArgMatches) -> Vec<(Preserving, AttributeList)> {
    let mut lists = Vec::new();
    for (id, preserving) in [("preserve", Preserving::Yes), ("no_preserve", Preserving::No)] {
        let values = placed_values(matches, id);
        lists.extend(
            values.map(|(index, list): (_, &AttributeList)| (index, preserving, list.clone())),
        );
    }
    // Of one that was typed several times the last place is known, which is the one that counts.
    for (id, attribute) in
        [("mirror", Attribute::All), ("archive", Attribute::All), ("keep_links", Attribute::Links)]
    {
        let list = AttributeList(vec![attribute]);
        lists.extend(place(matches, id).map(|index| (index, Preserving::Yes, list)));
    }
    lists.sort_by_key(|(index, ..)| *index);
    lists.into_iter().map(|(_, preserving, list)| (preserving, list)).collect()
}

pub(super) fn links_followed(matches: &ArgMatches) -> Option<Dereference> {
    let flags = [
        ("mirror", Dereference::Never),
        ("archive", Dereference::Never),
        ("keep_links", Dereference::Never),
        ("no_dereference", Dereference::Never),
        ("follow_operands", Dereference::Operands),
        ("dereference", Dereference::Always),
    ];
    let typed = flags.iter().filter_map(|(id, meant)| Some((place(matches, id)?, *meant)));
    typed.max_by_key(|(index, _)| *index).map(|(_, meant)| meant)
}

/// Where a flag was typed last.
fn place(matches: &ArgMatches, flag: &str) -> Option<usize> {
    // One that was not typed has a value, too, and a place.
    match matches.value_source(flag) {
        Some(ValueSource::CommandLine) => matches.indices_of(flag)?.next_back(),
        _ => None,
    }
}
