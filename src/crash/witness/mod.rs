//! Real power cuts: a writer on the machine whose power is cut, a witness on another one.
//!
//! After Brad Fitzpatrick's `diskchecker.pl`. The writer tells the witness what it is about to
//! store and what it has stored and synced; the witness answers when that is on its own disk. After
//! the cut, what was acknowledged is compared with what is there.
//!
//! 1. `mode` has the ways to store, and what each promises; `event` what is told of them.
//! 2. `writer` makes the files (`store`, `page`, `sector`), and tells a `server` by way of a
//!    `client`.
//! 3. `log` keeps what was told: the record. `history` is what it says of one run, page by page.
//! 4. `survey` reads the pages, and `judge` compares.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod history;
pub(crate) mod judge;
pub(crate) mod log;
pub(crate) mod mode;
mod page;
mod sector;
pub(crate) mod server;
pub(crate) mod store;
mod survey;
pub(crate) mod writer;

pub(crate) use page::PAGE_LEN;
pub(crate) use survey::survey;
