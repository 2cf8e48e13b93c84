//! Medians, and ratios taken round by round: pure functions over numbers.
//!
//! A shared machine drifts within a run, by more than competitors differ. Two that ran in the same
//! round met about the same machine, so what is compared is the quotient inside each round, and
//! its median over the rounds; never the quotient of two medians.

/// The middle of some values, and how far they reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of all `values`; `None` when there is none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = if sorted.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(*sorted.get(middle - 1)?, upper)
        };
        Some(Self { median, least, greatest })
    }
}

/// What one competitor's runs of one round came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InRound {
    pub(crate) round: u32,
    pub(crate) value: f64,
}

impl InRound {
    /// `value` of `round`.
    pub(crate) const fn new(round: u32, value: f64) -> Self {
        Self { round, value }
    }
}

/// One value a round, the median of all that the round has, in the order of the rounds.
pub(crate) fn by_round(values: &[InRound]) -> Vec<InRound> {
    let mut rounds: Vec<u32> = values.iter().map(|one| one.round).collect();
    rounds.sort_unstable();
    rounds.dedup();
    rounds
        .into_iter()
        .filter_map(|round| {
            let of_round: Vec<f64> =
                values.iter().filter(|one| one.round == round).map(|one| one.value).collect();
            Spread::of(&of_round).map(|spread| InRound::new(round, spread.median))
        })
        .collect()
}

/// The spread of `ours / theirs` over the rounds that both have; `None` when they share none.
///
/// Both have at most one value a round, as [`by_round`] returns them.
pub(crate) fn ratio(ours: &[InRound], theirs: &[InRound]) -> Option<Spread> {
    let quotients: Vec<f64> = ours
        .iter()
        .filter_map(|own| {
            let other = theirs.iter().find(|other| other.round == own.round)?;
            (other.value > 0.0).then(|| own.value / other.value)
        })
        .collect();
    Spread::of(&quotients)
}

/// The mean of all `values`; `None` when there is none.
///
/// For processor times: the kernel splits short ones by what the clock's tick happened to meet,
/// all to one side or all to the other, so that only their mean says anything.
#[expect(clippy::cast_precision_loss, reason = "a count of runs is far below 2^53")]
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// By how much the greatest value exceeds the least, as a part of the least: 0.25 is 25 %.
pub(crate) fn excess(values: &[f64]) -> Option<f64> {
    let spread = Spread::of(values)?;
    (spread.least > 0.0).then(|| spread.greatest / spread.least - 1.0)
}
