//! What was measured or counted, in numbers: pure functions.

use std::time::Duration;

/// Buckets for each factor of ten, in a histogram of times.
const BUCKETS_PER_DECADE: u32 = 3;

/// Where times begin and end that a histogram tells apart.
const SHORTEST: Duration = Duration::from_nanos(100);
const DECADES: u32 = 8;

/// What some times come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The times, the shortest first; there is one at least.
    sorted: Vec<Duration>,
}

/// Times of about the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The shortest that it takes; the first bucket takes shorter ones, too, and the last one all
    /// longer ones.
    pub from: Duration,
    /// How many there were.
    pub count: usize,
}

impl Statistics {
    /// Those of all `times`; `None` when there is none.
    #[must_use]
    pub fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        (!sorted.is_empty()).then_some(Self { sorted })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The shortest time that at least `percent` of all are not longer than (the nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Duration {
        let rank = (self.sorted.len() * usize::from(percent.min(100))).div_ceil(100);
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// How many calls one after the other fit into a second.
    #[must_use]
    pub fn calls_per_second(&self) -> f64 {
        let sum: Duration = self.sorted.iter().sum();
        let count = u32::try_from(self.sorted.len()).unwrap_or(u32::MAX);
        f64::from(count) / sum.as_secs_f64().max(1e-9)
    }

    /// How many times there are of each length, three lengths for each factor of ten from 100 ns
    /// on: the same buckets for all, so that they can be laid one below the other.
    #[must_use]
    pub fn histogram(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = (0..DECADES * BUCKETS_PER_DECADE)
            .map(|index| Bucket { from: lower_bound(index), count: 0 })
            .collect();
        for time in &self.sorted {
            let after = buckets.partition_point(|bucket| bucket.from <= *time);
            if let Some(bucket) = buckets.get_mut(after.saturating_sub(1)) {
                bucket.count += 1;
            }
        }
        buckets
    }
}

/// The upper bound, at 95 %, of the share that something happens in, after it has happened in none
/// of so many trials: the rule of three (Hanley and Lippman-Hand, 1983). `None` without trials.
#[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
pub(crate) fn rule_of_three(trials: u64) -> Option<f64> {
    (trials > 0).then(|| (3.0 / trials as f64).min(1.0))
}

/// Where a bucket begins: at 1, 2.15 or 4.64 of its decade.
fn lower_bound(index: u32) -> Duration {
    let decade = 10_u32.pow(index / BUCKETS_PER_DECADE);
    let within = 10_f64.powf(f64::from(index % BUCKETS_PER_DECADE) / f64::from(BUCKETS_PER_DECADE));
    (SHORTEST * decade).mul_f64(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nanoseconds: impl IntoIterator<Item = u64>) -> Statistics {
        let times: Vec<_> = nanoseconds.into_iter().map(Duration::from_nanos).collect();
        Statistics::of(&times).unwrap()
    }

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let hundred = of((1..=100).rev());
        for percent in [1, 50, 99, 100] {
            assert_eq!(hundred.percentile(percent), Duration::from_nanos(u64::from(percent)));
        }
        let few = of([30, 10, 20]);
        assert_eq!(few.percentile(50), Duration::from_nanos(20));
        assert_eq!(few.percentile(99), Duration::from_nanos(30));
        assert_eq!(few.percentile(0), Duration::from_nanos(10));
        assert_eq!(of([7]).percentile(50), Duration::from_nanos(7));
        assert_eq!(Statistics::of(&[]), None);
    }

    #[test]
    fn what_happened_in_none_of_n_happens_in_three_of_n_at_most() {
        let bounds = [0, 1, 3, 300].map(rule_of_three);
        assert_eq!(bounds, [None, Some(1.0), Some(1.0), Some(0.01)]);
    }

    #[test]
    fn calls_a_second_are_those_of_all_together() {
        let rate = of([1_000_000, 3_000_000]).calls_per_second();
        assert!((rate - 500.0).abs() < 1e-6, "{rate}");
        assert!(of([0]).calls_per_second().is_finite());
    }

    #[test]
    fn a_histogram_counts_each_time_once_on_a_logarithmic_scale() {
        let buckets = of([0, 99, 100, 1000, 999, 1_000_000, 60_000_000_000]).histogram();
        assert_eq!(buckets.len(), 24);
        assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<usize>(), 7);
        let count = |index: usize| buckets[index].count;
        // Below 215 ns; from 464 ns; from 1 µs; from 1 ms; the longest.
        assert_eq!([count(0), count(2), count(3), count(12), count(23)], [3, 1, 1, 1, 1]);
        assert_eq!(buckets[3].from, Duration::from_micros(1));
        assert_eq!(buckets[12].from, Duration::from_millis(1));
        assert!(buckets.is_sorted_by_key(|bucket| bucket.from));
    }
}
