//! What both programs have: options whose values are words or numbers, the manual page and the
//! completions, names in JSON, text that is safe for a terminal.

pub(crate) mod generate;
pub(crate) mod json;
pub(crate) mod terminal;
pub(crate) mod words;
