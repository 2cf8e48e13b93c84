//! Several sources of one name: they must not end up as one file.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use crate::options::{BackupControl, CopyOptions, Endpoint, ObjectId, Update};
use crate::sys::file::Kind;
use crate::sys::names::{Follow, facts_of_path, fold};
use crate::tree::Operand;

/// What is wrong with copying to a target once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// The source is the file that is there already.
    FileAgain,
    /// The source is the directory that is there already.
    DirectoryAgain,
    /// Another source is there.
    OtherSource,
}

/// What an operand is to be copied from, before that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Directory(ObjectId),
    Other,
}

impl Subject {
    /// What is there now; copying it will tell what is wrong with the others.
    pub(super) fn look(operand: &Operand, options: &CopyOptions) -> Option<Self> {
        let facts = facts_of_path(operand.source.path()?, Follow::of_operands(options.dereference))
            .ok()??;
        Some(match facts.kind {
            Kind::Directory => Self::Directory(facts.id),
            _ => Self::Other,
        })
    }
}

/// The targets that the operands of this run were copied to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Files and the names of their sources.
    files: HashMap<PathBuf, PathBuf>,
    /// The same of those that were left as they are.
    skipped: HashMap<PathBuf, PathBuf>,
    /// Directories and their sources, of which several can be merged in one.
    directories: HashSet<(PathBuf, ObjectId)>,
}

impl Taken {
    /// Notes that `operand` was copied.
    pub(super) fn add(&mut self, operand: &Operand, subject: Subject) {
        let (Some(source), Some(target)) = (operand.source.path(), operand.target.path()) else {
            return;
        };
        let target = folded(target);
        match subject {
            Subject::Directory(id) => drop(self.directories.insert((target, id))),
            Subject::Other => drop(self.files.insert(target, source.to_path_buf())),
        }
    }

    /// Notes that `operand` was left as it is.
    pub(super) fn skip(&mut self, operand: &Operand) {
        if let (Some(source), Some(target)) = (operand.source.path(), operand.target.path()) {
            self.skipped.insert(folded(target), source.to_path_buf());
        }
    }

    /// What speaks against copying `operand`. A directory where a file is, and the reverse, are
    /// refused whenever they were made.
    pub(super) fn clash(
        &self,
        operand: &Operand,
        subject: Subject,
        options: &CopyOptions,
    ) -> Option<Clash> {
        let target = folded(operand.target.path()?);
        if let Subject::Directory(id) = subject {
            let same = self.directories.contains(&(target, id));
            return same.then_some(Clash::DirectoryAgain);
        }
        let Some(before) = self.files.get(&target) else {
            let before = self.skipped.get(&target)?;
            let again = options.backup.control == BackupControl::None
                && same_name(before, operand.source.path()?);
            return again.then_some(Clash::FileAgain);
        };
        match options.backup.control {
            BackupControl::Numbered => None,
            BackupControl::None if same_name(before, operand.source.path()?) => {
                Some(Clash::FileAgain)
            }
            // It will be passed over, as cp has it.
            _ if options.update == Update::None => None,
            _ if options.update == Update::Older && is_not_newer(operand) => None,
            _ => Some(Clash::OtherSource),
        }
    }
}

/// Whether the source is not newer than what has the target's name now.
fn is_not_newer(operand: &Operand) -> bool {
    let modified = |endpoint: &Endpoint| {
        let facts = facts_of_path(endpoint.path()?, Follow::Yes).ok()??;
        Some(facts.modified)
    };
    matches!(
        (modified(&operand.source), modified(&operand.target)),
        (Some(source), Some(target)) if source <= target
    )
}

/// What paths have in common whose names lead to one file, however their letters are spelt.
fn folded(path: &Path) -> PathBuf {
    fold(path.as_os_str()).into()
}

/// Whether two paths differ in `.` and slashes only, and in what names do not differ by.
fn same_name(one: &Path, other: &Path) -> bool {
    let names = |path: &'_ Path| {
        path.components()
            .filter(|component| *component != Component::CurDir)
            .map(|component| fold(component.as_os_str()))
            .collect::<Vec<_>>()
    };
    names(one) == names(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Backup;

    fn operand(source: &str, target: &str) -> Operand {
        Operand { source: source.into(), target: target.into(), parents_below: None }
    }

    fn directory(ino: u128) -> Subject {
        Subject::Directory(ObjectId { dev: 1, ino })
    }

    #[test]
    fn a_file_is_not_copied_over_another_of_the_run() {
        let mut taken = Taken::default();
        let options = CopyOptions::default();
        let clash = |taken: &Taken, source: &str, target: &str, options: &CopyOptions| {
            taken.clash(&operand(source, target), Subject::Other, options)
        };
        assert_eq!(clash(&taken, "x/a", "d/a", &options), None);
        taken.add(&operand("x/a", "d/a"), Subject::Other);
        assert_eq!(clash(&taken, "x/a", "d/a", &options), Some(Clash::FileAgain));
        assert_eq!(clash(&taken, "./x//a", "d/./a", &options), Some(Clash::FileAgain));
        assert_eq!(clash(&taken, "y/a", "d/a", &options), Some(Clash::OtherSource));
        assert_eq!(clash(&taken, "y/a", "d/b", &options), None);
        let backup = |control| {
            let backup = Backup { control, ..Backup::default() };
            CopyOptions { backup, ..CopyOptions::default() }
        };
        let simple = backup(BackupControl::Simple);
        assert_eq!(clash(&taken, "x/a", "d/a", &simple), Some(Clash::OtherSource));
        let numbered = backup(BackupControl::Numbered);
        assert_eq!(clash(&taken, "y/a", "d/a", &numbered), None);
    }

    #[test]
    fn directories_are_merged_but_none_twice() {
        let mut taken = Taken::default();
        let options = CopyOptions::default();
        taken.add(&operand("x/e", "d/e"), directory(1));
        taken.add(&operand("y/e", "d/e"), directory(2));
        let clash = |source: &str, subject| taken.clash(&operand(source, "d/e"), subject, &options);
        assert_eq!(clash("/x/e", directory(1)), Some(Clash::DirectoryAgain));
        assert_eq!(clash("y/e", directory(2)), Some(Clash::DirectoryAgain));
        assert_eq!(clash("z/e", directory(3)), None);
        assert_eq!(clash("z/e", Subject::Other), None);
        assert_eq!(taken.clash(&operand("x/e", "d/f"), directory(1), &options), None);
    }

    #[test]
    fn dots_and_slashes_do_not_make_another_name() {
        assert!(same_name(Path::new("a"), Path::new("./a")));
        assert!(same_name(Path::new("d//a"), Path::new("d/./a/")));
        assert!(!same_name(Path::new("d/a"), Path::new("e/a")));
        assert!(!same_name(Path::new("d/../a"), Path::new("a")));
    }
}
