//! Options whose values are words.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

/// The words that an option takes, and what each means.
pub(crate) type Words<T> = &'static [(&'static str, T)];

/// Reads the value of an option, and knows the words for who completes or describes it.
#[derive(Clone, Copy)]
pub(crate) struct Value<W: 'static, T> {
    words: Words<W>,
    read: fn(Words<W>, &str) -> Result<T, String>,
}

impl<W, T> Value<W, T> {
    /// One that `read` takes from the words.
    pub(crate) const fn new(words: Words<W>, read: fn(Words<W>, &str) -> Result<T, String>) -> Self {
        Self { words, read }
    }
}

impl<W, T> TypedValueParser for Value<W, T>
where
    W: Copy + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        typed: &OsStr,
    ) -> Result<T, clap::Error> {
        let Self { words, read } = *self;
        // A function is a parser, too; its error names option and value.
        (move |typed: &str| read(words, typed)).parse_ref(command, argument, typed)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(|(word, _)| PossibleValue::new(*word))))
    }
}

/// One word of `words`.
pub(crate) const fn choice<T: Copy + PartialEq>(words: Words<T>) -> Value<T, T> {
    Value { words, read: meaning }
}

/// The meaning of `typed`: one of the words, or an abbreviation of words that mean the same.
pub(crate) fn meaning<T: Copy + PartialEq>(words: Words<T>, typed: &str) -> Result<T, String> {
    if let Some((_, exact)) = words.iter().find(|(word, _)| *word == typed) {
        return Ok(*exact);
    }
    let mut fitting = words.iter().filter(|(word, _)| word.starts_with(typed));
    match fitting.next() {
        Some((_, first)) if fitting.all(|(_, other)| other == first) => Ok(*first),
        _ => Err(list(words)),
    }
}

fn list<T>(words: Words<T>) -> String {
    let mut text = String::from("it can be ");
    for (index, (word, _)) in words.iter().enumerate() {
        let before = match index {
            0 => "",
            _ if index + 1 == words.len() => " or ",
            _ => ", ",
        };
        text.push_str(before);
        text.push_str(word);
    }
    text
}
