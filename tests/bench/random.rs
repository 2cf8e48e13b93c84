//! Numbers that look random, the same ones in each run.

/// The next state of xorshift64: random enough to be incompressible, and faster than a disk.
pub(crate) const fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

/// A sequence of them.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Another sequence for each `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 32 bits, the better ones.
    fn next(&mut self) -> u32 {
        self.0 = xorshift(self.0);
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    /// One of the numbers below `limit`; 0 when there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let chosen = u64::from(self.next()) % u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(chosen).unwrap_or(0)
    }

    /// A number of the normal distribution, as near as the sum of twelve equal ones comes to it.
    pub(crate) fn bell(&mut self) -> f64 {
        let range = f64::from(u32::MAX);
        (0..12).map(|_| f64::from(self.next()) / range).sum::<f64>() - 6.0
    }
}
