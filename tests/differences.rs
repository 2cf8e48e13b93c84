//! Where two files differ, found through their maps.

#[cfg(unix)]
use std::fs::File;

#[cfg(unix)]
use mycp::Cause;
use mycp::mapped::{MappedSource, differences};
use mycp::{ByteRange, Flow, Granule};

#[cfg(unix)]
use crate::support::FileExt;
use crate::support::{Chance, content};

/// What differs, found granule by granule.
fn differing(left: &[u8], right: &[u8], granule: usize) -> Vec<ByteRange> {
    let longest = left.len().max(right.len());
    let common = left.len().min(right.len());
    let mut found: Vec<(usize, usize)> = Vec::new();
    let starts = (0..common).step_by(granule).map(|start| (start, (start + granule).min(common)));
    let differ = starts.filter(|&(start, end)| left[start..end] != right[start..end]);
    for (start, end) in differ.chain((common < longest).then_some((common, longest))) {
        match found.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => found.push((start, end)),
        }
    }
    found.into_iter().map(|(start, end)| ByteRange::between(start as u64, end as u64)).collect()
}

fn granule(bytes: usize) -> Granule {
    Granule::new(bytes as u64).unwrap()
}

#[test]
fn differences_are_found_in_any_granule() {
    let directory = tempfile::tempdir().unwrap();
    let mut chance = Chance::new("differences");
    for round in 0..60 {
        let left = content(round, chance.below(3 << 20) as usize + 4);
        let mut right = left.clone();
        right.resize(left.len() + 3 - (round % 7) as usize, 1);
        for _ in 0..round % 5 {
            let at = chance.below(right.len() as u64) as usize;
            let run = chance.below(20_000) as usize;
            right.iter_mut().skip(at).take(run).for_each(|byte| *byte ^= 1);
        }
        let [one, other] = [("left", &left), ("right", &right)].map(|(name, bytes)| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            MappedSource::open(path).unwrap()
        });
        for bytes in [64, 4096, 4 << 20] {
            let mut seen = Vec::new();
            let found = differences(&one, &other, granule(bytes), |range| {
                seen.push(range);
                Flow::Continue
            });
            found.unwrap();
            assert_eq!(seen, differing(&left, &right, bytes), "round {round}, granule {bytes}");
            let mut count = 0;
            let found = differences(&one, &other, granule(bytes), |_| {
                count += 1;
                Flow::Stop
            });
            found.unwrap();
            assert_eq!(count, seen.len().min(1), "it goes on after a stop");
        }
    }
}

/// Windows does not cut a file that is mapped.
#[cfg(unix)]
#[test]
fn a_file_that_is_cut_while_it_is_compared_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["left", "right"].map(|name| directory.path().join(name));
    for cut in &paths {
        for (path, seed) in paths.iter().zip([1, 2]) {
            let mut bytes = content(3, 9 << 20);
            // They differ in two places, so that the first one is told before the end.
            bytes[10] = seed;
            bytes[3 << 20] = seed;
            std::fs::write(path, bytes).unwrap();
        }
        let [left, right] = paths.each_ref().map(|path| MappedSource::open(path).unwrap());
        let error = differences(&left, &right, granule(4096), |_| {
            File::options().write(true).open(cut).unwrap().set_len(5 << 20).unwrap();
            Flow::Continue
        });
        let error = error.unwrap_err();
        assert_eq!(error.endpoint.path(), Some(&**cut), "{error}");
        assert!(matches!(error.cause, Cause::Shrank { len } if len == 5 << 20), "{error:?}");
        let mut byte = [0];
        File::open(cut).unwrap().read_exact_at(&mut byte, 0).unwrap();
    }
}
