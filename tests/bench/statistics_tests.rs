//! Tests of the benchmark's statistics and of the trees that it copies, part of the integration
//! binary: a benchmark without a harness runs no tests of its own.

#[path = "random.rs"]
mod random;
#[path = "shape.rs"]
mod shape;
#[path = "statistics.rs"]
mod statistics;

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::PathBuf;

use shape::{Count, Kind, LARGE, Node, SMALL, Shape};
use statistics::{InRound, Spread, by_round, excess, mean, ratio};

#[test]
fn the_median_of_an_odd_number_is_the_middle_one() {
    let spread = Spread::of(&[3.0, 100.0, 1.0]).unwrap();
    assert_eq!((spread.median, spread.least, spread.greatest), (3.0, 1.0, 100.0));
}

#[test]
fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
    assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 100.0]).unwrap().median, 3.0);
}

#[test]
fn nothing_has_no_median_and_no_mean() {
    assert_eq!(Spread::of(&[]), None);
    assert_eq!(mean(&[]), None);
    assert_eq!(ratio(&[], &[InRound::new(1, 1.0)]), None);
}

#[test]
fn many_runs_of_a_round_count_as_one() {
    let runs = [(1, 1.0), (1, 9.0), (1, 2.0), (2, 4.0)];
    let runs = runs.map(|(round, value)| InRound::new(round, value));
    assert_eq!(by_round(&runs), [InRound::new(1, 2.0), InRound::new(2, 4.0)]);
}

#[test]
fn a_machine_that_slows_down_leaves_the_ratio_alone() {
    // Both get three times slower in the last rounds: the quotient of the medians would be
    // off, the median of the quotients is not.
    let ours = [InRound::new(1, 1.0), InRound::new(2, 1.0), InRound::new(3, 3.0)];
    let theirs = [InRound::new(1, 2.0), InRound::new(2, 6.0), InRound::new(3, 6.0)];
    let spread = ratio(&ours, &theirs).unwrap();
    assert_eq!((spread.median, spread.greatest), (0.5, 0.5));
    assert!(spread.least < 0.2);
}

#[test]
fn only_rounds_that_both_have_are_compared() {
    let ours = [InRound::new(1, 1.0), InRound::new(2, 2.0)];
    let theirs = [InRound::new(2, 4.0), InRound::new(3, 1.0)];
    assert_eq!(ratio(&ours, &theirs).unwrap(), Spread::of(&[0.5]).unwrap());
}

#[test]
fn a_time_of_zero_is_no_baseline() {
    assert_eq!(ratio(&[InRound::new(1, 1.0)], &[InRound::new(1, 0.0)]), None);
    assert_eq!(excess(&[0.0, 1.0]), None);
}

#[test]
fn the_excess_is_a_part_of_the_least() {
    assert_eq!(excess(&[2.0, 2.5, 2.25]), Some(0.25));
    assert_eq!(excess(&[2.0]), Some(0.0));
}

#[test]
fn the_mean_counts_every_value() {
    assert_eq!(mean(&[0.0, 0.0, 3.0]), Some(1.0));
}

fn whole(kind: Kind) -> Shape {
    Shape { kind, shrink: 1 }
}

#[test]
fn the_trees_are_as_large_as_the_promises_say() {
    let packages = whole(Kind::Packages).count();
    assert_eq!((packages.files, packages.directories), (20_000, 2_990));
    assert!((330_000_000..370_000_000).contains(&packages.bytes), "{packages:?}");
    assert!(packages.links > 400 && packages.room > packages.bytes, "{packages:?}");
    let empty = whole(Kind::Empty).count();
    assert_eq!((empty.files, empty.directories, empty.bytes), (1_000_000, 1_000, 0));
    let mixed = whole(Kind::Mixed).count();
    assert_eq!(mixed.files, 10_003);
    assert!(mixed.bytes > 3 << 30, "{mixed:?}");
}

#[test]
fn a_tree_shrinks_to_at_least_one_file() {
    let count = Shape { kind: Kind::Empty, shrink: u64::MAX }.count();
    assert_eq!(count, Count { files: 1, directories: 1, links: 0, bytes: 0, room: 2048 });
}

#[test]
fn the_sizes_are_those_of_sources() {
    let mut lengths = Vec::new();
    let Ok(()) = whole(Kind::Packages).each::<Infallible>(&mut |_, node| {
        lengths.extend(if let Node::File { len, .. } = node { Some(len) } else { None });
        Ok(())
    });
    lengths.sort_unstable();
    let at = |per_mille: usize| lengths[(lengths.len() - 1) * per_mille / 1000];
    assert!((1_000..1_200).contains(&at(250)), "{}", at(250));
    assert!((3_300..3_900).contains(&at(500)), "{}", at(500));
    assert!((10_900..13_000).contains(&at(750)), "{}", at(750));
    assert!((200_000..250_000).contains(&at(990)), "{}", at(990));
    assert!((1_000_000..16_000_000).contains(&at(1000)), "{}", at(1000));
}

#[test]
fn each_object_of_a_tree_comes_once_and_behind_its_directory() {
    for kind in [Kind::Packages, Kind::Empty, Kind::Mixed] {
        let mut seen = HashSet::from([PathBuf::new()]);
        let mut depth = 0;
        let mut numbers = 0;
        let Ok(()) = Shape { kind, shrink: 50 }.each::<Infallible>(&mut |path, node| {
            assert!(seen.contains(path.parent().unwrap()), "{}", path.display());
            match node {
                Node::HardLink(original) => assert!(seen.contains(original)),
                Node::Symlink(name) => assert!(seen.contains(&path.with_file_name(name))),
                Node::File { number, .. } => {
                    assert_eq!(number, numbers);
                    numbers += 1;
                }
                Node::Directory => depth = depth.max(path.components().count()),
            }
            assert!(seen.insert(path.to_owned()), "{} comes twice", path.display());
            Ok(())
        });
        let parts = [LARGE, SMALL].map(|part| seen.contains(&PathBuf::from(part)));
        match kind {
            Kind::Packages => assert_eq!((depth, parts), (8, [false; 2])),
            Kind::Empty => assert_eq!((depth, parts), (1, [false; 2])),
            Kind::Mixed => assert_eq!((depth, parts), (9, [true; 2])),
        }
    }
}
