//! The k elements of a row of A, where they lie, and the stages in which tiles take them.

/// Where a row of A finds its k elements: nested taps, the last of them the fastest, of `run` contiguous floats each.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub taps: [usize; 3],
    pub strides: [usize; 3],
    pub run: usize,
}

impl Window {
    /// `k` contiguous floats.
    #[inline(always)]
    pub const fn contiguous(k: usize) -> Self {
        Self { taps: [1; 3], strides: [0; 3], run: k }
    }

    /// Elements.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.taps[0] * self.taps[1] * self.taps[2] * self.run
    }

    /// Elements of its longest stage, at most, where it has one line of taps.
    pub const fn longest_stage(&self) -> usize {
        let n = self.pieces();
        // Those before the last end with a whole turn of the tile's loop.
        if n == 1 { self.run } else { self.run.div_ceil(n) + 4 }
    }

    /// Stages of a line that is longer than one.
    const fn pieces(&self) -> usize {
        if self.len() > STAGE + STAGE / 2 && self.taps[2] == 1 {
            let pieces = (self.run + STAGE / 2) / STAGE;
            if pieces > 1 { pieces } else { 1 }
        } else {
            1
        }
    }

    /// The stages in which tiles take the window: a stage is as long as its share of two panels may be to stay in the
    /// first-level cache while strips go by.
    pub fn stages(&self) -> Stages {
        let line = self.taps[2] * self.run;
        let (mut lines, pieces) = (self.taps[1].max(1), self.pieces());
        if self.len() > STAGE + STAGE / 2 {
            lines = (STAGE / line.max(1)).clamp(1, lines);
        }
        let n = self.taps[0] * self.taps[1].div_ceil(lines) * pieces;
        Stages { window: *self, lines, pieces, n: n.max(1) }
    }
}

/// Elements of k a stage has, about.
const STAGE: usize = 768;

/// A window in stages, each a window itself.
#[derive(Clone, Copy)]
pub(super) struct Stages {
    window: Window,
    /// Lines of taps a stage has.
    lines: usize,
    /// Stages of a line that is longer than one.
    pieces: usize,
    /// How many there are.
    pub n: usize,
}

/// Part of a window.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub window: Window,
    /// Where it starts in a row of A.
    pub a_from: usize,
    /// Its first element of k, and how many it has.
    pub k_from: usize,
    pub k_len: usize,
    /// Whether sums start with it, or end.
    pub first: bool,
    pub last: bool,
    /// Whether A holds these elements packed, see [`packed_f32`](super::packed_f32).
    pub packed: bool,
}

impl Stage {
    /// Elements `from..from + len` of `k`, where A holds a copy of just these.
    #[inline(always)]
    pub fn of_copy(from: usize, len: usize, k: usize) -> Self {
        let window = Window::contiguous(len);
        Self { window, a_from: 0, k_from: from, k_len: len, first: from == 0, last: from + len == k, packed: false }
    }

    /// The same elements of k where A holds a packed copy of just these.
    #[inline(always)]
    pub fn packed(&self) -> Self {
        Self { window: Window::contiguous(self.k_len), a_from: 0, packed: true, ..*self }
    }
}

impl Stages {
    /// All at once.
    #[inline(always)]
    pub fn whole(window: Window) -> Self {
        Self { window, lines: window.taps[1].max(1), pieces: 1, n: 1 }
    }

    /// Stage `i` of `n`.
    pub fn at(&self, i: usize) -> Stage {
        let Window { taps, strides, run } = self.window;
        let (first, last) = (i == 0, i + 1 == self.n);
        if self.n == 1 {
            return Stage {
                window: self.window,
                a_from: 0,
                k_from: 0,
                k_len: self.window.len(),
                first,
                last,
                packed: false,
            };
        }
        let groups = taps[1].div_ceil(self.lines);
        let (group, piece) = (i / self.pieces, i % self.pieces);
        let (t0, t1) = (group / groups, group % groups * self.lines);
        let lines = self.lines.min(taps[1] - t1);
        // Whole turns of the tile's loop.
        let cut = |piece: usize| if piece == self.pieces { run } else { run * piece / self.pieces / 4 * 4 };
        let (from, to) = (cut(piece), cut(piece + 1));
        let window = Window { taps: [1, lines, taps[2]], strides, run: to - from };
        Stage {
            window,
            a_from: t0 * strides[0] + t1 * strides[1] + from,
            k_from: (t0 * taps[1] + t1) * taps[2] * run + from,
            k_len: window.len(),
            first,
            last,
            packed: false,
        }
    }
}
