//! What the table of documented differences asks about a case and its outcomes.

use super::case::{Case, DEPTH, Outcome, Who};
use super::compare::{Difference, Field};
use super::snapshot::Seen;
use super::world::{Entry, Kind, LONG_AGO, name, parent, within};

/// A case with both outcomes.
pub(crate) struct Situation<'a> {
    pub(crate) case: &'a Case,
    pub(crate) gnu: &'a Outcome,
    pub(crate) ours: &'a Outcome,
}

impl Situation<'_> {
    /// What was where the difference is, before the run.
    pub(crate) fn was(&self, difference: &Difference) -> Option<&Entry> {
        self.case.world.inode(&difference.path)
    }

    /// Whether mycp left what there was, with everything that a copy would have changed of it.
    pub(crate) fn is_untouched(&self, difference: &Difference) -> bool {
        let Some(ours) = self.ours.snapshot.get(&difference.path) else { return false };
        match (self.was(difference), difference.path.as_slice()) {
            (Some(was), _) => {
                let acls = usize::from(was.acl.is_some()) + usize::from(was.default_acl.is_some());
                was.modified == ours.modified
                    && was.mode_left() == ours.mode
                    && was.attributes.len() + acls == ours.attributes.len()
            }
            (None, path) => path.is_empty() && ours.modified == LONG_AGO,
        }
    }

    /// Whether one operand's copy is there that another's would have taken the place of.
    pub(crate) fn is_first_of_several(&self, difference: &Difference) -> bool {
        self.case.sources.len() > 1
            && match difference.field {
                Field::Mode | Field::Owner | Field::Group | Field::Attributes => {
                    self.both(difference).is_some_and(|(gnu, _)| gnu.kind == "file")
                }
                _ => {
                    self.case.has("", "remove-destination") && self.only_with_mycp(&difference.path)
                }
            }
    }

    pub(crate) fn both_fail(&self) -> bool {
        [self.gnu, self.ours].iter().all(|outcome| outcome.status == "exit status: 1")
    }

    /// Whether mycp complains of something that has this name.
    pub(crate) fn mycp_names(&self, path: &[u8]) -> bool {
        self.ours.errors.contains(&*String::from_utf8_lossy(name(path)))
    }

    /// Names that mycp left of the inode where the difference is.
    pub(crate) fn other_names(&self, difference: &Difference) -> impl Iterator<Item = &Vec<u8>> {
        let inode = self.ours.snapshot.get(&difference.path).map(|seen| &seen.first_name);
        let all = self.ours.snapshot.iter();
        all.filter(move |(_, seen)| Some(&seen.first_name) == inode).map(|(path, _)| path)
    }

    /// Copies of directories that cp refuses, because it takes them for hard links.
    pub(crate) fn not_linked(&self) -> impl Iterator<Item = Vec<u8>> {
        let starts = self.gnu.errors.split(": will not create hard link '").skip(1);
        let copies = starts.filter_map(|rest| rest.split_once("' to directory '"));
        copies.filter_map(|(copy, _)| {
            let below = match copy.split_once(DEPTH) {
                Some((_, rest)) => rest.as_bytes().to_vec(),
                None => [&self.case.directory, b"/".as_slice(), copy.as_bytes()].concat(),
            };
            self.case.world.resolve(&below)
        })
    }

    /// Whether cp says something with these words, and nothing but what rows of the table explain.
    pub(crate) fn cp_says_only(&self, words: &str) -> bool {
        const EXPLAINED: [&str; 6] = [
            ": failed to preserve times for ",
            " are the same file",
            ": preserving permissions for ",
            ": will not create hard link ",
            ": not writing through dangling symlink ",
            ": setting attribute 'user.",
        ];
        let is_explained = |line: &str| EXPLAINED.iter().any(|words| line.contains(words));
        let errors = &self.gnu.errors;
        errors.contains(words)
            && errors.lines().all(|line| line.contains(words) || is_explained(line))
    }

    /// Whether cp has removed something there, and made a directory in its place.
    pub(crate) fn gives_way_to_directory(&self, path: &[u8]) -> bool {
        let mut names = self.gnu.snapshot.iter().filter(|(_, seen)| seen.kind == "directory");
        names.any(|(name, _)| {
            let is_other = self.ours.snapshot.get(name).is_some_and(|it| it.kind != "directory");
            parent(name) == path && is_other
        })
    }

    /// Whether cp has made something there that mycp has not.
    pub(crate) fn only_with_cp(&self, path: &[u8]) -> bool {
        self.gnu.snapshot.contains_key(path) && !self.ours.snapshot.contains_key(path)
    }

    /// Whether mycp has made something there that cp has not.
    pub(crate) fn only_with_mycp(&self, path: &[u8]) -> bool {
        self.ours.snapshot.contains_key(path) && !self.gnu.snapshot.contains_key(path)
    }

    /// Whether the difference is what a directory shows of a name that only one of both has made.
    pub(crate) fn follows_from(
        &self,
        difference: &Difference,
        made: fn(&Self, &[u8]) -> bool,
    ) -> bool {
        let mut names = self.gnu.snapshot.keys().chain(self.ours.snapshot.keys());
        matches!(difference.field, Field::Modified | Field::Links)
            && names.any(|path| parent(path) == difference.path && made(self, path))
    }

    /// What both left where the difference is.
    pub(crate) fn both(&self, difference: &Difference) -> Option<(&Seen, &Seen)> {
        let path = difference.path.as_slice();
        Some((self.gnu.snapshot.get(path)?, self.ours.snapshot.get(path)?))
    }
}

/// The lines of `-v`, without those that mycp has no reason for.
pub(crate) fn plain_lines(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.output.iter().map(|line| String::from_utf8_lossy(line));
    let lines =
        lines.filter(|line| !line.ends_with(" (unbackup)") && !line.starts_with("removed "));
    let quoted = lines.map(|line| match line.split_once(" -> ") {
        // The directories of --parents are told without quotes.
        Some((source, target)) if !line.starts_with('\'') => format!("'{source}' -> '{target}'"),
        _ => line.into_owned(),
    });
    let shortest = |line: String| {
        let line = line.replace("//", "/").replace("/./", "/").replace("/./", "/");
        line.replace("'./", "'")
    };
    quoted.map(shortest).collect()
}

/// A link that something else took the place of, what cp wrote to or linked instead, the
/// directory of the link, and cp's complaint where there is no such thing.
pub(crate) fn replaces_link(situation: &Situation<'_>, difference: &Difference) -> bool {
    let Situation { case, gnu, ours } = situation;
    let kind = |outcome: &Outcome, path: &[u8]| outcome.snapshot.get(path).map(|seen| seen.kind);
    let is_link = |outcome, path| kind(outcome, path) == Some("symbolic link");
    // An earlier operand may have made it.
    let paths = gnu.snapshot.keys().map(Vec::as_slice);
    let links = paths.filter(|path| is_link(gnu, path) && kind(ours, path).is_some());
    let links: Vec<&[u8]> = links.filter(|path| !is_link(ours, path)).collect();
    match difference.field {
        Field::Output => {
            !links.is_empty() || gnu.errors.contains(": not writing through dangling symlink ")
        }
        // With -n and -u the link stays, which is no failure.
        Field::Status | Field::Errors
            if situation.cp_says_only(": not writing through dangling symlink ")
                || situation.cp_says_only(": Too many levels of symbolic links") =>
        {
            true
        }
        Field::Status | Field::Errors => {
            let complains_of = |line: &str, link: &&[u8]| {
                // An unusual name is told in pieces.
                line.contains(&*String::from_utf8_lossy(name(link))) || line.contains("'$'")
            };
            !links.is_empty()
                && gnu.errors.lines().all(|line| links.iter().any(|link| complains_of(line, link)))
        }
        _ => links.iter().any(|link| {
            let same = |outcome: &Outcome| {
                let inode = |path: &[u8]| outcome.snapshot.get(path).map(|seen| &seen.first_name);
                inode(link) == inode(&difference.path)
            };
            *link == difference.path
                || parent(link) == difference.path && difference.field == Field::Modified
                || case.world.resolve(link).as_ref() == Some(&difference.path)
                // A source that cp has written to was copied as well.
                || difference.field == Field::Content
                    && case.world.resolve(link).is_some_and(|it| {
                        name(&it) == name(&difference.path)
                    })
                || same(gnu)
                || same(ours)
        }),
    }
}

/// A file that several were written to, or that has the name of such a one.
pub(crate) fn shares_inode(situation: &Situation<'_>, difference: &Difference) -> bool {
    let entries = situation.case.world.entries.iter();
    let links = entries.filter(|entry| matches!(entry.kind, Kind::HardLink(_)));
    let mut written = links.filter(|link| {
        let was = situation.case.world.inode(&link.path);
        let gnu = situation.gnu.snapshot.get(&link.path);
        was.zip(gnu).is_some_and(|(was, gnu)| was.modified != gnu.modified)
    });
    let Some((gnu, _)) = situation.both(difference) else { return false };
    gnu.kind == "file"
        && situation.case.recurses()
        && written.any(|link| {
            let there = situation.gnu.snapshot.get(&link.path);
            there.is_some_and(|there| there.first_name == gnu.first_name)
                || name(&link.path) == name(&difference.path)
                || matches!(&link.kind, Kind::HardLink(first)
                    if name(first) == name(&difference.path))
        })
        && matches!(
            difference.field,
            Field::Content
                | Field::Allocation
                | Field::Mode
                | Field::Owner
                | Field::Group
                | Field::Attributes
                | Field::Accessed
                | Field::Modified
        )
}

/// A link that could not be replaced, and what cp wrote through it.
pub(crate) fn keeps_link(situation: &Situation<'_>, difference: &Difference) -> bool {
    let links = situation.case.world.entries.iter().filter(|entry| {
        matches!(entry.kind, Kind::SymbolicLink(_)) && situation.mycp_names(&entry.path)
    });
    let mut led = links.map(|link| situation.case.world.resolve(&link.path));
    let denied = |line: &str| line.contains(": Permission denied") || line.ends_with(" not copied");
    situation.case.who == Who::Nobody
        && match difference.field {
            Field::Status | Field::Errors => {
                led.next().is_some() && situation.ours.errors.lines().all(denied)
            }
            _ => led.any(|path| path.as_ref() == Some(&difference.path)),
        }
}

/// What cp leaves out of the second copy of a directory, and what shows of that.
pub(crate) fn is_second_copy(situation: &Situation<'_>, difference: &Difference) -> bool {
    let words = ": will not create hard link '";
    let warning = ": warning: source directory '";
    match difference.field {
        Field::Status => situation.cp_says_only(words),
        Field::Errors | Field::Output => situation.gnu.errors.contains(words),
        _ if situation.gnu.errors.contains(warning) => true,
        Field::Links | Field::Names => situation.not_linked().next().is_some(),
        _ => situation.not_linked().any(|copy| {
            within(&difference.path, &copy).is_some()
                || situation.follows_from(difference, Situation::only_with_mycp)
        }),
    }
}
