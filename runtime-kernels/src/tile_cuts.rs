//! How the rows and columns of a product are cut into tiles of f32.

use super::simd::Simd;
use super::tile_f32::PANEL;
use super::tiles::Tiles;

/// Rows of the tiles over one to four panels, 0 where there are none.
pub(super) const fn most_rows<S: Simd>(panels: usize) -> usize {
    match S::TILE_ROWS[panels - 1] {
        0 if panels == 2 => S::PAIR_ROWS,
        rows => rows,
    }
}

/// Elements of k up to which tiles over two panels of [`Simd::PAIR_ROWS`] rows are worth reading these once more.
const PAIR_K: usize = 512;

/// Whether tiles over two panels are faster for `rows` rows where they are so low: if one strip is enough, or as many as over one panel
/// would be hardly fewer. (Of 1 to 12 rows, measured.)
#[inline(always)]
fn pairs_pay<S: Simd>(rows: usize, k: usize) -> bool {
    let few = rows > S::TILE_ROWS[0] && rows <= 3 * S::PAIR_ROWS && k <= PAIR_K;
    S::PAIR_ROWS > 0 && (few || rows <= S::PAIR_ROWS)
}

/// Rows a tile over `panels` panels should have when the rows of A are `row_stride` floats apart.
///
/// Rows a multiple of 4 KiB apart share one set of the first-level cache; eight of them still fit its ways.
#[inline(always)]
pub(super) fn tile_rows<S: Simd>(row_stride: usize, panels: usize) -> usize {
    let most = most_rows::<S>(panels.clamp(1, 4));
    if row_stride != 0 && row_stride.is_multiple_of(1024) && most > 8 { 8 } else { most }
}

/// Whether tiles themselves leave out columns that there are not.
pub(super) const fn writes_parts<S: Simd>() -> bool {
    S::CHEAP_PARTS && S::LANES == PANEL
}

/// The numbers of panels that tiles take of those of `n` columns, one after another, none more than `most`. A panel that is not whole
/// stays alone where tiles do not leave columns out.
#[inline(always)]
pub(super) fn panel_groups<S: Simd>(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let alone = if n.is_multiple_of(PANEL) || writes_parts::<S>() { 0 } else { 1 };
    let others = n.div_ceil(PANEL) - alone;
    let groups = others.div_ceil(most);
    let [(more, many), (fewer, _)] = shares(others, groups);
    // No iterator of iterators: the loop's body would be there twice.
    (0..groups + alone).map(move |i| match i {
        _ if i < many => more,
        _ if i < groups => fewer,
        _ => 1,
    })
}

/// Floats of panels that a first-level cache keeps from strip to strip.
const FIRST_LEN: usize = 12 * 1024;

/// Rows from which on panels are worth fetching anew for each strip, if wide tiles are.
const MANY_ROWS: usize = 48;

/// The most panels a tile should span when the `rows` that lie one after another are cut into strips, and panels have `k` rows
/// that strip after strip finds near if `stays`.
///
/// Wide tiles load the least for each multiplication, which counts most where another thread of the core is busy too. Tall ones are as
/// good or better where they take fewer strips, of sixteen rows at most, and where a first-level cache keeps two panels for a few
/// strips but not four. (Measured, of 2 to 100 rows.)
#[inline(always)]
pub(super) fn widest<S: Simd>(tiles: Tiles, rows: usize, k: usize, stays: bool) -> usize {
    let [_, two, _, four] = S::TILE_ROWS;
    let wide = match tiles {
        _ if four == 0 => false,
        Tiles::Auto => {
            let evenly = rows > 2 * LOW_ROWS || rows.div_ceil(four) <= rows.div_ceil(LOW_ROWS);
            let only_two_stay = 4 * PANEL * k > FIRST_LEN && 2 * PANEL * k <= FIRST_LEN;
            evenly && (stays || rows <= four || rows >= MANY_ROWS || !only_two_stay)
        }
        Tiles::Tall => false,
        Tiles::Wide => rows >= four,
    };
    match (wide, two) {
        (true, _) => 4,
        (_, 0) if !pairs_pay::<S>(rows, k) => 1,
        _ => 2,
    }
}

/// So many panels, or one instead of a pair whose panels are not `near` and serve these rows alone: pairs take more strips, so that
/// panels are read more often, and more slowly than one at a time. (Measured, of 2 to 9 rows.)
#[inline(always)]
pub(super) fn unpaired<S: Simd>(panels: usize, near: bool) -> usize {
    match panels {
        2 if const { S::TILE_ROWS[1] == 0 } && !near => 1,
        _ => panels,
    }
}

/// `n` things in `of` shares that differ by one at most, the larger first: sizes, and how many have them.
#[inline(always)]
pub(super) fn shares(n: usize, of: usize) -> [(usize, usize); 2] {
    if of == 0 {
        return [(0, 0); 2];
    }
    let (size, larger) = (n / of, n % of);
    [(size + 1, larger), (size, of - larger)]
}

/// Rows up to which there are tiles of every height. Of higher ones only the highest is worth its code.
pub(super) const LOW_ROWS: usize = 8;

/// The strips that `n` rows are cut into, none higher than `most`: heights that tiles have, and how many strips have them.
pub(super) fn strips(n: usize, most: usize) -> [(usize, usize); 3] {
    if most <= LOW_ROWS {
        let [first, second] = shares(n, n.div_ceil(most));
        return [first, second, (0, 0)];
    }
    let (mut whole, mut rest) = (n / most, n % most);
    // One row costs as much as several, so that two strips alike are better than a high one and the lowest.
    if whole > 0 && rest > 0 && rest + most <= 2 * LOW_ROWS {
        (whole, rest) = (whole - 1, rest + most);
    }
    let [first, second] = shares(rest, rest.div_ceil(LOW_ROWS));
    [(most, whole), first, second]
}

/// Those heights that there are strips of, and maybe others; a loop over all three would be written out.
pub(super) fn in_use(strips: &[(usize, usize); 3]) -> &[(usize, usize)] {
    let n = strips.iter().rposition(|&(_, n)| n > 0).map_or(0, |last| last + 1);
    &strips[..n]
}

/// How many strips these are.
#[inline(always)]
pub(super) fn count(strips: &[(usize, usize); 3]) -> usize {
    strips.iter().map(|&(_, n)| n).sum()
}
