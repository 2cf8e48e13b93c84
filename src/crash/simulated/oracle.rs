//! What a crash state is judged by: what there was, what there is to be, and what was promised.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::crash::simulated::observe::{Content, Kind, Object, Observed, by_path};
use crate::crash::simulated::promise::{Promise, Temporaries};
use crate::crash::simulated::record::SECTOR;
use crate::options::Quoted;

/// That a state does not keep a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Breach {
    /// Which.
    pub promise: Promise,
    /// The object, relative to the root of the file system.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// What there was before a program ran and what there is after it, without a crash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Oracle {
    before: Observed,
    after: Observed,
    /// Names that lead to a copy, and the names of what it is a copy of.
    #[serde(with = "by_path")]
    copies: BTreeMap<PathBuf, PathBuf>,
    temporaries: Temporaries,
    /// The marks of all sectors, and where they are in a file.
    #[serde(skip)]
    known: OnceLock<HashSet<(usize, u64)>>,
}

impl Oracle {
    /// `target` is a copy of `source`, and so is what is below of the same names there.
    pub(crate) fn new(
        (before, after): (Observed, Observed),
        (source, target): (&Path, &Path),
        temporaries: Temporaries,
    ) -> Self {
        let mut copies = BTreeMap::new();
        for name in after.objects.keys() {
            let original = name.strip_prefix(target).map(|below| source.join(below));
            if let Ok(original) = original
                && after.objects.contains_key(&original)
            {
                copies.insert(name.clone(), original);
            }
        }
        Self { before, after, copies, temporaries, known: OnceLock::new() }
    }

    /// Whether it can be what was seen: the content of a file has as many sectors as it is long.
    pub(crate) fn check(&self) -> Result<(), String> {
        let objects = self.before.objects.iter().chain(&self.after.objects);
        match objects.into_iter().find(|(_, object)| !object.is_consistent()) {
            Some((path, _)) => Err(format!("{} has not its length", Quoted(path))),
            None => Ok(()),
        }
    }

    /// What there was before and after.
    pub(crate) fn versions(&self) -> (&Observed, &Observed) {
        (&self.before, &self.after)
    }

    /// Whether the program does anything that could break a promise. What nothing could break is
    /// not found to hold.
    pub(crate) fn is_tried(&self, promise: Promise) -> bool {
        let mut changed = self.changed();
        match promise {
            // The root is there whatever happens.
            Promise::Bystanders => {
                let mut names = self.before.objects.keys();
                names.any(|it| !it.as_os_str().is_empty() && self.after.objects.contains_key(it))
            }
            Promise::NoForeign => changed.next().is_some(),
            Promise::Whole => changed.any(|(_, old, new)| content(old) != content(new)),
            Promise::Fresh => changed.any(|(path, old, _)| {
                self.source(path).is_some_and(|source| content(old) != content(Some(source)))
            }),
            Promise::Done => !self.undone(&self.before).is_empty(),
        }
    }

    /// What of `promises` a state breaks. Whether the program had ended counts for some.
    pub(crate) fn judge(
        &self,
        state: &Observed,
        has_ended: bool,
        promises: &[Promise],
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (path, what) in &state.failures {
            let promise = Promise::Bystanders;
            let what = format!("it cannot be looked at: {what}");
            breaches.push(Breach { promise, path: path.clone(), what });
        }
        for promise in promises {
            let found = match promise {
                Promise::Bystanders => self.bystanders(state),
                Promise::NoForeign => self.foreign(state),
                Promise::Whole => self.mixed(state),
                Promise::Fresh => self.false_fresh(state),
                Promise::Done if has_ended => self.undone(state),
                Promise::Done => Vec::new(),
            };
            let breach = |(path, what): (&Path, String)| Breach {
                promise: *promise,
                path: path.to_owned(),
                what,
            };
            breaches.extend(found.into_iter().map(breach));
        }
        breaches
    }

    /// The names that the program leaves alone.
    fn is_bystander(&self, path: &Path, object: &Object) -> bool {
        match self.after.objects.get(path) {
            // What is done in a directory changes its times.
            Some(after) if object.kind == Kind::Directory => after.kind == Kind::Directory,
            Some(after) => after == object,
            None => false,
        }
    }

    /// Whether a name is there before and after. A directory cannot take a file's place, or a file
    /// a directory's, without a moment in which there is neither.
    fn stays(&self, path: &Path, object: &Object) -> bool {
        let is_directory = |object: &Object| object.kind == Kind::Directory;
        let after = self.after.objects.get(path);
        after.is_some_and(|after| is_directory(after) == is_directory(object))
    }

    fn bystanders<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in &self.before.objects {
            let is_bystander = self.is_bystander(path, object);
            let what = match state.objects.get(path) {
                // That is said already.
                None if state.failures.contains_key(path) => continue,
                None if is_bystander => "it is gone",
                None if self.stays(path, object) => "it is gone, and is there before and after",
                None => continue,
                Some(_) if !is_bystander => continue,
                Some(there) if there.kind != object.kind => "it is something else",
                Some(there) if there.content != object.content => "its content has changed",
                Some(there)
                    if object.kind != Kind::Directory && there.attributes != object.attributes =>
                {
                    "its attributes have changed"
                }
                Some(_) => continue,
            };
            found.push((path.as_path(), what.to_owned()));
        }
        found
    }

    fn foreign<'s>(&self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in &state.objects {
            let versions = [&self.before, &self.after].map(|tree| tree.objects.get(path));
            let is_temporary = versions == [None, None];
            if is_temporary && !self.temporaries.has(path) {
                let what = "it is there neither before nor after, and is no temporary";
                found.push((path.as_path(), what.to_owned()));
            }
            if object.kind != Kind::File {
                continue;
            }
            let is_known = |at: usize, mark: u64| match mark {
                0 => true,
                _ if is_temporary => self.known().contains(&(self.temporaries.place(at), mark)),
                _ => versions.iter().flatten().any(|it| it.content.sectors.get(at) == Some(&mark)),
            };
            // One that the file's end cuts cannot be compared with one that is whole.
            let whole = usize::try_from(object.content.len / SECTOR).unwrap_or(usize::MAX);
            let marks = object.content.sectors.iter().take(whole).enumerate();
            let foreign = marks.filter(|(at, mark)| !is_known(*at, **mark)).count();
            let what = match foreign {
                0 => continue,
                _ if is_temporary => "of this temporary are in no version of a file",
                _ => "are neither old nor new nor zero",
            };
            found.push((path, format!("{foreign} sectors {what}")));
        }
        found
    }

    /// The sectors that a temporary may have.
    fn known(&self) -> &HashSet<(usize, u64)> {
        self.known.get_or_init(|| {
            let files = [&self.before, &self.after].into_iter().flat_map(files);
            let marks = files.flat_map(|(_, object)| object.content.sectors.iter().enumerate());
            marks.map(|(at, mark)| (self.temporaries.place(at), *mark)).collect()
        })
    }

    /// The file that a name leads to a copy of.
    fn source(&self, path: &Path) -> Option<&Object> {
        let source = self.copies.get(path).and_then(|source| self.after.objects.get(source));
        source.filter(|source| source.kind == Kind::File)
    }

    fn mixed<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, old, new) in self.changed() {
            let there = state.objects.get(path);
            let is_old = content(there) == content(old);
            let is_new = content(there) == content(new);
            if !is_old && !is_new {
                found.push((path, difference(there, old, new)));
            }
        }
        found
    }

    fn false_fresh<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in files(state) {
            let Some(source) = self.source(path) else { continue };
            let looks_equal = source.content.len == object.content.len
                && source.attributes.modified == object.attributes.modified;
            if looks_equal && source.content != object.content {
                let what = difference(Some(object), None, Some(source));
                found.push((path, format!("it looks like its source, but {what}")));
            }
        }
        found
    }

    fn undone<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, old, new) in self.changed() {
            let there = state.objects.get(path);
            let what = match (there, new) {
                (None, None) => continue,
                (Some(_), None) => "it is not deleted".to_owned(),
                (None, Some(_)) => "it is not there".to_owned(),
                (Some(there), Some(new)) if there.content != new.content => {
                    difference(Some(there), old, Some(new))
                }
                (Some(there), Some(new)) => match attributes_missing(there, new) {
                    Some(which) => format!("it has not the new {which}"),
                    None => continue,
                },
            };
            found.push((path, what));
        }
        found.extend(self.undone_directories(state));
        found
    }

    /// Directories that have not the attributes that they are to have; of times, those that are
    /// their sources'.
    fn undone_directories<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, new) in &self.after.objects {
            let Some(there) = state.objects.get(path).filter(|_| new.kind == Kind::Directory)
            else {
                continue;
            };
            let source = self.copies.get(path).and_then(|source| self.after.objects.get(source));
            let is_stamped =
                source.is_some_and(|it| it.attributes.modified == new.attributes.modified);
            match attributes_missing(there, new) {
                Some("time") if !is_stamped => {}
                Some(which) => found.push((path.as_path(), format!("it has not the new {which}"))),
                None => {}
            }
        }
        found
    }

    /// What the program makes, changes or removes, before and after it.
    pub(crate) fn changed(
        &self,
    ) -> impl Iterator<Item = (&Path, Option<&Object>, Option<&Object>)> {
        let names = self.before.objects.keys().chain(
            self.after.objects.keys().filter(|name| !self.before.objects.contains_key(*name)),
        );
        names.filter_map(|name| {
            let (old, new) = (self.before.objects.get(name), self.after.objects.get(name));
            let counts = match (old, new) {
                _ if Temporaries::Mycp.has(name) => false,
                (Some(old), Some(new)) if new.kind == Kind::Directory => old.kind != new.kind,
                _ => old != new,
            };
            counts.then_some((name.as_path(), old, new))
        })
    }
}

fn files(state: &Observed) -> impl Iterator<Item = (&Path, &Object)> {
    let files = state.objects.iter().filter(|(_, object)| object.kind == Kind::File);
    files.map(|(path, object)| (path.as_path(), object))
}

/// What a name shows.
fn content(object: Option<&Object>) -> Option<(Kind, &Content)> {
    object.map(|it| (it.kind, &it.content))
}

fn attributes_missing(there: &Object, new: &Object) -> Option<&'static str> {
    let (there, new) = (&there.attributes, &new.attributes);
    [
        (there.mode != new.mode, "mode"),
        (there.owner != new.owner, "owner"),
        (there.extended != new.extended, "extended attributes"),
        (there.modified != new.modified, "time"),
    ]
    .into_iter()
    .find_map(|(differs, which)| differs.then_some(which))
}

/// In what something is neither of its two versions.
fn difference(there: Option<&Object>, old: Option<&Object>, new: Option<&Object>) -> String {
    let Some(there) = there else { return "it is gone".to_owned() };
    if there.kind != Kind::File {
        return format!("it is a {:?}", there.kind).to_lowercase();
    }
    let marks = |object: Option<&Object>, at: usize| {
        object.and_then(|it: &Object| it.content.sectors.get(at).copied())
    };
    let Content { len, sectors } = &there.content;
    let (mut olds, mut news, mut zeros, mut others) = (0, 0, 0, 0);
    for (at, mark) in sectors.iter().enumerate() {
        match Some(*mark) {
            it if it == marks(new, at) => news += 1,
            it if it == marks(old, at) => olds += 1,
            Some(0) => zeros += 1,
            _ => others += 1,
        }
    }
    let wanted = new.or(old).map_or(0, |it| it.content.len);
    format!(
        "of its {len} bytes (to be {wanted}), {news} sectors are new, {olds} old, {zeros} zero, \
         {others} others"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::simulated::observe::Attributes;

    fn object(kind: Kind, modified: i64, sectors: &[u64]) -> Object {
        let (mode, extended) = (0o644, BTreeMap::new());
        let attributes = Attributes { mode, owner: (0, 0), modified: (modified, 0), extended };
        let len = sectors.len() as u64 * SECTOR;
        Object { kind, attributes, content: Content { len, sectors: sectors.to_vec() } }
    }

    fn file(modified: i64, sectors: &[u64]) -> Object {
        object(Kind::File, modified, sectors)
    }

    fn tree(objects: &[(&str, Object)]) -> Observed {
        let root = ("", object(Kind::Directory, 0, &[]));
        let objects = [root].into_iter().chain(objects.iter().cloned());
        let objects = objects.map(|(name, object)| (name.into(), object)).collect();
        Observed { objects, failures: BTreeMap::new() }
    }

    /// `target` becomes a copy of `source`.
    fn oracle(temporaries: Temporaries) -> Oracle {
        let source = ("source", file(9, &[11, 12]));
        let beside = ("beside", file(1, &[5]));
        let before = tree(&[source.clone(), beside.clone(), ("target", file(1, &[1, 2]))]);
        let after = tree(&[source, beside, ("target", file(9, &[11, 12]))]);
        Oracle::new((before, after), ("source".as_ref(), "target".as_ref()), temporaries)
    }

    /// The names and words of what a state breaks.
    fn broken(oracle: &Oracle, promise: Promise, state: &Observed) -> Vec<(String, String)> {
        let breaches = oracle.judge(state, true, &[promise]).into_iter();
        breaches.map(|it| (it.path.to_str().unwrap().to_owned(), it.what)).collect()
    }

    fn with(oracle: &Oracle, name: &str, object: Object) -> Observed {
        let mut state = oracle.before.clone();
        state.objects.insert(name.into(), object);
        state
    }

    #[test]
    fn a_name_of_neither_version_is_a_temporary_or_foreign() {
        for (temporaries, name, is_allowed) in [
            (Temporaries::Mycp, ".target.mycp-000001", true),
            (Temporaries::Mycp, ".new.mycp-000001/target", true),
            (Temporaries::Mycp, "target.part", false),
            (Temporaries::Crippled, "target.part", true),
            (Temporaries::Crippled, "target.beside", true),
            (Temporaries::Crippled, ".target.mycp-000001", false),
            (Temporaries::Anybody, ".target.Xa31wp", true),
        ] {
            let oracle = oracle(temporaries);
            for object in [file(3, &[]), object(Kind::Directory, 3, &[])] {
                let found = broken(&oracle, Promise::NoForeign, &with(&oracle, name, object));
                assert_eq!(found.is_empty(), is_allowed, "{temporaries:?} {name} {found:?}");
            }
        }
    }

    #[test]
    fn what_a_temporary_has_is_in_a_file_and_that_of_mycp_at_its_place() {
        for (temporaries, name, sectors, foreign) in [
            (Temporaries::Mycp, ".target.mycp-000001", &[11, 0, 0][..], 0),
            (Temporaries::Mycp, ".target.mycp-000001", &[1, 12], 0),
            (Temporaries::Mycp, ".target.mycp-000001", &[5, 0], 0),
            (Temporaries::Mycp, ".target.mycp-000001", &[12, 11], 2),
            (Temporaries::Mycp, ".target.mycp-000001", &[99, 12], 1),
            (Temporaries::Crippled, "target.part", &[12, 12], 1),
            (Temporaries::Anybody, "any", &[12, 11, 5], 0),
            (Temporaries::Anybody, "any", &[12, 99, 98], 2),
        ] {
            let oracle = oracle(temporaries);
            let found = broken(&oracle, Promise::NoForeign, &with(&oracle, name, file(3, sectors)));
            let what = format!("{foreign} sectors of this temporary are in no version of a file");
            let expected = [(name.to_owned(), what)];
            assert_eq!(found, expected[..usize::from(foreign > 0)], "{temporaries:?} {sectors:?}");
        }
        // Of the last sector only the beginning is there.
        let oracle = oracle(Temporaries::Mycp);
        let mut cut = file(3, &[11, 99]);
        cut.content.len -= 1;
        let state = with(&oracle, ".target.mycp-000001", cut);
        assert_eq!(broken(&oracle, Promise::NoForeign, &state), []);
    }

    /// As of a program that removes it first.
    #[test]
    fn a_name_of_both_versions_never_vanishes() {
        let oracle = oracle(Temporaries::Mycp);
        let mut state = oracle.before.clone();
        state.objects.remove(Path::new("target"));
        let found = broken(&oracle, Promise::Bystanders, &state);
        let what = "it is gone, and is there before and after".to_owned();
        assert_eq!(found, [("target".to_owned(), what)]);
        state.objects.remove(Path::new("beside"));
        assert_eq!(broken(&oracle, Promise::Bystanders, &state).len(), 2);
        let failed = oracle.before.objects.keys().map(|name| (name.clone(), "EIO".to_owned()));
        let state = Observed { objects: BTreeMap::new(), failures: failed.collect() };
        // Each failure once, and nothing else besides.
        assert_eq!(broken(&oracle, Promise::Bystanders, &state).len(), state.failures.len());
    }

    #[test]
    fn a_directory_that_becomes_a_file_may_be_neither_in_between() {
        let (directory, file) = (object(Kind::Directory, 1, &[]), file(1, &[1]));
        for (old, new) in [(&directory, &file), (&file, &directory)] {
            let versions = [old, new].map(|object| tree(&[("name", object.clone())])).into();
            let names = ("source".as_ref(), "target".as_ref());
            let oracle = Oracle::new(versions, names, Temporaries::Mycp);
            assert_eq!(broken(&oracle, Promise::Bystanders, &tree(&[])), []);
        }
        let versions = (tree(&[("name", directory.clone())]), tree(&[("name", directory)]));
        let names = ("source".as_ref(), "target".as_ref());
        let oracle = Oracle::new(versions, names, Temporaries::Mycp);
        assert_eq!(broken(&oracle, Promise::Bystanders, &tree(&[])).len(), 1);
    }

    #[test]
    fn what_nothing_could_break_is_not_tried() {
        let oracle = oracle(Temporaries::Mycp);
        assert!(Promise::ALL.into_iter().all(|promise| oracle.is_tried(promise)));
        let tried = |before: &Observed, after: &Observed| -> Vec<Promise> {
            let names = ("source".as_ref(), "target".as_ref());
            let versions = (before.clone(), after.clone());
            let oracle = Oracle::new(versions, names, Temporaries::Mycp);
            Promise::ALL.into_iter().filter(|promise| oracle.is_tried(*promise)).collect()
        };
        let (before, after) = (&oracle.before, &oracle.after);
        assert_eq!(tried(after, after), [Promise::Bystanders]);
        assert_eq!(tried(&tree(&[]), &tree(&[])), []);
        // Something else than a copy is changed.
        let other = with(&oracle, "beside", file(1, &[6]));
        use Promise::{Bystanders, Done, NoForeign, Whole};
        assert_eq!(tried(before, &other), [Bystanders, NoForeign, Whole, Done]);
        let mut stamped = oracle.before.clone();
        stamped.objects.insert("beside".into(), file(2, &[5]));
        assert_eq!(tried(before, &stamped), [Bystanders, NoForeign, Done]);
    }
}
