//! The least that still fails: delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating
//! Failure-Inducing Input", IEEE Transactions on Software Engineering, 2002).

/// How far something was reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reduced {
    /// What still fails.
    pub(crate) left: Vec<usize>,
    /// Whether it fails no more when any one of it is taken away. If not, the attempts were over.
    pub(crate) is_minimal: bool,
}

/// Reduces what fails, by their algorithm `ddmin`: to halves, to ever smaller parts, to all but one
/// part. `fails` says whether that fails, or `None` when it is to be asked no more.
///
/// # Errors
///
/// The first of `fails`.
pub(crate) fn reduce<E>(
    mut left: Vec<usize>,
    mut fails: impl FnMut(&[usize]) -> Result<Option<bool>, E>,
) -> Result<Reduced, E> {
    let mut parts = 2;
    match fails(&[])? {
        Some(true) => return Ok(Reduced { left: Vec::new(), is_minimal: true }),
        Some(false) => {}
        None => return Ok(Reduced { left, is_minimal: false }),
    }
    'smaller: while left.len() > 1 {
        parts = parts.min(left.len());
        for attempt in attempts(&left, parts) {
            match fails(&attempt)? {
                Some(true) => {
                    // All but one part stay cut as finely as they are.
                    let is_part = attempt.len() <= left.len().div_ceil(parts);
                    parts = if is_part { 2 } else { (parts - 1).max(2) };
                    left = attempt;
                    continue 'smaller;
                }
                Some(false) => {}
                None => return Ok(Reduced { left, is_minimal: false }),
            }
        }
        if parts == left.len() {
            break;
        }
        parts *= 2;
    }
    Ok(Reduced { left, is_minimal: true })
}

/// Each of so many parts, then all but each.
fn attempts(all: &[usize], parts: usize) -> Vec<Vec<usize>> {
    let bounds: Vec<_> = (0..=parts).map(|part| part * all.len() / parts).collect();
    let each = bounds.windows(2).map(|bound| all[bound[0]..bound[1]].to_vec());
    let others = bounds.windows(2).map(|bound| [&all[..bound[0]], &all[bound[1]..]].concat());
    // Of two parts, the other one is all but the first.
    if parts > 2 { each.chain(others).collect() } else { each.collect() }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Reduces what fails with all of `causes` in it, in so many attempts at most.
    fn reduced(count: usize, causes: &[usize], attempts_max: usize) -> (Reduced, usize) {
        let mut attempts = 0;
        let fails = |some: &[usize]| -> Result<_, Infallible> {
            if attempts == attempts_max {
                return Ok(None);
            }
            attempts += 1;
            assert!(some.is_sorted() && some.len() < count);
            Ok(Some(causes.iter().all(|cause| some.contains(cause))))
        };
        let Ok(reduced) = reduce((0..count).collect(), fails);
        (reduced, attempts)
    }

    #[test]
    fn what_is_not_needed_goes() {
        for count in [1, 2, 3, 7, 64, 100] {
            for causes in [&[][..], &[0], &[count - 1], &[0, count / 2, count - 1]] {
                let mut expected = causes.to_vec();
                expected.dedup();
                let (reduced, _) = reduced(count, causes, usize::MAX);
                assert_eq!(reduced, Reduced { left: expected, is_minimal: true }, "{count}");
            }
        }
    }

    #[test]
    fn one_cause_among_many_takes_few_attempts() {
        let (reduced, attempts) = reduced(1000, &[617], 40);
        assert!(reduced.is_minimal && attempts <= 25, "{attempts}");
    }

    #[test]
    fn when_the_attempts_are_over_it_says_so() {
        let (reduced, attempts) = reduced(100, &[3, 50, 99], 20);
        assert_eq!((reduced.is_minimal, attempts), (false, 20));
        assert!([3, 50, 99].iter().all(|cause| reduced.left.contains(cause)));
        assert!(!super::reduce(vec![1, 2], |_| Ok::<_, Infallible>(None)).unwrap().is_minimal);
    }
}
