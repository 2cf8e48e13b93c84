//! Cases in a few words.

use super::case::{Case, Form, Who};
use super::world::{Acl, Attribute, Content, Entry, Filling, Kind, World};

pub(crate) const CAPABILITY: Attribute =
    ("security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
pub(crate) const TRUSTED: Attribute = ("trusted.t", b"1");
pub(crate) const USER: Attribute = ("user.x", b"1");

impl Case {
    /// A case told by steps, like `d s; f s/a 600; l s/b ../c; by nobody; cp -r s t`.
    ///
    /// `d`, `f`, `socket` and `fifo` make something, with this mode; `l` a symbolic link with this
    /// text, `h` another name of this file; `owner`, `attribute` and `default` (a default ACL with
    /// this mode) change what was made; `umask` and `by` say who copies. `LONG` is the longest name
    /// that there can be. The last step is the command: options, sources, target.
    pub(crate) fn of(steps: &str) -> Self {
        let mut case = Self {
            world: World::default(),
            umask: 0o022,
            who: Who::Caller,
            directory: Vec::new(),
            options: Vec::new(),
            form: Form::Last,
            sources: Vec::new(),
            target: Vec::new(),
        };
        let steps = steps.replace("LONG", &"x".repeat(255));
        for step in steps.split("; ") {
            let words: Vec<&str> = step.split(' ').collect();
            match words.as_slice() {
                ["cp", words @ ..] => case.command(words),
                ["by", "nobody"] => case.who = Who::Nobody,
                ["umask", mask] => case.umask = octal(mask),
                [verb, path, rest @ ..] => case.world.step(verb, path.as_bytes(), rest),
                _ => panic!("{step}"),
            }
        }
        case
    }

    fn command(&mut self, words: &[&str]) {
        let (options, operands) = words.split_at(words.iter().take_while(is_option).count());
        self.options =
            options.iter().filter(|word| **word != "-T").map(ToString::to_string).collect();
        if self.options.len() < options.len() {
            self.form = Form::Itself;
        }
        let mut operands: Vec<_> = operands.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.target = operands.pop().unwrap();
        self.sources = operands;
    }
}

fn is_option(word: &&&str) -> bool {
    word.starts_with('-')
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text, 8).unwrap()
}

impl World {
    fn step(&mut self, verb: &str, path: &[u8], rest: &[&str]) {
        let content = Content { len: 1, letter: 'a', filling: Filling::Text };
        let kind = match (verb, rest) {
            ("d", _) => Kind::Directory,
            ("f", _) => Kind::File(content),
            ("socket", _) => Kind::Socket,
            ("fifo", _) => Kind::Fifo,
            ("l", [text]) => Kind::SymbolicLink(text.as_bytes().to_vec()),
            ("h", [first]) => Kind::HardLink(first.as_bytes().to_vec()),
            _ => {
                let entry = self.entries.iter_mut().find(|entry| entry.path == path).unwrap();
                return entry.change(verb, rest);
            }
        };
        let mut entry = Entry::new(path, kind);
        if let (Kind::Directory | Kind::File(_), [mode]) = (&entry.kind, rest) {
            entry.mode = octal(mode);
        }
        self.entries.push(entry);
    }
}

impl Entry {
    fn change(&mut self, verb: &str, rest: &[&str]) {
        match (verb, rest) {
            ("owner", [uid]) => self.owner = Some((uid.parse().unwrap(), 0)),
            ("owner", [uid, gid]) => {
                self.owner = Some((uid.parse().unwrap(), gid.parse().unwrap()));
            }
            ("attribute", [name]) => {
                let all = [CAPABILITY, TRUSTED, USER];
                self.attributes.push(*all.iter().find(|known| known.0 == *name).unwrap());
            }
            ("default", [mode]) => {
                let acl = Acl { user: 1000, user_rights: 7, group_rights: 5 };
                self.default_acl = Some((acl, octal(mode)));
            }
            _ => panic!("{verb} {rest:?}"),
        }
    }
}
