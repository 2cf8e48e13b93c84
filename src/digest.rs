//! BLAKE3 of content that many threads see in pieces.
//!
//! BLAKE3 is a tree over chunks of 1024 bytes, and a subtree of a power of two of them can be
//! hashed alone when its place is known (the BLAKE3 paper, section 2.1). So each unit of
//! [`UNIT_BYTES`] is hashed by the thread that copies it, while it is in that core's cache, and
//! the chaining values are merged in order.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::sync::lock;
use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

/// The piece that one thread hashes: a power of two, and a multiple of a chunk.
pub(crate) const UNIT_BYTES: u64 = 2 << 20;

/// The hash of an object of a known length, from units hashed in any order.
#[derive(Debug)]
pub(crate) struct TreeHash {
    len: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the next unit to merge; all before it are in `stack`.
    next: u64,
    /// Units that came early: 32 bytes for each that was finished while an earlier one was not.
    early: BTreeMap<u64, ChainingValue>,
    /// Subtrees, the largest first: one for each bit of `next`, and perhaps one that waits.
    stack: Vec<ChainingValue>,
    /// The hash, where the whole object is one unit.
    only: Option<blake3::Hash>,
}

impl TreeHash {
    /// A hash of `len` bytes of which none has been seen.
    pub(crate) fn new(len: u64) -> Self {
        Self { len, state: Mutex::new(State::default()) }
    }

    /// A hasher for the unit that begins at `offset`, a multiple of [`UNIT_BYTES`]; it is to be
    /// fed every byte of the unit.
    pub(crate) fn unit(offset: u64) -> Hasher {
        debug_assert!(offset.is_multiple_of(UNIT_BYTES), "a unit begins at a multiple of its size");
        let mut hasher = Hasher::new();
        hasher.set_input_offset(offset);
        hasher
    }

    /// Takes the finished hasher of the unit at `offset`.
    ///
    pub(crate) fn put(&self, offset: u64, hasher: &Hasher) {
        let mut state = lock(&self.state);
        if self.len <= UNIT_BYTES {
            state.only = Some(hasher.finalize());
            return;
        }
        let unit = offset / UNIT_BYTES;
        if unit < state.next {
            return;
        }
        state.early.insert(unit, hasher.finalize_non_root());
        loop {
            let next = state.next;
            let Some(value) = state.early.remove(&next) else { break };
            // As many subtrees stay open as `next` has bits set; the rest can be merged now that
            // it is certain that the tree goes on behind them (so none of them is the root).
            while state.stack.len() > next.count_ones() as usize {
                let merged = merge_top(&mut state.stack);
                state.stack.push(merged);
            }
            state.stack.push(value);
            state.next += 1;
        }
    }

    /// Forgets the units behind the first that is missing, which another engine now does again.
    pub(crate) fn forget_early(&self) {
        lock(&self.state).early.clear();
    }

    /// The hash; `None` when not every unit was put in.
    pub(crate) fn finish(&self) -> Option<blake3::Hash> {
        if self.len == 0 {
            return Some(blake3::hash(b""));
        }
        let mut state = lock(&self.state);
        if self.len <= UNIT_BYTES {
            return state.only;
        }
        if state.next != self.len.div_ceil(UNIT_BYTES) {
            return None;
        }
        while state.stack.len() > 2 {
            let merged = merge_top(&mut state.stack);
            state.stack.push(merged);
        }
        let right = state.stack.pop()?;
        let left = state.stack.pop()?;
        Some(merge_subtrees_root(&left, &right, Mode::Hash))
    }
}

/// Takes the last two subtrees off the stack and returns their parent.
fn merge_top(stack: &mut Vec<ChainingValue>) -> ChainingValue {
    let right = stack.pop().unwrap_or_default();
    let left = stack.pop().unwrap_or_default();
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: usize = 2 << 20;

    fn content(len: usize) -> Vec<u8> {
        (0..251).cycle().take(len).collect()
    }

    #[test]
    fn the_tests_use_the_real_unit() {
        assert_eq!(UNIT as u64, UNIT_BYTES);
    }

    fn in_units(bytes: &[u8], order: impl Fn(usize) -> Vec<usize>) -> blake3::Hash {
        let tree = TreeHash::new(bytes.len() as u64);
        let units: Vec<&[u8]> = bytes.chunks(UNIT).collect();
        for index in order(units.len()) {
            let offset = index as u64 * UNIT_BYTES;
            let mut hasher = TreeHash::unit(offset);
            hasher.update(units[index]);
            tree.put(offset, &hasher);
        }
        tree.finish().unwrap()
    }

    #[test]
    fn units_in_any_order_give_the_hash_of_the_whole() {
        let around = [UNIT - 1, UNIT, UNIT + 1];
        let several = [2 * UNIT, 3 * UNIT + 7, 7 * UNIT, 8 * UNIT];
        for len in [0, 1, 1024].into_iter().chain(around).chain(several) {
            let bytes = content(len);
            let whole = blake3::hash(&bytes);
            assert_eq!(in_units(&bytes, |n| (0..n).collect()), whole, "{len} in order");
            assert_eq!(in_units(&bytes, |n| (0..n).rev().collect()), whole, "{len} reversed");
        }
    }

    #[test]
    fn a_missing_unit_gives_no_hash() {
        let tree = TreeHash::new(3 * UNIT_BYTES);
        for offset in [0, 2 * UNIT_BYTES] {
            let mut hasher = TreeHash::unit(offset);
            hasher.update(&content(UNIT));
            tree.put(offset, &hasher);
        }
        assert_eq!(tree.finish(), None);
    }
}
