//! What is not tested in Wine 8, or on Windows at all, and what Windows does instead.
//!
//! Tests for Windows run under Wine. What Wine has not, no test can see there: such a test is in
//! [`CANNOT`] and begins with [`cannot`], which is true in Wine only, so that on Windows itself it
//! runs; in the library it is ignored with a reason. A test that has its way under Wine by going
//! round something asks [`lacks`]. What is about Unix is not built for Windows, and is in
//! [`OF_UNIX`]. Everything else runs in each.

use std::collections::BTreeSet;
use std::path::Path;

use mycp::crash::Family;

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
    /// That a read-only file is not opened for writing: the superuser of the system below may.
    ReadOnlyForRoot,
    /// That a file which is mapped cannot be cut by another process. On Windows it is refused.
    MappedFilesOfOthers,
    /// Sparse files, and ranges of them that are allocated. On NTFS holes are kept, as on Unix.
    Holes,
    /// Names of 255 units of UTF-16 that are more bytes where the system below counts those.
    LongNames,
    /// That the time of a file's birth can be set. NTFS has it.
    TimesOfBirth,
    /// Notices of changes below a directory that is watched with all that is below it, but where
    /// directories are made afterwards.
    ChangesBelow,
    /// Streams of a file beside its content. On NTFS they are copied with `-p`.
    Streams,
    /// Names of one directory that differ by case alone. On NTFS a name can be spelt anew, and
    /// directories can be told to keep such names apart (`fsutil file setCaseSensitiveInfo`); under
    /// Wine tests make them from Linux.
    CaseOfNames,
    /// That a view for reading cannot be made one for writing. On Windows it is refused.
    ProtectionOfViews,
    /// That a process which is killed has stopped when its mutex is free. On Windows it has; under
    /// Wine the next owner waits a little before it looks.
    OrderlyDeath,
    /// That a program starts in no more time than a copy takes, and that many ask the system at
    /// once. Under Wine fewer kills have to strike, growth in the last instants of a copy is not
    /// counted, and a meddler rests now and then.
    Pace,
}

/// The tests that need what Wine has not; those below `sys` are the library's.
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
    (
        "sys::windows::attributes::tests::streams_are_made_listed_replaced_and_removed",
        Lack::Streams,
    ),
    ("sys::windows::names::tests::a_name_can_be_spelt_anew", Lack::CaseOfNames),
    ("sys::windows::names::tests::the_name_of_an_open_file_is_free_at_once", Lack::PosixSemantics),
    (
        "sys::windows::pages::tests::a_view_cannot_be_given_more_than_its_section_allows",
        Lack::ProtectionOfViews,
    ),
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

/// It counts, holds or refuses calls of the system with strace. What `--flush` asks of the disk
/// is traced below Wine by `.ci/windows`.
const TRACED: &[&str] = &[
    "delta::times_come_after_the_content_is_on_the_disk",
    "engines::strace::",
    "flush_injection::",
    "regression::linux::a_rewrite_with_the_old_time_put_back_is_noticed",
    "regression::linux::a_source_that_changes_on_its_way_into_an_open_file_is_not_stored_twice",
    "regression::linux::a_source_that_grows_on_its_way_into_an_open_file_is_stored_once_and_told",
    "regression::linux::a_source_that_shrinks_is_no_signal_where_changes_are_warnings",
    "regression::linux::numbered_backups_of_runs_that_found_one_number_free_keep_every_version",
    "regression::linux::what_leaves_content_and_modification_time_alone_is_no_change",
    "rescue::a_backup_outlives_a_run_that_ended_before_it_was_done",
    "trees::flushed::",
    "trees::leftovers::a_directory_that_cannot_be_locked_is_not_left",
    "trees::leftovers::names_of_the_source_are_not_taken_for_temporaries",
    "trees::mirror_deletion::a_source_that_is_emptied_meanwhile_deletes_nothing",
    "trees::mirror_deletion::what_comes_to_be_too_much_after_the_walk_stays",
    "trees::mirror_deletion::what_fills_an_extra_directory_meanwhile_counts_for_the_limit",
    "trees::mirror_flush::",
    "trees::mirror_lock::linux::another_mirror_in_any_moment_of_the_making_is_noticed",
];

/// It mounts file systems: several kinds, small ones, one on the other, one that answers with
/// faults. A volume of Windows is none that a test could make; `.ci/windows` fills a small file
/// system below Wine.
const MOUNTED: &[&str] = &[
    "delta::a_target_that_changes_after_it_was_cloned_is_noticed",
    "delta::any_target_becomes_the_source_on_each_file_system",
    "delta::the_device_gets_little_more_than_what_differs",
    "full_disk::",
    "fuse_faults::",
    "regression::linux::the_json_of_a_failed_attribute_names_attribute_and_cause",
    "resume::linux::a_clone_is_preferred_to_what_has_less",
    "resume_directory::linux::a_clone_of_the_source_is_preferred_to_any_leftover",
    "same_object::by_a_bind_mount_of_the_directory",
    "same_object::by_a_bind_mount_of_the_file",
    "special_files::linux::a_bind_mounted_file_as_target_is_written_in_place",
    "trees::complete::linux::everything_is_copied_from_one_file_system_to_another",
    "trees::complete::linux::everything_is_copied_within_btrfs",
    "trees::complete::linux::everything_is_copied_within_ext4",
    "trees::complete::linux::everything_is_copied_within_tmpfs",
    "trees::complete::linux::everything_is_copied_within_xfs",
    "trees::complete::linux::what_a_directory_hands_down_does_not_stay_on_the_copy",
    "trees::complete::linux::what_the_target_cannot_hold_is_told_once_for_each_kind",
    "trees::full::",
    "trees::itself::a_directory_is_not_copied_into_a_bind_mount_of_a_part_of_itself_for_ever",
    "trees::itself::a_directory_is_not_copied_into_a_bind_mount_of_itself",
    "trees::itself::a_tree_in_which_it_is_mounted_again_is_copied_to_an_end",
    "trees::leftovers::links_and_nodes_of_killed_runs_are_removed_when_they_are_old",
    "trees::mirror::linux::a_second_mirror_does_nothing_where_times_are_coarse",
    "trees::mirror::linux::nothing_is_deleted_on_another_file_system",
    "trees::mirror::linux::nothing_is_deleted_through_a_bind_mount",
    "trees::mirror_deletion::a_part_of_the_source_that_lies_in_the_target_is_not_deleted",
    "trees::mirror_deletion::other_spellings_of_a_name_are_not_deleted",
    "trees::mirror_guards::a_part_of_the_source_is_not_written_into",
    "trees::mirror_guards::what_a_file_system_cannot_hold_does_not_differ",
    "trees::mirror_watch::linux::what_is_mounted_meanwhile_is_noticed_with_the_next_change",
    "trees::options::a_file_system_is_copied_to_another_that_is_mounted_within_it",
    "trees::options::another_file_system_is_left_out_on_request_but_for_its_mount_point",
];

/// It is about another user, permission bits, owners, the umask, ACLs or extended attributes.
/// Windows has a read-only flag, which `in_use` and the library's tests set, and streams.
const RIGHTS: &[&str] = &[
    "attributes::linux::",
    "delta::a_patched_target_keeps_its_mode",
    "delta::a_target_that_is_equal_does_not_stay_setuid",
    "delta::a_target_that_may_not_be_written_stays_as_it_is",
    "regression::linux::attributes_only_keeps_the_setuid_bit_and_every_byte",
    "regression::linux::force_replaces_a_target_that_may_not_be_opened",
    "resume::linux::a_leftover_loses_what_a_new_file_does_not_have",
    "resume::linux::what_others_could_have_opened_is_not_gone_on_with",
    "resume_directory::linux::a_directory_that_others_could_use_is_not_gone_on_with",
    "resume_directory::linux::a_leftover_directory_loses_what_a_new_one_does_not_have",
    "resume_directory::linux::files_that_may_only_be_read_are_gone_on_with",
    "special_files::linux::in_a_directory_without_write_permission_the_target_is_written_in_place",
    "special_files::linux::what_may_not_be_read_or_written_is_an_error",
    "trees::complete::linux::a_user_without_rights_gets_all_but_the_owners",
    "trees::errors::a_target_in_which_nothing_can_be_made_is_an_error",
    "trees::errors::a_user_copies_read_only_directories_of_his_own",
    "trees::errors::what_cannot_be_read_is_named_and_the_rest_is_copied",
    "trees::errors::what_cannot_be_written_is_named_and_the_rest_is_copied",
    "trees::mirror::linux::attributes_that_the_source_does_not_have_go",
    "trees::mirror::linux::nothing_is_deleted_when_something_could_not_be_read",
    "trees::mirror_deletion::a_directory_makes_way_only_for_what_can_be_copied",
    "trees::mirror_deletion::an_owner_without_rights_in_a_directory_can_delete_from_it",
    "trees::mirror_deletion::rights_are_taken_back_where_modes_are_not_kept",
    "trees::mirror_guards::a_dry_run_fails_where_a_real_one_would",
    "trees::mirror_guards::what_cannot_be_deleted_does_not_stop_the_rest",
    "trees::options::attributes_alone_are_copied_over_a_whole_tree",
    "trees::options::new_directories_have_the_mode_of_the_source_less_the_umask",
];

/// It is about FIFOs, sockets, devices, `/proc`, or names of open files. In directories of Windows
/// there are none.
const NODES: &[&str] = &[
    "cli::a_full_standard_output_is_a_failure_and_the_copy_is_made",
    "regression::linux::a_block_device_that_ends_early_is_an_error_and_no_empty_target",
    "regression::linux::a_block_device_that_ends_early_is_an_error_in_a_pipe_too",
    "regression::linux::a_source_that_changes_on_its_way_into_a_fifo_is_not_sent_twice",
    "regression::linux::a_source_that_grows_on_its_way_into_a_fifo_is_sent_once_with_a_warning",
    "regression::linux::a_target_does_not_become_a_link_to_a_fifo",
    "regression::linux::closed_standard_streams_are_errors_where_they_are_operands",
    "rescue::an_open_file_is_written_to_and_not_replaced",
    "same_object::by_a_descriptor",
    "special_files::linux::a_block_device_is_copied_and_written",
    "special_files::linux::a_fifo_as_target_is_written_and_stays_a_fifo",
    "special_files::linux::a_fifo_is_read_to_its_end",
    "special_files::linux::a_fifo_whose_reader_goes_away_is_an_error",
    "special_files::linux::a_file_of_proc_is_copied_although_its_length_is_0",
    "special_files::linux::a_file_of_proc_replaces_a_longer_target",
    "special_files::linux::dev_full_is_an_error",
    "special_files::linux::dev_null_takes_everything_and_stays_what_it_is",
    "trees::complete::linux::everything_that_anyone_may_make_is_copied",
    "trees::options::fifos_are_made_anew_and_read_on_request",
    "trees::options::hard_links_are_made_instead_of_copies",
    "trees::told::a_spoiled_file_of_a_tree_is_found_and_the_rest_is_copied",
];

/// It is about names that Windows does not take, which `trees::spelling` asks for there.
const NAMES: &[&str] = &["trees::spelling::names_that_windows_does_not_take_are_names_here"];

/// It is about a new directory under a temporary name, or about a lock of a directory. On Windows
/// a new directory has its own name at once, and a mirror locks by a name (`mirror_lock`).
const TEMPORARIES: &[&str] = &[
    "resume_directory::linux::a_directory_that_a_live_run_has_is_left_to_it",
    "resume_directory::linux::a_file_of_the_right_size_and_time_is_not_trusted_there",
    "resume_directory::linux::a_file_with_another_name_is_not_written_into_there",
    "resume_directory::linux::directories_in_a_tree_are_completed_as_well",
    "resume_directory::linux::names_that_look_like_temporaries_are_told_from_those_of_the_source",
    "resume_directory::linux::what_nothing_goes_on_with_is_gone_in_the_end",
    "trees::mirror_lock::linux::a_directory_that_has_appeared_is_told_of_and_left_alone",
];

/// It sends signals. Windows has Ctrl+C, which ends a run in the same way; a test cannot press
/// it for one process alone.
const SIGNALS: &[&str] = &[
    "cli::a_hangup_that_was_ignored_stays_ignored",
    "cli::a_signal_ends_a_question_whichever_thread_has_asked_it",
    "cli::a_signal_ends_the_copy_leaves_no_file_and_is_what_the_shell_sees",
    "cli::sigusr1_prints_where_it_stands",
    "guard::signals::",
    "resume_directory::linux::a_signal_takes_nothing_from_what_a_killed_run_had_stored",
    "trees::killed::an_interrupted_tree_copy_dies_of_the_signal_and_leaves_no_temporary",
    "trees::mirror_lock::linux::a_signal_ends_the_waiting",
    "trees::mirror_watch::linux::a_line_of_status_is_on_the_terminal",
    "trees::mirror_watch::linux::a_signal_ends_it_and_leaves_no_temporaries",
    "trees::mirror_watch::linux::elsewhere_there_is_no_line_of_status",
];

/// It takes memory, descriptors or the length of files from a process (setrlimit(2)).
const LIMITS: &[&str] = &[
    "cli::a_limit_on_file_sizes_is_an_error_that_names_the_file",
    "limits::",
    "trees::limits::linux::",
    "trees::mirror_deletion::what_is_deleted_may_be_very_deep",
    "trees::mirror_watch::linux::where_it_cannot_watch_nothing_is_done",
];

/// It is about what only kernels of Unix do: they cut files that are mapped, store into pages
/// behind the end of a file, exchange two names in one step, rename what is above a watched
/// directory, name the holder of a lock. Windows refuses it, or has nothing like it.
const KERNEL: &[&str] = &[
    "delta::what_a_map_left_behind_the_end_does_not_become_content",
    "differences::a_file_that_is_cut_while_it_is_compared_is_an_error_that_names_it",
    "mapped_io::linux::",
    "trees::hostile::",
    "trees::mirror_lock::linux::whoever_has_the_lock_is_named",
    "trees::mirror_watch::linux::another_source_of_that_name_is_noticed",
    "trees::mirror_watch::linux::lost_events_are_made_up_for",
];

/// It is about System V and POSIX shared memory. The sections of Windows are in `segments` and
/// `locks`.
const MEMORY: &[&str] =
    &["locks::a_semaphore_that_others_gave_a_count_is_used_and_one_without_is_removed", "shm::"];

/// It simulates crashes, which takes the kernel of Linux. On Windows the command says that it is
/// unsupported (`crash_cli`).
const LABORATORY: &[&str] = &["crash_explore::", "crash_report::", "crash_room::"];

/// It runs cp, rsync, a shell or another program beside, which Windows has not.
const RIVALS: &[&str] = &[
    "cli::those_who_read_what_is_generated_have_no_complaint",
    "differential::",
    "readme::linux::",
    "trees::mirror::linux::rsync_finds_nothing_left_to_do",
    "trees::told::only_what_is_older_is_replaced_on_request",
    "trees::told::replaced_files_of_a_tree_are_kept_as_cp_keeps_them",
    "trees::told::the_lines_of_v_are_those_of_cp_and_a_directory_comes_before_what_is_in_it",
];

/// The tests that are not built for Windows, by the reason for it. A name that ends with `::` is a
/// module with all of its tests.
const OF_UNIX: &[&[&str]] = &[
    TRACED,
    MOUNTED,
    RIGHTS,
    NODES,
    NAMES,
    TEMPORARIES,
    SIGNALS,
    LIMITS,
    KERNEL,
    MEMORY,
    LABORATORY,
    RIVALS,
];

/// Whether this is Wine and the test, which is in the list, cannot be made there.
#[track_caller]
pub(crate) fn cannot(test: &str) -> bool {
    let entry = CANNOT.iter().find(|(name, _)| *name == test);
    let (_, lack) = entry.unwrap_or_else(|| panic!("{test} is not in the list"));
    lacks(*lack)
}

/// Whether this is Wine, which has not what is asked for.
pub(crate) fn lacks(_: Lack) -> bool {
    Family::running() == Family::Wine
}

/// A test, or a module with a file of its own, as it stands in the sources.
struct Found {
    path: String,
    attributes: Vec<String>,
    lines: String,
}

impl Found {
    fn has(&self, start: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.starts_with(start))
    }

    /// Whether it is built for Unix, or for one, alone.
    fn is_of_unix(&self) -> bool {
        ["#[cfg(unix)]", "#[cfg(target_os = \"linux\")]", "#[cfg(not(windows))]"]
            .iter()
            .any(|only| self.has(only))
    }
}

/// The files below a directory of this project, with the path of the module that each is.
fn modules_below(top: &str) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join(top);
    let mut directories = vec![top.clone()];
    let mut modules = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(&top).unwrap().with_extension("");
                let names = module.iter().map(|name| name.to_str().unwrap());
                let names: Vec<_> =
                    names.filter(|name| !["main", "lib", "mod"].contains(name)).collect();
                modules.push((names.join("::"), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    modules
}

/// What is found below a directory of this project.
fn found_below(top: &str) -> Vec<Found> {
    let modules = modules_below(top).into_iter();
    modules.flat_map(|(module, text)| found_in(&module, &text)).collect()
}

fn found_in(module: &str, text: &str) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    let mut attributes = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with("#[") {
            attributes.push(code.to_owned());
            continue;
        }
        if code.starts_with("//") {
            continue;
        }
        // Modules within a file are named `tests`.
        let inner = if code.len() < line.len() { "tests" } else { "" };
        let name = match code.strip_prefix("fn ") {
            Some(rest) if attributes.iter().any(|it| it == "#[test]") => rest.split('(').next(),
            _ => None,
        };
        let file = code
            .strip_prefix("pub(super) ")
            .unwrap_or(code)
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.or(file) {
            let names = [module, inner, name, ""];
            let kept = names.iter().filter(|part| !part.is_empty());
            let end = if file.is_some() { "::" } else { "" };
            let path = kept.copied().collect::<Vec<_>>().join("::") + end;
            all.push(Found {
                path,
                attributes: std::mem::take(&mut attributes),
                lines: String::new(),
            });
        }
        attributes.clear();
        if let Some(last) = all.last_mut() {
            last.lines += line;
        }
    }
    all
}

#[test]
fn the_list_of_what_wine_cannot_is_that_of_those_who_ask() {
    const QUESTION: &str = "wine::cannot(\"";
    let mut asking = BTreeSet::new();
    for found in found_below("tests") {
        if found.path.starts_with("wine::") {
            continue;
        }
        for question in found.lines.split(QUESTION).skip(1) {
            let test = question.split('"').next().unwrap();
            assert_eq!(test, found.path, "it asks for another");
            asking.insert(found.path.clone());
        }
    }
    let library = found_below("src").into_iter().filter(|it| it.has("#[ignore = \"Wine "));
    asking.extend(library.map(|found| found.path));
    let listed: BTreeSet<_> = CANNOT.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(asking, listed);
    assert_eq!(listed.len(), CANNOT.len(), "a name is there twice");
}

#[test]
fn the_list_of_what_is_of_unix_is_that_of_what_is_not_built_for_windows() {
    // What tests share is none, and the benchmark is for Linux.
    let is_test = |path: &str| !["support::", "bench::"].iter().any(|it| path.starts_with(it));
    let all = found_below("tests");
    let named = || OF_UNIX.iter().copied().flatten().copied();
    let mut found = BTreeSet::new();
    for of_unix in all.iter().filter(|it| it.is_of_unix() && is_test(&it.path)) {
        // A module is there as such, or with each of its tests.
        let whole = named().any(|name| name == of_unix.path);
        if whole || !of_unix.path.ends_with("::") {
            found.insert(of_unix.path.as_str());
        } else {
            let inner = all.iter().filter(|it| it.path.starts_with(&of_unix.path));
            let tests = inner.filter(|it| it.has("#[test]") && !it.is_of_unix());
            found.extend(tests.map(|it| it.path.as_str()));
        }
    }
    let listed: BTreeSet<_> = named().collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), named().count(), "a name is there twice");
}
