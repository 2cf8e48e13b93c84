//! Tests of the benchmark's statistics, part of the integration binary: a benchmark without a
//! harness runs no tests of its own.

#[path = "statistics.rs"]
mod statistics;

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
