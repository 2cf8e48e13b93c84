//! Makes a case smaller as long as it still shows what it showed.

use std::collections::BTreeSet;

use super::case::{Case, Form, Who};
use super::world::{Content, Entry, Filling, Kind, LONG_AGO, ROOT, World, name, parent, within};

/// A case that takes longer to shrink stays as it is by then.
const ATTEMPTS_MAX: usize = 1500;

/// The smallest case found that `shows` still accepts; it accepts `case`.
pub(crate) fn shrink(case: Case, shows: impl Fn(&Case) -> bool) -> Case {
    let mut best = case;
    let mut attempts = 0;
    'smaller: loop {
        for candidate in candidates(&best) {
            attempts += 1;
            if attempts > ATTEMPTS_MAX {
                return best;
            }
            if candidate != best && !candidate.may_hang() && shows(&candidate) {
                best = candidate;
                continue 'smaller;
            }
        }
        return best;
    }
}

/// Simpler cases, the boldest first. Each step leads one way, so that there is an end.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let mut add = |change: &dyn Fn(&mut Case)| {
        let mut candidate = case.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    for at in (0..case.world.entries.len()).rev() {
        // The working directory has to be there.
        if within(&case.directory, &case.world.entries[at].path).is_none() {
            add(&|case| remove(&mut case.world, at));
        }
    }
    for at in 0..case.options.len() {
        add(&|case| drop(case.options.remove(at)));
    }
    if case.sources.len() > 1 {
        for at in 0..case.sources.len() {
            add(&|case| drop(case.sources.remove(at)));
        }
    }
    add(&|case| {
        // Operands are told from where they are used: those that now lead nowhere change nothing.
        case.directory = Vec::new();
        for operand in case.sources.iter_mut().chain([&mut case.target]) {
            while let Some(rest) = operand.strip_prefix(b"../") {
                *operand = rest.to_vec();
            }
            if operand == b".." {
                *operand = b".".to_vec();
            }
        }
    });
    if !case.directory.is_empty() {
        add(&|case| case.directory = parent(&case.directory).to_vec());
    }
    add(&|case| case.form = Form::Last);
    add(&|case| case.who = Who::Caller);
    add(&|case| case.umask = 0o022);
    for at in 0..case.options.len() {
        for simpler in simpler_options(&case.options[at]) {
            add(&|case| case.options.splice(at..=at, simpler.iter().cloned()).for_each(drop));
        }
    }
    for at in 0..=case.sources.len() {
        for simpler in simpler_operands(case.sources.get(at).unwrap_or(&case.target)) {
            add(&|case| match case.sources.get_mut(at) {
                Some(source) => source.clone_from(&simpler),
                None => case.target.clone_from(&simpler),
            });
        }
    }
    for at in 0..case.world.entries.len() {
        for simpler in simpler_entries(&case.world.entries[at]) {
            add(&|case| case.world.entries[at] = simpler.clone());
        }
    }
    found.extend(renamed(case));
    found
}

/// Removes an entry and what is below it. The next name of its inode takes its place.
fn remove(world: &mut World, at: usize) {
    let removed = world.entries[at].path.clone();
    let gone = world.entries.iter().filter(|entry| within(&entry.path, &removed).is_some());
    let gone: Vec<Entry> = gone.cloned().collect();
    world.entries.retain(|entry| within(&entry.path, &removed).is_none());
    for inode in gone {
        let link = Kind::HardLink(inode.path.clone());
        let mut others = world.entries.iter_mut().filter(|entry| entry.kind == link);
        let Some(heir) = others.next() else { continue };
        let path = heir.path.clone();
        for other in others {
            other.kind = Kind::HardLink(path.clone());
        }
        *heir = Entry { path, ..inode };
    }
}

fn simpler_options(option: &str) -> Vec<Vec<String>> {
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
    let mut simpler = match option {
        "-a" => vec![
            words(&["-r"]),
            words(&["-r", "-p"]),
            words(&["-d", "-r"]),
            words(&["-d", "-r", "-p"]),
            words(&["-r", "--preserve=links"]),
            words(&["-r", "--preserve=all"]),
        ],
        "-dR" => vec![words(&["-r"]), words(&["-r", "-d"])],
        "-R" => vec![words(&["-r"])],
        "-p" => ["mode", "ownership", "timestamps"]
            .map(|attribute| vec![format!("--preserve={attribute}")])
            .to_vec(),
        _ => Vec::new(),
    };
    if let Some((long, list)) = option.split_once("preserve=") {
        let all = ["mode", "ownership", "timestamps", "links", "xattr"];
        let parts: Vec<&str> = if list == "all" { all.to_vec() } else { list.split(',').collect() };
        if parts.len() > 1 {
            simpler.extend(parts.iter().map(|part| vec![format!("{long}preserve={part}")]));
        }
    }
    simpler
}

fn simpler_operands(operand: &[u8]) -> Vec<Vec<u8>> {
    let mut simpler = Vec::new();
    if let Some(rest) = operand.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix(b"/")) {
        simpler.push(rest.to_vec());
    }
    for end in ["//", "/", "/."] {
        simpler.extend(operand.strip_suffix(end.as_bytes()).map(Vec::from));
    }
    simpler.extend(operand.strip_prefix(b"./").map(Vec::from));
    let parts: Vec<&[u8]> = operand.split(|byte| *byte == b'/').collect();
    if let [before @ .., first, b"..", last] = parts.as_slice()
        && first == last
    {
        simpler.push([before, &[*last]].concat().join(b"/".as_slice()));
    }
    simpler.retain(|operand| !operand.is_empty());
    simpler
}

fn simpler_entries(entry: &Entry) -> Vec<Entry> {
    let mut simpler = vec![
        Entry { attributes: Vec::new(), ..entry.clone() },
        Entry { acl: None, ..entry.clone() },
        Entry { default_acl: None, ..entry.clone() },
        Entry { owner: None, ..entry.clone() },
        Entry { mode: Entry::ordinary_mode(&entry.kind), ..entry.clone() },
        Entry { accessed: LONG_AGO, ..entry.clone() },
        Entry { modified: LONG_AGO, ..entry.clone() },
        // Special bits and those of group and others may not all be needed.
        Entry { mode: entry.mode & 0o777, ..entry.clone() },
        Entry { mode: entry.mode | 0o600, ..entry.clone() },
    ];
    match &entry.kind {
        Kind::File(content) => {
            let with = |content| Entry { kind: Kind::File(content), ..entry.clone() };
            let text = Content { filling: Filling::Text, ..*content };
            simpler.extend([
                with(Content { len: content.len.min(1), ..text }),
                with(Content { len: 0, ..text }),
                with(text),
                with(Content { len: content.len.min(4096), ..*content }),
                with(Content { len: content.len.min(65_536), ..*content }),
                with(Content { letter: 'a', ..*content }),
            ]);
        }
        Kind::HardLink(_) => {
            let content = Content { len: 1, letter: 'a', filling: Filling::Text };
            simpler.push(Entry { kind: Kind::File(content), ..entry.clone() });
        }
        Kind::SymbolicLink(_) => {
            let dangling = Kind::SymbolicLink(b"nowhere".to_vec());
            simpler.push(Entry { kind: dangling, ..entry.clone() });
        }
        _ => {}
    }
    simpler
}

/// The case with a name replaced by a simpler one wherever it stands, or with a directory taken
/// away whose content goes up, for each name.
fn renamed(case: &Case) -> Vec<Case> {
    let paths = case.world.entries.iter().map(|entry| &entry.path);
    let paths = paths.chain(&case.sources).chain([&case.target]);
    let names: BTreeSet<&[u8]> = paths.flat_map(|path| path.split(|c| *c == b'/')).collect();
    // These are where generated worlds begin.
    let letters = [b's', b't'].into_iter().chain(b'a'..=b'z');
    let rank = |name: &[u8]| letters.clone().position(|letter| name == [letter]);
    let Some(free) = letters.clone().find(|letter| !names.contains([*letter].as_slice())) else {
        return Vec::new();
    };
    let no_names: [&[u8]; 4] = [b"", b".", b"..", &ROOT[1..]];
    let movable = names.iter().filter(|name| rank(name) > Some(1) || rank(name).is_none());
    let replaced = movable.filter(|name| !no_names.contains(name)).flat_map(|&old| {
        let simpler = rank(old).is_none() || rank(old) > rank(&[free]);
        let new = simpler.then(|| with_component(case, old, &[free]));
        [new, Some(with_component(case, old, b""))].into_iter().flatten()
    });
    let one_each = |case: &Case| {
        let paths = case.world.entries.iter().map(|entry| &entry.path);
        let paths: BTreeSet<_> = paths.filter(|path| !path.is_empty()).collect();
        paths.len() == case.world.entries.len()
    };
    replaced.filter(one_each).collect()
}

/// The case with the component `old` of any path replaced by `new`, or left out.
fn with_component(case: &Case, old: &[u8], new: &[u8]) -> Case {
    let mut case = case.clone();
    let replace = |path: &mut Vec<u8>| {
        let parts = path.split(|byte| *byte == b'/');
        let parts = parts.filter(|part| *part != old || !new.is_empty());
        let parts = parts.map(|part| if part == old { new } else { part });
        *path = parts.collect::<Vec<_>>().join(b"/".as_slice());
    };
    if new.is_empty() {
        case.world.entries.retain(|entry| !(entry.is_directory() && name(&entry.path) == old));
    }
    for entry in &mut case.world.entries {
        replace(&mut entry.path);
        if let Kind::SymbolicLink(text) | Kind::HardLink(text) = &mut entry.kind {
            replace(text);
        }
        if entry.kind == Kind::SymbolicLink(Vec::new()) {
            entry.kind = Kind::SymbolicLink(b".".to_vec());
        }
    }
    replace(&mut case.directory);
    for operand in case.sources.iter_mut().chain([&mut case.target]) {
        replace(operand);
        if operand.is_empty() {
            operand.push(b'.');
        }
    }
    case
}
