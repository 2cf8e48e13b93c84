//! Which names are copied: `--exclude`, `--include`, `--exclude-from`.

use super::make;
use crate::support::Sandbox;
use crate::support::snapshot::Snapshot;
use crate::wine;

const TREE: [&str; 12] = [
    "s/a.o",
    "s/a.c",
    "s/keep.o",
    "s/tmp/1",
    "s/sub/tmp/2",
    "s/sub/deep/b.o",
    "s/sub/deep/b.c",
    "s/#hash",
    "s/!bang",
    "s/sub/notes~",
    "s/.hidden/3",
    "s/empty/",
];

/// The files of the copy, with these options.
#[track_caller]
fn files(sandbox: &Sandbox, options: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for threads in ["-j1", "-j4"] {
        let words = ["-aT", threads].into_iter().chain(options.iter().copied());
        let ended = sandbox.mycp(words.chain(["s", "t"])).good();
        let seen = Snapshot::of(&sandbox.path("t"));
        let files = seen.entries.iter().filter(|(_, entry)| entry.is_file());
        all = files.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        assert!(seen.has("empty") || options.contains(&"empty"), "{ended}");
        std::fs::remove_dir_all(sandbox.path("t")).unwrap();
    }
    all
}

#[test]
fn names_are_left_out_as_a_gitignore_file_says() {
    let sandbox = Sandbox::new();
    make(&sandbox, &TREE);
    let all =
        ["!bang", "#hash", ".hidden/3", "a.c", "a.o", "keep.o", "sub/deep/b.c", "sub/deep/b.o"];
    let all: Vec<&str> = all.into_iter().chain(["sub/notes~", "sub/tmp/2", "tmp/1"]).collect();
    let without = |gone: &[&str]| -> Vec<&str> {
        all.iter().copied().filter(|name| !gone.contains(name)).collect()
    };
    for (options, gone) in [
        (&[] as &[&str], &[] as &[&str]),
        (&["--exclude=*.o"], &["a.o", "keep.o", "sub/deep/b.o"]),
        (&["--exclude=*.o", "--include=keep.o"], &["a.o", "sub/deep/b.o"]),
        // The later one counts.
        (&["--include=keep.o", "--exclude=*.o"], &["a.o", "keep.o", "sub/deep/b.o"]),
        (&["--exclude=tmp"], &["sub/tmp/2", "tmp/1"]),
        (&["--exclude=/tmp/"], &["tmp/1"]),
        (&["--exclude=sub/**/b.*"], &["sub/deep/b.c", "sub/deep/b.o"]),
        // What is in a directory that is left out is left out.
        (
            &["--exclude=sub/", "--include=b.c"],
            &["sub/deep/b.c", "sub/deep/b.o", "sub/notes~", "sub/tmp/2"],
        ),
        // A file of a directory's name is no directory.
        (&["--exclude=a.c/"], &[]),
        (&["--exclude=#hash"], &["#hash"]),
        (&["--exclude=!bang"], &["!bang"]),
        (&["--exclude=.*"], &[".hidden/3"]),
    ] {
        assert_eq!(files(&sandbox, options), without(gone), "{options:?}");
    }
    sandbox.write("patterns", b"# a comment\n*.o\n!keep.o\n\n*~\n");
    let from = ["--exclude-from=patterns"];
    assert_eq!(files(&sandbox, &from), without(&["a.o", "sub/deep/b.o", "sub/notes~"]));
    let more = ["--exclude-from=patterns", "--include=a.o"];
    assert_eq!(files(&sandbox, &more), without(&["sub/deep/b.o", "sub/notes~"]));
}

/// As git has it: braces are themselves, and white space at the end, too, but for spaces.
#[test]
fn patterns_are_those_of_git() {
    // Windows has no names with tabs.
    const TAB: &str = if cfg!(windows) { "\u{2003}" } else { "\t" };
    let spaced = [TAB, "\u{a0}", " x", "\u{3000}\u{85}"].map(|space| format!("foo{space}"));
    let names = ["{a,b}", "a", "b", "foo", "]", "x]", "{c"].map(str::to_owned);
    let names: Vec<_> = names.into_iter().chain(spaced.clone()).collect();
    let sandbox = Sandbox::new();
    for name in &names {
        make(&sandbox, &[&format!("s/{name}")]);
    }
    sandbox.write("bom", "\u{feff}a\n".as_bytes());
    let of_spaced = spaced.each_ref().map(|name| (format!("--exclude={name}"), name.as_str()));
    let of_spaced = of_spaced.each_ref().map(|(option, name)| (option.as_str(), vec![*name]));
    for (option, gone) in [
        ("--exclude={a,b}", vec!["{a,b}"]),
        ("--exclude=[]]", vec!["]"]),
        ("--exclude=[!]ab]", vec![]),
        ("--exclude={c", vec!["{c"]),
        ("--exclude=\\{c", vec!["{c"]),
        ("--exclude=foo ", vec!["foo"]),
        ("--exclude=foo\\ x  ", vec!["foo x"]),
        ("--exclude=foo\\ ", vec![]),
        ("--exclude-from=bom", vec!["a"]),
    ]
    .into_iter()
    .chain(of_spaced)
    {
        let ended = sandbox.mycp(["-rT", option, "s", "t"]).good();
        let seen = Snapshot::of(&sandbox.path("t"));
        for name in &names {
            assert_eq!(seen.has(name), !gone.contains(&name.as_str()), "{name:?}: {ended}");
        }
        std::fs::remove_dir_all(sandbox.path("t")).unwrap();
    }
    for option in ["--exclude=[[:alpha:]]", "--exclude=[\\]]", "--exclude=[a"] {
        sandbox.mycp(["-rT", option, "s", "t"]).failed().says("is no pattern");
    }
}

/// Names count from the operand on, however it was typed, and the operand itself is copied.
#[test]
fn patterns_count_from_the_operand_on() {
    let sandbox = Sandbox::new();
    make(&sandbox, &TREE);
    for operand in ["s", "./s/", "s/.", "sub/../s"] {
        make(&sandbox, &["sub/"]);
        let ended = sandbox.mycp(["-rT", "--exclude=/tmp", "--exclude=s", operand, "t"]).good();
        let seen = Snapshot::of(&sandbox.path("t"));
        assert!(!seen.has("tmp") && seen.has("sub/tmp/2"), "{ended}");
        std::fs::remove_dir_all(sandbox.path("t")).unwrap();
    }
}

/// What is left out is not in the way either: what the target has of that name stays.
#[test]
fn what_is_left_out_is_not_touched_in_the_target() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/b", "t/b", "s/d/c", "t/d"]);
    let ended = sandbox.mycp(["-aT", "--exclude=b", "--exclude=d/", "s", "t"]).good();
    assert_eq!(sandbox.read("t/b"), b"content of t/b", "{ended}");
    assert_eq!(sandbox.read("t/d"), b"content of t/d", "{ended}");
}

#[test]
fn links_to_directories_count_as_what_they_are_copied_as() {
    if wine::cannot("trees::selection::links_to_directories_count_as_what_they_are_copied_as") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/d/1", "elsewhere/2"]);
    sandbox.symlink("../elsewhere", "s/link");
    sandbox.mycp(["-rT", "--exclude=link/", "s", "t"]).good();
    assert!(sandbox.path("t/link").is_symlink());
    sandbox.mycp(["-rLT", "--exclude=link/", "s", "u"]).good();
    assert!(!sandbox.path("u/link").exists());
}

#[test]
fn the_totals_have_what_is_copied() {
    let sandbox = Sandbox::new();
    make(&sandbox, &TREE);
    let ended = sandbox.mycp(["-rT", "--progress=always", "--exclude=*.o", "s", "t"]).good();
    let last = ended.errors.lines().last().unwrap().to_owned();
    let json = sandbox.mycp(["-rT", "--json", "--exclude=*.o", "s", "u"]).good();
    let json = String::from_utf8(json.output).unwrap();
    let objects = json.lines().filter(|line| line.contains("\"copied\"")).count();
    assert!(last.contains(&format!(" {objects} files")), "{objects} objects: {ended}");
}
