//! Which tiles a product takes, where an instruction set has several kinds.

/// Tiles of a product; results are the same, bit for bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tiles {
    /// What the sizes suggest when it runs.
    Auto,
    /// Many rows by two panels: weights are fetched the fewest times.
    Tall,
    /// Few rows by four panels: the fewest loads for each multiplication.
    Wide,
}
