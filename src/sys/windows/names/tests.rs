use super::spelling::refusal;
use super::*;
use crate::sys::names::list_all;

#[test]
fn names_that_lead_elsewhere_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    for name in ["a:b", r"a\b", "a/b", "", "a\0b"] {
        assert!(create_new_at(&handle, OsStr::new(name), 0o600).is_err(), "{name:?}");
        assert!(facts_at(&handle, OsStr::new(name)).is_err(), "{name:?}");
    }
}

#[test]
fn names_that_other_programs_cannot_open_are_not_made() {
    for name in ["nul", "Con.txt", "aux .c", "COM1", "lpt9.x", "COM\u{b9}", "a.", "a ", "a*", "<"] {
        assert!(refusal(OsStr::new(name)).is_some(), "{name}");
    }
    for name in ["null", "com", "com0", "com10", "a.b", ".a", "a b", "conin"] {
        assert_eq!(refusal(OsStr::new(name)), None, "{name}");
    }
}

#[test]
fn a_directory_is_opened_again_and_above() {
    let directory = tempfile::tempdir().unwrap();
    let above = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    make_directory_at(&above, OsStr::new("below"), 0o700).unwrap();
    let below = Spot::within(&above, OsStr::new("below")).open_listable(Follow::No).unwrap();
    let id = |handle: &OwnedHandle| file::facts(handle).unwrap().id;
    let again = Spot::within(&below, OsStr::new(".")).open_listable(Follow::No).unwrap();
    assert_eq!(id(&again), id(&below));
    let up = Spot::within(&below, OsStr::new("..")).open_directory(Follow::No).unwrap();
    assert_eq!(id(&up), id(&above));
    create_new_at(&below, OsStr::new("file"), 0o600).unwrap();
    let mut names = Vec::new();
    each_name_in(&below, |name| names.push(name.to_owned())).unwrap();
    assert_eq!(names, ["file"]);
    assert_eq!(list_all(&below).unwrap()[0].kind, Some(Kind::Regular));
}

#[test]
fn a_name_is_replaced_and_removed_though_it_is_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [new, old] = [OsStr::new("new"), OsStr::new("old")];
    drop(create_new_at(&handle, old, 0o444).unwrap());
    let made = create_new_at(&handle, new, 0o644).unwrap();
    let id = file::facts(&made).unwrap().id;
    assert_eq!(
        rename_no_replace(&handle, new, old).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    rename_at(&handle, new, old).unwrap();
    assert_eq!(facts_at(&handle, old).unwrap().unwrap().id, id);
    assert!(facts_at(&handle, new).unwrap().is_none());
    link_at(&handle, old, new).unwrap();
    assert_eq!(facts_at(&handle, new).unwrap().unwrap().id, id);
    drop(made);
    unlink_at(&handle, old).unwrap();
    drop(create_new_at(&handle, old, 0o444).unwrap());
    unlink_at(&handle, old).unwrap();
    assert!(facts_at(&handle, old).unwrap().is_none());
}

#[test]
fn what_is_taken_for_one_name_is_folded_to_one() {
    let same = |left: &str, right: &str| fold(OsStr::new(left)) == fold(OsStr::new(right));
    assert!(same("a.TXT", "A.txt") && same("é", "É") && !same("a", "b"));
}

#[test]
fn a_long_path_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let mut path = directory.path().to_path_buf();
    let mut handle = Spot::of_path(&path).open_listable(Follow::Yes).unwrap();
    for _ in 0..6 {
        let name = "x".repeat(60);
        make_directory_at(&handle, OsStr::new(&name), 0o700).unwrap();
        handle = Spot::within(&handle, OsStr::new(&name)).open_listable(Follow::No).unwrap();
        path.push(name);
    }
    drop(create_new(&path.join("file"), 0o600).unwrap());
    assert!(facts_at(&handle, OsStr::new("file")).unwrap().is_some());
}

fn error_of<T>(result: io::Result<T>) -> Option<Errno> {
    result.err().map(|error| Errno::from_io_error(&error).unwrap_or_else(|| panic!("{error}")))
}

#[test]
fn a_separator_at_the_end_says_that_a_directory_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let with = |name: &str| PathBuf::from(format!("{}{name}", directory.path().display()));
    drop(create_new(&with(r"\file"), 0o600).unwrap());
    for end in ["/", r"\", r"\\", r"\/"] {
        let itself = with(end);
        let spot = Spot::of_path(&itself);
        assert_eq!(spot.facts(Follow::No).unwrap().unwrap().kind, Kind::Directory, "{end}");
        spot.open_listable(Follow::No).unwrap();
        let written = spot.open_for_writing(OpenAs::ReadWrite, Follow::Yes);
        assert_eq!(error_of(written), Some(Errno::ISDIR), "{end}");
        let file = with(&format!(r"\file{end}"));
        let spot = Spot::of_path(&file);
        assert_eq!(error_of(spot.facts(Follow::Yes)), Some(Errno::NOTDIR), "{end}");
        assert_eq!(error_of(spot.open_for_reading(Follow::No)), Some(Errno::NOTDIR), "{end}");
        let written = spot.open_for_writing(OpenAs::WriteOnly, Follow::No);
        assert_eq!(error_of(written), Some(Errno::NOTDIR), "{end}");
        assert_eq!(error_of(unlink(&file)), Some(Errno::NOTDIR), "{end}");
        let new = with(&format!(r"\new{end}"));
        assert_eq!(error_of(create_new(&new, 0o600)), Some(Errno::ISDIR), "{end}");
        assert!(Spot::of_path(&new).facts(Follow::Yes).unwrap().is_none(), "{end}");
    }
    assert!(facts_of_path(Path::new(r"C:\"), Follow::No).unwrap().is_some());
}

#[test]
fn a_name_that_is_too_long_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let longest = "x".repeat(255);
    drop(create_new_at(&handle, OsStr::new(&longest), 0o600).unwrap());
    assert!(facts_at(&handle, OsStr::new(&longest)).unwrap().is_some());
    let longer = longest + "x";
    let path = directory.path().join(&longer);
    let longer = OsStr::new(&longer);
    let too_long = Some(Errno::NAMETOOLONG);
    assert_eq!(error_of(facts_at(&handle, longer)), too_long);
    assert_eq!(error_of(create_new_at(&handle, longer, 0o600)), too_long);
    assert_eq!(error_of(make_directory_at(&handle, longer, 0o700)), too_long);
    assert_eq!(error_of(create_new(&path, 0o600)), too_long);
    assert_eq!(error_of(facts_of_path(&path.join("below"), Follow::Yes)), too_long);
    let endless = "x\\".repeat(40_000);
    assert_eq!(error_of(facts_of_path(Path::new(&endless), Follow::Yes)), too_long);
}

#[test]
fn every_spelling_of_a_path_leads_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = canonical(directory.path()).unwrap().join("File");
    drop(create_new(&path, 0o600).unwrap());
    let id = |path: &str| facts_of_path(Path::new(path), Follow::Yes).unwrap().unwrap().id;
    let verbatim = path.to_str().unwrap();
    let plain = verbatim.strip_prefix(r"\\?\").unwrap();
    let wanted = id(plain);
    for other in [
        verbatim.to_owned(),
        format!(r"\\.\{plain}"),
        plain.replace('\\', "/"),
        plain.to_lowercase(),
        plain.to_uppercase(),
        plain.replacen('\\', r"\.\", 2),
        format!(r"{plain}\..\File"),
        // Dots and spaces at the end are cut, unless nothing is.
        format!("{plain}. ."),
    ] {
        assert_eq!(id(&other), wanted, "{other}");
    }
    for none in [format!("{verbatim}."), format!(r"{verbatim}\..\File")] {
        let found = facts_of_path(Path::new(&none), Follow::Yes);
        assert!(!matches!(found, Ok(Some(_))), "{none}");
    }
}

#[test]
fn a_path_of_a_drive_begins_at_its_working_directory() {
    let here = std::env::current_dir().unwrap();
    let letter = here.to_str().unwrap().split_once(':').unwrap().0.to_owned();
    let id = |path: String| facts_of_path(Path::new(&path), Follow::Yes).unwrap().unwrap().id;
    let wanted = id(here.join("Cargo.toml").to_str().unwrap().to_owned());
    assert_eq!(id(format!("{letter}:Cargo.toml")), wanted);
    assert_eq!(id(format!("{letter}:src/../Cargo.toml")), wanted);
    assert_eq!(id(format!("{letter}:")), id(".".to_owned()));
    assert_ne!(id(format!(r"{letter}:\")), id(format!("{letter}:")));
}

#[test]
fn names_that_differ_by_case_are_one() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [lower, upper] = [OsStr::new("na\u{ef}ve"), OsStr::new("NA\u{cf}VE")];
    drop(create_new_at(&handle, lower, 0o600).unwrap());
    assert!(facts_at(&handle, upper).unwrap().is_some());
    assert_eq!(error_of(create_new_at(&handle, upper, 0o600)), Some(Errno::EXIST));
    assert_eq!(fold(lower), fold(upper));
    unlink_at(&handle, upper).unwrap();
    assert!(facts_at(&handle, lower).unwrap().is_none());
}

#[test]
#[ignore = "Wine gives no name that differs by case only"]
fn a_name_can_be_spelt_anew() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [lower, upper] = [OsStr::new("name"), OsStr::new("NAME")];
    drop(create_new_at(&handle, lower, 0o600).unwrap());
    rename_no_replace(&handle, lower, upper).unwrap();
    assert_eq!(list_all(&handle).unwrap()[0].name, upper);
}

#[test]
fn a_device_is_opened_and_known_as_one() {
    for name in ["NUL", "nul", r"\\.\NUL"] {
        let spot = Spot::of_path(Path::new(name));
        let kind = |facts: Facts| facts.kind;
        let found = spot.facts(Follow::Yes).unwrap().map(kind);
        assert_eq!(found, Some(Kind::CharDevice), "{name}");
        for follow in [Follow::Yes, Follow::No] {
            let null = spot.open_for_writing(OpenAs::WriteOnly, follow).unwrap();
            assert_eq!(file::facts(&null).unwrap().kind, Kind::CharDevice, "{name}");
            assert_eq!(file::write_next(&null, b"lost").unwrap(), 4);
            let null = spot.open_for_reading(follow).unwrap();
            assert_eq!(file::read_next(&null, &mut [0; 4]).unwrap(), 0);
        }
    }
}

#[test]
fn a_directory_is_told_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [file, below] = [OsStr::new("file"), OsStr::new("below")];
    drop(create_new_at(&handle, file, 0o600).unwrap());
    make_directory_at(&handle, below, 0o700).unwrap();
    let is = |name, errno, result: io::Result<()>| assert_eq!(error_of(result), errno, "{name:?}");
    is(below, Some(Errno::ISDIR), unlink_at(&handle, below));
    is(file, Some(Errno::NOTDIR), remove_directory_at(&handle, file));
    is(file, Some(Errno::NOTDIR), Spot::within(&handle, file).open_directory(Follow::No).map(drop));
    let written = Spot::within(&handle, below).open_for_writing(OpenAs::ReadWrite, Follow::No);
    is(below, Some(Errno::ISDIR), written.map(drop));
    is(below, Some(Errno::EXIST), make_directory_at(&handle, below, 0o700));
    is(file, Some(Errno::EXIST), create_new_at(&handle, file, 0o600).map(drop));
    let inner = Spot::within(&handle, below).open_listable(Follow::No).unwrap();
    drop(create_new_at(&inner, file, 0o600).unwrap());
    drop(inner);
    is(below, Some(Errno::NOTEMPTY), remove_directory_at(&handle, below));
    is(file, None, unlink_at(&handle, file));
    is(file, Some(Errno::NOENT), unlink_at(&handle, file));
}

#[test]
fn more_names_than_one_call_tells_are_listed_once_each() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let names: Vec<OsString> = (0..300).map(|it| format!("{it:0200}").into()).collect();
    for name in &names {
        drop(create_new_at(&handle, name, 0o600).unwrap());
    }
    // From its begin, whatever another one has read.
    for _ in 0..2 {
        let mut seen = Vec::new();
        each_name_in(&handle, |name| seen.push(name.to_owned())).unwrap();
        seen.sort();
        assert_eq!(seen, names);
    }
    assert_eq!(list_all(&handle).unwrap().len(), 300);
}

#[test]
#[ignore = "Wine removes the name of an open file only when it is closed"]
fn the_name_of_an_open_file_is_free_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [old, new] = [OsStr::new("old"), OsStr::new("new")];
    let open = create_new_at(&handle, old, 0o600).unwrap();
    drop(create_new_at(&handle, new, 0o600).unwrap());
    rename_at(&handle, new, old).unwrap();
    file::write_next(&open, b"still there").unwrap();
    let replaced = create_new_at(&handle, new, 0o444).unwrap();
    unlink_at(&handle, new).unwrap();
    drop(create_new_at(&handle, new, 0o600).unwrap());
    drop(replaced);
}

/// A file whose content a server keeps is opened twice, by its name; what took the name in between
/// was followed if it was a link. (Wine has no reparse points.)
#[test]
fn what_is_swapped_between_two_opens_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let [one, other] = [OsStr::new("one"), OsStr::new("other")];
    for name in [one, other] {
        drop(create_new_at(&handle, name, 0o600).unwrap());
    }
    let open = |name| Spot::within(&handle, name).handle().unwrap();
    let itself = file::facts(open(one)).unwrap().id;
    assert_eq!(file::facts(unless_swapped(itself, open(one)).unwrap()).unwrap().id, itself);
    assert_eq!(error_of(unless_swapped(itself, open(other))), Some(Errno::LOOP));
}

/// Where the name of an open file goes only when that is closed, it was told as gone before.
#[test]
fn what_is_removed_is_gone_or_told_to_be_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    let name = OsStr::new("name");
    let is_gone = || matches!(facts_at(&handle, name), Ok(None));
    // Somebody never closes it.
    let held = create_new_at(&handle, name, 0o444).unwrap();
    match unlink_at(&handle, name) {
        Ok(()) => assert!(is_gone()),
        removed => assert_eq!(error_of(removed), Some(Errno::BUSY)),
    }
    drop(held);
    assert!(is_gone());
    // Somebody closes it in time.
    let held = create_new_at(&handle, name, 0o600).unwrap();
    let closes = std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(held);
    });
    unlink_at(&handle, name).unwrap();
    assert!(is_gone());
    closes.join().unwrap();
    // The caller has it open.
    let held = create_new_at(&handle, name, 0o600).unwrap();
    unlink_held_at(&handle, name).unwrap();
    drop(held);
    assert!(is_gone());
}

/// Whoever lists a directory and lets nobody change it meanwhile does not keep others from listing.
#[test]
fn a_directory_that_is_not_shared_for_writing_is_listed() {
    use std::os::windows::fs::OpenOptionsExt;
    use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_BACKUP_SEMANTICS, FILE_SHARE_READ};
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"content").unwrap();
    let hold = |sharing| {
        let mut options = File::options();
        options.read(true).share_mode(sharing).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
        options.open(directory.path()).unwrap()
    };
    let held = hold(FILE_SHARE_READ);
    let handle = Spot::of_path(directory.path()).open_listable(Follow::No).unwrap();
    assert_eq!(list_all(&handle).unwrap()[0].name, "file");
    drop((handle, held));
    let held = hold(0);
    let opened = Spot::of_path(directory.path()).open_listable(Follow::No);
    assert!(matches!(error_of(opened), Some(Errno::BUSY | Errno::ACCESS)));
    drop(held);
}
