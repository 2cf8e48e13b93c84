//! Names of the source that the system cannot give to what is copied, found before anything is
//! copied of their directory.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use super::branch::{Handles, Listing};
use super::walk::Walk;
use crate::error::{Cause, Error, Operation};
use crate::options::Endpoint;
use crate::sys::file::Kind;
use crate::sys::names::{self, Listed};

impl Walk<'_> {
    /// Takes out of a listing what cannot have its name in the target, and names that would become
    /// one: of these none is copied, since it is not known which is meant. Each is told as an
    /// error of its own.
    pub(super) fn refuse_names(&self, handles: &Handles, listing: &mut Listing) {
        if names::SPELLING == names::Spelling::Free {
            return;
        }
        let (source, target) = (&handles.source.path, &handles.target.path);
        let below = source.strip_prefix(&self.root).unwrap_or(source);
        let selection = &self.trees.options.selection;
        let selects = |listed: &Listed| {
            selection.has_in(below, &listed.name, listed.kind == Some(Kind::Directory))
        };
        let mut spellings: HashMap<OsString, Vec<OsString>> = HashMap::new();
        for Listed { name, .. } in listing.read.iter().filter(|listed| selects(listed)) {
            spellings.entry(names::fold(name)).or_default().push(name.clone());
        }
        let of_source = |name: &OsStr| Endpoint::from(source.join(name));
        let of_target = |name: &OsStr| Endpoint::from(target.join(name));
        listing.read.retain(|listed| {
            let name = &listed.name;
            if !selects(listed) {
                return true;
            }
            let alike = spellings.get(&names::fold(name)).map_or(&[][..], Vec::as_slice);
            let error = match (names::refusal(name), alike.iter().find(|other| *other != name)) {
                (Some(why), _) => {
                    Error::new(Operation::Create, &of_target(name), Cause::Unsupported(why))
                }
                (None, Some(other)) => {
                    let cause = Cause::OneName { other: of_source(other) };
                    Error::new(Operation::Copy, &of_source(name), cause)
                }
                (None, None) => return true,
            };
            self.trees.tell(&of_source(name), &of_target(name), Err(error));
            false
        });
    }
}
