//! What the programs share: commands, options whose values are words or numbers, the manual page
//! and the completions, lines of JSON, tables, messages, text that is safe for a terminal.

pub(crate) mod commands;
pub(crate) mod generate;
pub(crate) mod json;
pub(crate) mod say;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod words;
