//! What cannot be tested in Wine 8, and what real Windows does there.
//!
//! Tests for Windows run under Wine. What Wine has not, no test can see there; each such test is in
//! [`CANNOT`] and begins with [`cannot`], which is true in Wine only: on Windows itself they run.
//! Everything else runs in both.

/// What Wine 8 has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Reparse points. On Windows a user with the privilege, or in developer mode, makes symbolic
    /// links, and they are copied as links.
    SymbolicLinks,
    /// `FILE_RENAME_POSIX_SEMANTICS` and its like. On NTFS a name is replaced and removed while
    /// somebody has the file open who shares it for deletion.
    PosixSemantics,
    /// Paths of more than 260 units where that of a handle is asked for
    /// (`GetFinalPathNameByHandleW`), as it is for the directory above a deep one.
    LongPaths,
    /// Names of 255 units of UTF-16 that are more bytes where the system below counts those.
    LongNames,
    /// That a read-only file is not opened for writing: the superuser of the system below may.
    ReadOnlyForRoot,
    /// That a file which is mapped cannot be cut by another process. On Windows it is refused.
    MappedFilesOfOthers,
    /// That the time of a file's birth can be set. NTFS has it.
    TimesOfBirth,
    /// Notices of changes below a directory that is watched with all that is below it, but where
    /// directories are made afterwards.
    ChangesBelow,
    /// Sparse files, and ranges of them that are allocated. On NTFS holes are kept, as on Unix.
    Holes,
}

/// The tests that need what Wine has not.
const CANNOT: &[(&str, Lack)] = &[
    ("attributes::windows::the_time_of_birth_is_kept_with_the_others", Lack::TimesOfBirth),
    ("cli::a_link_to_an_operand_is_told_of", Lack::SymbolicLinks),
    ("delta::holes_are_kept_and_not_read", Lack::Holes),
    ("in_use::a_mapped_target_is_not_cut_and_says_why", Lack::MappedFilesOfOthers),
    ("in_use::a_read_only_target_is_not_replaced_unasked", Lack::ReadOnlyForRoot),
    ("kill::a_reader_finds_a_whole_target_at_any_instant", Lack::PosixSemantics),
    ("regression::a_long_name_is_not_cut_within_a_character", Lack::LongNames),
    ("regression::a_target_does_not_become_a_link_to_a_symbolic_link", Lack::SymbolicLinks),
    (
        "regression::leftovers_of_many_concurrent_runs_are_all_removed_by_the_next",
        Lack::PosixSemantics,
    ),
    ("regression::what_a_link_with_a_temporarys_name_leads_to_is_not_harmed", Lack::SymbolicLinks),
    ("regression::zeros_of_a_stream_become_holes", Lack::Holes),
    ("resume::holes_of_a_leftover_are_filled_and_those_of_the_source_made", Lack::Holes),
    ("same_object::by_a_hard_link_that_is_replaced", Lack::PosixSemantics),
    ("same_object::by_a_link_to_the_directory", Lack::SymbolicLinks),
    ("same_object::by_a_symbolic_link_as_the_source", Lack::SymbolicLinks),
    ("same_object::by_a_symbolic_link_to_the_source", Lack::SymbolicLinks),
    ("same_object::the_only_copy_is_not_removed_through_a_linked_directory", Lack::SymbolicLinks),
    ("sparse::a_byte_at_each_end", Lack::Holes),
    ("sparse::a_hole_at_the_beginning", Lack::Holes),
    ("sparse::a_hole_at_the_end", Lack::Holes),
    ("sparse::data_past_two_and_four_gib_arrives", Lack::Holes),
    ("sparse::many_small_holes", Lack::Holes),
    ("sparse::nothing_but_a_hole", Lack::Holes),
    ("sparse::zeros_become_holes_with_sparse_always", Lack::Holes),
    ("special_files::a_dangling_link_as_target_is_refused", Lack::SymbolicLinks),
    ("special_files::a_link_that_leads_to_itself_is_an_error", Lack::SymbolicLinks),
    ("special_files::a_symbolic_link_as_target_is_followed_and_stays", Lack::SymbolicLinks),
    ("trees::itself::a_directory_with_links_is_not_copied_into_itself", Lack::SymbolicLinks),
    ("trees::itself::a_tree_is_copied_to_a_place_that_a_link_in_it_leads_to", Lack::SymbolicLinks),
    (
        "trees::mirror_deletion::links_that_are_followed_lead_to_what_is_deleted",
        Lack::SymbolicLinks,
    ),
    ("trees::limits::a_deep_tree_behind_links_is_copied", Lack::SymbolicLinks),
    ("trees::mirror_guards::a_dry_run_goes_as_deep_as_a_real_one", Lack::LongPaths),
    ("trees::mirror_guards::a_link_in_the_target_leads_nowhere", Lack::SymbolicLinks),
    ("trees::mirror_guards::what_a_followed_link_leads_to_is_not_deleted", Lack::SymbolicLinks),
    ("trees::mirror_watch::a_source_that_goes_and_comes_back_is_watched_again", Lack::ChangesBelow),
    ("trees::mirror_watch::directories_that_move_are_still_watched", Lack::ChangesBelow),
    ("trees::mirror_watch::each_kind_of_change_is_followed", Lack::ChangesBelow),
    ("trees::mirror_watch::hundreds_of_random_changes_are_followed", Lack::ChangesBelow),
    ("trees::mirror_watch::only_what_changes_is_looked_at", Lack::ChangesBelow),
    ("trees::mirror_watch::what_fails_is_tried_again_and_nothing_is_deleted", Lack::ChangesBelow),
    (
        "trees::mirror_watch::what_is_left_out_is_left_alone_and_not_worth_a_batch",
        Lack::ChangesBelow,
    ),
    ("trees::mirror_watch::what_may_be_deleted_is_counted_for_each_batch", Lack::ChangesBelow),
    ("trees::options::a_directory_that_two_links_lead_to_is_copied_twice", Lack::SymbolicLinks),
    ("trees::options::a_link_as_the_target_itself_is_followed", Lack::SymbolicLinks),
    ("trees::options::a_link_to_a_directory_is_kept_and_followed_on_request", Lack::SymbolicLinks),
    ("trees::options::a_link_where_a_directory_is_to_be_copied_is_refused", Lack::SymbolicLinks),
    ("trees::options::a_link_where_a_file_is_to_be_copied_is_replaced", Lack::SymbolicLinks),
    ("trees::options::circles_of_links_end_when_links_are_followed", Lack::SymbolicLinks),
    (
        "trees::options::links_are_followed_everywhere_nowhere_or_at_the_operand",
        Lack::SymbolicLinks,
    ),
    ("trees::options::symbolic_links_are_made_instead_of_copies", Lack::SymbolicLinks),
    (
        "trees::selection::links_to_directories_count_as_what_they_are_copied_as",
        Lack::SymbolicLinks,
    ),
];

/// Whether this is Wine and the test, which is in the list, cannot be made there.
#[track_caller]
pub(crate) fn cannot(test: &str) -> bool {
    assert!(CANNOT.iter().any(|(name, _)| *name == test), "{test} is not in the list");
    is_wine()
}

#[cfg(not(windows))]
pub(crate) fn is_wine() -> bool {
    false
}

/// Its part of the native system says so.
#[cfg(windows)]
pub(crate) fn is_wine() -> bool {
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
    // SAFETY: the name ends with NUL, and the module is one that every process has.
    let native = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
    // SAFETY: the module is loaded, and the name ends with NUL.
    unsafe { GetProcAddress(native, c"wine_get_version".as_ptr().cast()) }.is_some()
}

/// The lines of a test, by the path that the harness gives it; a module is a file.
fn lines_of(test: &str) -> Option<String> {
    let (module, name) = test.rsplit_once("::")?;
    let file = format!("tests/{}.rs", module.replace("::", "/"));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).ok()?;
    let begin = format!("#[test]\nfn {name}() {{\n");
    let from = text.split_once(&begin)?.1;
    Some(from.split("\n}\n").next().unwrap_or_default().to_owned())
}

#[test]
fn each_entry_of_the_list_is_a_test_that_asks_for_itself() {
    for (test, _) in CANNOT {
        let lines = lines_of(test).unwrap_or_else(|| panic!("{test} is no test"));
        assert!(lines.contains(&format!("wine::cannot(\"{test}\")")), "{test} does not ask");
    }
    let names: std::collections::BTreeSet<_> = CANNOT.iter().map(|(test, _)| test).collect();
    assert_eq!(names.len(), CANNOT.len(), "a name is there twice");
}

/// A test that asks for a name which is not in the list fails wherever it runs; this one says so
/// for those that no system here runs, too.
#[test]
fn each_question_is_in_the_list() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path.file_name().is_some_and(|name| name == "wine.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for question in text.split("wine::cannot(").skip(1) {
                let test = question.split('"').nth(1).unwrap_or_default();
                let is_listed = CANNOT.iter().any(|(name, _)| *name == test);
                assert!(is_listed, "{}: {test} is not in the list", path.display());
            }
        }
    }
}
