//! Random worlds, and random command lines that have something to do in them.

use super::case::{Case, Form, Who};
use super::example::{CAPABILITY, TRUSTED, USER};
use super::world::{
    Acl, Attribute, Content, Entry, Filling, Kind, LEN_MAX, LONG_AGO, Moment, ROOT, World, joined,
    name, parent, within,
};
use crate::support::Chance;

/// What worlds may have in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// What any user can make.
    User,
    /// Devices, other owners, attributes that only root sets; and users without rights copy.
    Root,
}

const PLAIN_NAMES: [&[u8]; 6] = [b"a", b"b", b"c", b"d", b"e", b"f"];
const ODD_NAMES: [&[u8]; 12] = [
    b"a b",
    b"a\nb",
    b"-r",
    b"\xff\xfe",
    b".hidden",
    b"$(x)`'\"\\",
    b"a~",
    b"a.~1~",
    b"*",
    b"...",
    b"\xe2\x9c\x93",
    &[b'x'; 255],
];

// A few of each only, so that some are equal.
const TIMES: [Moment; 6] = [
    Moment { seconds: -1_000_000_001, nanoseconds: 500_000_000 },
    Moment { seconds: -1, nanoseconds: 999_999_999 },
    LONG_AGO,
    Moment { seconds: 1_000_000_000, nanoseconds: 123_456_789 },
    Moment { seconds: 1_500_000_000, nanoseconds: 1 },
    Moment { seconds: 4_000_000_000, nanoseconds: 0 },
];
const LENGTHS: [usize; 9] = [0, 1, 1, 100, 4095, 4096, 4097, 65_536, LEN_MAX];
/// Several files of this length fit into a pipe.
const LEN_MAX_BESIDE_FIFO: usize = 4097;
const FILE_MODES: [u32; 16] = [
    0o644, 0o600, 0o444, 0o755, 0o777, 0o666, 0o640, 0o400, 0o4755, 0o2755, 0o6711, 0o1644, 0o2644,
    0o4600, 0o200, 0o000,
];
const DIRECTORY_MODES: [u32; 12] =
    [0o755, 0o700, 0o555, 0o500, 0o777, 0o1777, 0o2755, 0o2775, 0o3770, 0o4755, 0o311, 0o644];
const OTHER_MODES: [u32; 5] = [0o644, 0o600, 0o666, 0o777, 0o444];
const UMASKS: [u32; 9] = [0o022, 0o022, 0o022, 0o000, 0o000, 0o077, 0o027, 0o077, 0o777];
const OWNERS: [(u32, u32); 6] =
    [(0, 0), (1000, 1000), (65_534, 65_534), (65_534, 1000), (0, 65_534), (1000, 65_534)];
const USER_ATTRIBUTES: [Attribute; 3] = [USER, ("user.y", b"\0\xff"), ("user.z", b"")];
const RECURSION: [&str; 6] = ["-r", "-r", "-R", "-a", "-a", "-dR"];
/// Percent of the command lines that have one of these.
const OPTIONS: [(u64, &[&str]); 21] = [
    (20, &["-d", "-H", "-L", "-P"]),
    (7, &["-l"]),
    (6, &["-s"]),
    (4, &["-x"]),
    (15, &["-p"]),
    (10, &["-f"]),
    (5, &["-n"]),
    (8, &["-u"]),
    (5, &["--update=all", "--update=none", "--update=older"]),
    (6, &["-b"]),
    (7, &["--backup=simple", "--backup=numbered", "--backup=existing", "--backup=none"]),
    (4, &["-S.old", "-S~", "--suffix=.~1~"]),
    (20, &["-v"]),
    (7, &["--parents"]),
    (4, &["--copy-contents"]),
    (9, &["--remove-destination"]),
    (5, &["--attributes-only"]),
    (10, &["--sparse=always", "--sparse=never", "--sparse=auto"]),
    (5, &["--strip-trailing-slashes"]),
    (8, &["--reflink=auto", "--reflink=never"]),
    (1, &["-T"]),
];
const ATTRIBUTES: [&str; 6] = ["mode", "ownership", "timestamps", "links", "xattr", "all"];

/// Makes cases, the same from the same chance.
pub(crate) struct Generator {
    pub(crate) chance: Chance,
    pub(crate) rights: Rights,
    pub(crate) backups: Backups,
}

/// Where the installed cp keeps simple backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backups {
    Sound,
    /// Not always beside the file: [`Case::backs_up_into_directory`].
    Misplaced,
}

/// One case being made.
struct Draft<'a> {
    chance: &'a mut Chance,
    rights: Rights,
    odd_names: u64,
    len_max: usize,
    world: World,
}

impl Generator {
    /// The next case.
    pub(crate) fn next(&mut self) -> Case {
        loop {
            let case = self.any();
            if self.backups == Backups::Sound || !case.backs_up_into_directory() {
                return case;
            }
        }
    }

    fn any(&mut self) -> Case {
        let chance = &mut self.chance;
        let odd_names = *chance.pick(&[0, 0, 0, 30]);
        let len_max = *chance.pick(&[LEN_MAX, LEN_MAX_BESIDE_FIFO]);
        let rights = self.rights;
        let mut draft = Draft { chance, rights, odd_names, len_max, world: World::default() };
        draft.sources();
        let mut case = draft.command();
        if case.may_hang() {
            case.world.entries.retain(|entry| entry.kind != Kind::Fifo);
        }
        case
    }
}

impl Draft<'_> {
    fn percent(&mut self, percent: u64) -> bool {
        self.chance.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, things: &[T]) -> T {
        self.chance.pick(things).clone()
    }

    fn push(&mut self, path: &[u8], kind: Kind) {
        if self.world.get(path).is_none() && self.world.has_directory(parent(path)) {
            let entry = self.decorated(Entry::new(path, kind));
            self.world.entries.push(entry);
        }
    }

    /// The directory `s` with what is mostly copied, and `o` with what links lead to.
    fn sources(&mut self) {
        self.push(b"s", Kind::Directory);
        for _ in 0..self.chance.below(11) {
            let directories = self.world.entries.iter().filter(|entry| entry.is_directory());
            let directories: Vec<_> = directories.map(|entry| entry.path.clone()).collect();
            let path = joined(&self.pick(&directories), &self.new_name());
            let kind = self.kind(&path);
            self.push(&path, kind);
        }
        for (path, kind) in [
            ("o", Kind::Directory),
            ("o/f", Kind::File(Content { len: 3, letter: 'd', filling: Filling::Text })),
            ("o/d", Kind::Directory),
            ("o/d/f", Kind::File(Content { len: 3, letter: 'd', filling: Filling::Text })),
        ] {
            self.push(path.as_bytes(), kind);
        }
    }

    fn new_name(&mut self) -> Vec<u8> {
        let odd = self.percent(self.odd_names);
        if odd { self.pick(&ODD_NAMES).to_vec() } else { self.pick(&PLAIN_NAMES).to_vec() }
    }

    /// A kind for something at `path`.
    fn kind(&mut self, path: &[u8]) -> Kind {
        match self.chance.below(100) {
            0..45 => Kind::File(self.content()),
            45..70 => Kind::Directory,
            70..84 => Kind::SymbolicLink(self.link_text(path)),
            84..93 => match self.first_name() {
                Some(first) => Kind::HardLink(first),
                None => Kind::File(self.content()),
            },
            93..95 if self.len_max <= LEN_MAX_BESIDE_FIFO => Kind::Fifo,
            93..97 => Kind::Socket,
            97 if self.rights == Rights::Root => Kind::Null,
            98 if self.rights == Rights::Root => Kind::Block,
            _ => Kind::File(self.content()),
        }
    }

    fn content(&mut self) -> Content {
        let len = self.pick(&LENGTHS).min(self.len_max);
        let filling = match self.chance.below(10) {
            0 | 1 if len > 4096 => Filling::Holes,
            2 if len > 4096 => Filling::Zeros,
            3 if len > 0 => Filling::Nothing,
            _ => Filling::Text,
        };
        Content { len, letter: self.pick(&Content::LETTERS), filling }
    }

    fn first_name(&mut self) -> Option<Vec<u8>> {
        let files = self.world.entries.iter().filter(|entry| {
            matches!(entry.kind, Kind::File(_) | Kind::SymbolicLink(_) | Kind::Socket)
        });
        let files: Vec<_> = files.map(|entry| entry.path.clone()).collect();
        (!files.is_empty()).then(|| self.pick(&files))
    }

    fn link_text(&mut self, path: &[u8]) -> Vec<u8> {
        let somewhere = self.somewhere();
        match self.chance.below(10) {
            0 => b"nowhere".to_vec(),
            1 => name(path).to_vec(),
            2 => self.pick(&[".", "..", "../..", "a", "b"]).as_bytes().to_vec(),
            3 => [ROOT, b"/", &somewhere].concat(),
            4 => relative(b"o/f", parent(path)),
            5 => relative(b"o/d", parent(path)),
            _ => relative(&somewhere, parent(path)),
        }
    }

    fn somewhere(&mut self) -> Vec<u8> {
        let paths: Vec<_> = self.world.entries.iter().map(|entry| entry.path.clone()).collect();
        self.pick(&paths)
    }

    fn decorated(&mut self, mut entry: Entry) -> Entry {
        if self.percent(40) {
            entry.mode = match entry.kind {
                Kind::Directory => self.pick(&DIRECTORY_MODES),
                Kind::File(_) => self.pick(&FILE_MODES),
                _ => self.pick(&OTHER_MODES),
            };
        }
        if self.percent(60) {
            entry.accessed = self.pick(&TIMES);
            entry.modified = self.pick(&TIMES);
        }
        if self.rights == Rights::Root && self.percent(25) {
            entry.owner = Some(self.pick(&OWNERS));
        }
        let may_have_acl = !matches!(entry.kind, Kind::SymbolicLink(_) | Kind::HardLink(_));
        if may_have_acl && self.percent(8) {
            entry.acl = Some(self.acl());
        }
        if entry.is_directory() && self.percent(8) {
            entry.default_acl = Some((self.acl(), self.pick(&[0o755, 0o700, 0o777, 0o640])));
        }
        if matches!(entry.kind, Kind::Directory | Kind::File(_)) && self.percent(15) {
            entry.attributes.push(self.pick(&USER_ATTRIBUTES));
        }
        if self.rights == Rights::Root && self.percent(4) {
            entry.attributes.push(TRUSTED);
        }
        if self.rights == Rights::Root && matches!(entry.kind, Kind::File(_)) && self.percent(4) {
            entry.attributes.push(CAPABILITY);
        }
        entry
    }

    fn acl(&mut self) -> Acl {
        Acl {
            user: self.pick(&[1000, 2000]),
            user_rights: self.pick(&[7, 6, 4, 0]),
            group_rights: self.pick(&[7, 5, 4, 0]),
        }
    }

    fn command(mut self) -> Case {
        let options = self.options();
        let recurses = options.iter().any(|option| RECURSION.contains(&option.as_str()));
        let mut sources = self.chosen_sources(recurses);
        let parents = options.iter().any(|option| option == "--parents");
        let into = parents || sources.len() > 1;
        let form = match into {
            true => self.pick(&[Form::Last, Form::Directory]),
            false => self.pick(&[Form::Last, Form::Last, Form::Itself, Form::Directory]),
        };
        if form == Form::Itself {
            sources.truncate(1);
        }
        let target = if (into || form == Form::Directory) && self.percent(90) {
            self.push(b"t", Kind::Directory);
            b"t".to_vec()
        } else {
            self.target(&sources)
        };
        let mut case = Case {
            umask: self.pick(&UMASKS),
            who: match (self.rights, self.chance.below(3)) {
                (Rights::Root, 0) => Who::Nobody,
                _ => Who::Caller,
            },
            directory: Vec::new(),
            options,
            form,
            sources,
            target,
            world: World::default(),
        };
        for source in case.sources.clone() {
            self.overlap(&source, &case, parents);
        }
        if self.percent(25) {
            let directories = self.world.entries.iter().filter(|entry| entry.is_directory());
            let paths = directories.map(|entry| entry.path.clone());
            let paths: Vec<_> = paths.filter(|path| self.may_enter(path)).collect();
            if !paths.is_empty() {
                case.directory = self.pick(&paths);
            }
        }
        let absolute = match () {
            // What would be made below the target is then outside of the world.
            () if parents => 0,
            () if case.has("s", "") => 70,
            () => 5,
        };
        for source in &mut case.sources {
            *source = self.operand(source, &case.directory, absolute);
        }
        case.target = self.operand(&case.target, &case.directory, 5);
        case.world = self.world;
        case
    }

    fn options(&mut self) -> Vec<String> {
        let mut options = Vec::new();
        if self.percent(65) {
            options.push(self.pick(&RECURSION).to_owned());
        }
        for (percent, choices) in OPTIONS {
            if self.percent(percent) {
                options.push(self.pick(choices).to_owned());
            }
        }
        // A backup and -n rule each other out.
        if options.iter().any(|option| option.starts_with("-b") || option.starts_with("--backup"))
            && self.percent(90)
        {
            options.retain(|option| option != "-n" && option != "--update=none");
        }
        // Of these the last one counts, which cp before 9.3 does not know.
        if options.iter().any(|option| option.starts_with("--update=")) {
            options.retain(|option| option != "-n" && option != "-u");
        }
        for long in ["--preserve", "--no-preserve"] {
            if self.percent(13) {
                let count = 1 + self.chance.below(2);
                let mut list: Vec<_> = (0..count).map(|_| self.pick(&ATTRIBUTES)).collect();
                if self.percent(2) {
                    list.push("context");
                }
                options.push(format!("{long}={}", list.join(",")));
            }
        }
        // The later of two may count.
        for at in 1..options.len() {
            let other = self.chance.below(at as u64 + 1) as usize;
            options.swap(at, other);
        }
        options
    }

    fn chosen_sources(&mut self, recurses: bool) -> Vec<Vec<u8>> {
        let directories_too = recurses || self.percent(6);
        let entries = self.world.entries.iter();
        let entries = entries.filter(|entry| directories_too || !entry.is_directory());
        let paths: Vec<_> = entries.map(|entry| entry.path.clone()).collect();
        match self.chance.below(10) {
            0..4 if recurses => vec![b"s".to_vec()],
            4 if self.percent(10) => vec![b"s/none".to_vec()],
            _ => (0..=self.chance.below(3)).map(|_| self.pick(&paths)).collect(),
        }
    }

    /// Makes something of the name `t`, or not, and chooses what is to be copied to.
    fn target(&mut self, sources: &[Vec<u8>]) -> Vec<u8> {
        let first = name(&sources[0]).to_vec();
        match self.chance.below(100) {
            0..22 => b"t".to_vec(),
            22..67 => {
                self.push(b"t", Kind::Directory);
                b"t".to_vec()
            }
            67..80 => {
                self.push(b"t", Kind::Directory);
                joined(b"t", &first)
            }
            80..84 => {
                self.push(b"t", Kind::Directory);
                b"t/new".to_vec()
            }
            84..90 => {
                let kind = self.kind(b"t");
                self.push(b"t", kind);
                b"t".to_vec()
            }
            90..95 => {
                let text = self.pick(&["o/d", "o/d/", "o/f", "nowhere", "s"]);
                self.push(b"t", Kind::SymbolicLink(text.into()));
                b"t".to_vec()
            }
            95 => b"none/t".to_vec(),
            _ => self.somewhere(),
        }
    }

    /// Puts things where the copies of `source` are to go.
    fn overlap(&mut self, source: &[u8], case: &Case, parents: bool) {
        let percent = self.pick(&[0, 40, 90]);
        let target = &case.target;
        let base = match case.form {
            _ if parents => joined(target, source),
            Form::Last | Form::Directory if self.world.has_directory(target) => {
                joined(target, name(source))
            }
            _ => target.clone(),
        };
        let mut above = target.clone();
        for component in parent(within(&base, target).unwrap_or_default()).split(|c| *c == b'/') {
            above = joined(&above, component);
            self.push(&above, Kind::Directory);
        }
        for entry in self.world.entries.clone() {
            let Some(rest) = within(&entry.path, source) else { continue };
            let path = joined(&base, rest);
            if self.percent(percent) {
                let kind = match entry.kind {
                    Kind::File(_) if self.percent(85) => Kind::File(self.content()),
                    Kind::Directory | Kind::Fifo if self.percent(92) => entry.kind.clone(),
                    Kind::SymbolicLink(_) if self.percent(60) => entry.kind.clone(),
                    _ => self.kind(&path),
                };
                self.push(&path, kind);
            }
        }
    }

    /// Whether whoever runs the tests can have `path` as the working directory.
    fn may_enter(&self, path: &[u8]) -> bool {
        let above = |entry: &&Entry| entry.is_directory() && within(path, &entry.path).is_some();
        let mut directories = self.world.entries.iter().filter(above);
        self.rights == Rights::Root || directories.all(|entry| entry.mode & 0o100 != 0)
    }

    /// `path`, below the root, as a command that runs in `directory` names it.
    fn operand(&mut self, path: &[u8], directory: &[u8], absolute: u64) -> Vec<u8> {
        let mut operand = match self.percent(absolute) {
            true => [ROOT, b"/", path].concat(),
            false => relative(path, directory),
        };
        let is_file = self.world.get(path).is_some_and(|entry| !entry.is_directory());
        match self.chance.below(if is_file { 200 } else { 40 }) {
            0..3 => operand.push(b'/'),
            3 => operand.extend(b"//"),
            4 => operand.extend(b"/."),
            5..8 if !operand.starts_with(ROOT) => operand = [b"./", operand.as_slice()].concat(),
            8 if self.world.has_directory(path) => {
                operand = [operand.as_slice(), b"/../", name(path)].concat();
            }
            _ => {}
        }
        operand
    }
}

/// How `path` is reached from `directory`, both below the root.
fn relative(path: &[u8], directory: &[u8]) -> Vec<u8> {
    let (mut path, mut directory) = (path, directory);
    let first = |path: &[u8]| path.split(|c| *c == b'/').next().unwrap_or_default().to_vec();
    while !directory.is_empty() && first(path) == first(directory) {
        let both = first(path);
        path = within(path, &both).unwrap_or_default();
        directory = within(directory, &both).unwrap_or_default();
    }
    let up = if directory.is_empty() { 0 } else { directory.split(|c| *c == b'/').count() };
    let mut steps = vec![b"..".as_slice(); up];
    if !path.is_empty() {
        steps.push(path);
    }
    if steps.is_empty() { b".".to_vec() } else { steps.join(b"/".as_slice()) }
}
