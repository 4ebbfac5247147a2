//! What the recurrent layers share: their schedule.
//!
//! A step waits for the one before, but sequences and directions do not wait for each other, so threads share these. Where
//! the weights are large or sequences few, they share each step instead: each thread makes some units of the state, by
//! weights that stay in its core's cache.

use core::ops::Range;

use super::copy::copy_run;
use super::lanes::get;
use super::simd::{Simd, Task};
use super::split::{Crew, Part, Split, own, parts, seen, times, whole};
use super::state_product::{COLUMNS, Project, padded};
use super::tile_f32::PANEL;

/// Which way a layer goes along its sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directions {
    /// From their beginning to their end.
    Forward,
    /// From their end to their beginning.
    Reverse,
    /// Forward, and beside it in reverse.
    Both,
}

impl Directions {
    /// How many.
    pub const fn count(self) -> usize {
        match self {
            Self::Forward | Self::Reverse => 1,
            Self::Both => 2,
        }
    }
}

/// Whether gates begin with panels of their own, so that threads can share the units of the state, whatever their number.
const fn gates_are_apart(hidden: usize) -> bool {
    hidden >= 2 * COLUMNS
}

/// Columns of the state's product from gate to gate.
pub const fn gate_pitch(hidden: usize) -> usize {
    if gates_are_apart(hidden) { padded(hidden) } else { hidden }
}

/// Columns of the state's product in whole panels.
pub const fn product_row(gates: usize, hidden: usize) -> usize {
    padded(gates * gate_pitch(hidden))
}

/// Floats of scratch of a layer, linear in the batch; its kind `keeps` so many for a sequence from one product to the next.
pub(super) const fn scratch_len(batch: usize, hidden: usize, dirs: usize, gates: usize, keeps: usize) -> usize {
    batch * (product_row(gates, hidden) + keeps + dirs * hidden)
}

/// What a kind of layer does with the products of one step.
pub(super) trait Kind {
    /// Numbers of a product for each unit of the state.
    const GATES: usize;

    /// Whether the products of the last gate are of what [`Kind::reset`] makes of the state.
    #[inline(always)]
    fn resets(&self) -> bool {
        false
    }

    /// What becomes of a state before the last gate's product, and what is kept until then.
    #[inline(always)]
    fn reset<S: Simd>(&self, _: S, _: &Cell<'_>, _state: &mut [f32], _kept: &mut [f32]) {}

    /// The state after the step, and the cell, where the kind has one.
    fn advance<S: Simd>(&self, s: S, cell: &Cell<'_>, kept: &[f32], state: &mut [f32], c: &mut [f32]);
}

/// One sequence at one step, seen from the first of the units that are to be made.
pub(super) struct Cell<'a> {
    /// Which direction.
    pub direction: usize,
    /// The first unit.
    pub first: usize,
    /// Size of the whole state.
    pub hidden: usize,
    x: &'a [f32],
    r: &'a [f32],
    /// These units before the step.
    pub old: &'a [f32],
}

impl Cell<'_> {
    /// What a gate of the first `len` of these units is made of.
    #[inline(always)]
    pub fn gate(&self, gate: usize, len: usize) -> Gate<'_> {
        let (x, r) = (gate * self.hidden, gate * gate_pitch(self.hidden));
        Gate { x: &self.x[x..][..len], r: &self.r[r..][..len] }
    }
}

/// A gate's products for some units: slices of one length, so that one check of what is read serves all gates.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    x: &'a [f32],
    r: &'a [f32],
}

impl Gate<'_> {
    /// Lanes `at..at + n` of the state's product, where `n` is `LANES` but at the end.
    #[inline(always)]
    pub fn recurrent<S: Simd>(&self, s: S, at: usize, n: usize) -> S::F32 {
        get(s, self.r, at, n)
    }

    /// The same of the input's.
    #[inline(always)]
    pub fn input<S: Simd>(&self, s: S, at: usize, n: usize) -> S::F32 {
        get(s, self.x, at, n)
    }

    /// Their sum.
    #[inline(always)]
    pub fn sum<S: Simd>(&self, s: S, at: usize, n: usize) -> S::F32 {
        s.add(self.input(s, at, n), self.recurrent(s, at, n))
    }
}

/// The sequences of a layer, in all its directions.
#[derive(Clone, Copy)]
pub(super) struct Sequences<'a> {
    /// `[batch]`: their lengths, `seq` if there are none.
    pub lens: Option<&'a [i32]>,
    /// Steps.
    pub seq: usize,
    /// How many.
    pub batch: usize,
    /// Size of the state.
    pub hidden: usize,
    pub directions: Directions,
    /// Floats of the states after each step from step to step.
    pub y_step_stride: usize,
}

/// A layer on its way along all sequences.
pub(super) struct Walk<'a, K> {
    /// `[seq]` times `[dirs][batch][hidden]`, or empty.
    pub y: *mut [f32],
    /// `[dirs][batch][hidden]`
    pub y_h: *mut [f32],
    /// The same of cells, or empty.
    pub cells: *mut [f32],
    /// `[seq][batch][dirs][GATES * hidden]`
    pub gates: &'a [f32],
    /// `[dirs]` times `[hidden][GATES * gate_pitch]` in panels.
    pub r: &'a [f32],
    /// `[dirs][batch][hidden]`
    pub h0: Option<&'a [f32]>,
    /// The same of cells.
    pub c0: Option<&'a [f32]>,
    pub sequences: Sequences<'a>,
    pub kind: K,
}

impl<K: Kind> Walk<'_, K> {
    /// Takes all steps of all sequences, in scratch of [`scratch_len`].
    ///
    /// # Safety
    /// The outputs must be valid for writing, and nothing else may use them meanwhile.
    #[inline(always)]
    pub unsafe fn go<S: Simd>(&self, s: S, crew: impl Crew, scratch: &mut [f32]) {
        let Sequences { lens, seq, batch, hidden, directions, y_step_stride } = self.sequences;
        let dirs = directions.count();
        let states = dirs * batch * hidden;
        let y_len = seq.saturating_sub(1) * y_step_stride + states;
        assert!(self.y.len() == 0 || states <= y_step_stride && y_len <= self.y.len());
        assert_eq!(self.y_h.len(), states);
        assert!(self.cells.len() == 0 || self.cells.len() == states);
        assert_eq!(self.gates.len(), seq * batch * dirs * K::GATES * hidden);
        assert_eq!(self.r.len(), dirs * hidden * product_row(K::GATES, hidden));
        assert!(lens.is_none_or(|lens| lens.len() == batch));
        if states == 0 {
            return;
        }
        if !self.shares_steps(crew.threads()) {
            crew.enter(s, InSequences { walk: self, scratch });
            return;
        }
        let (other, scratch) = scratch.split_at_mut(states);
        for share in self.sequences.share(Part::WHOLE) {
            // SAFETY: as the caller says.
            unsafe { self.start(&share, other) };
        }
        for step in 0..seq {
            crew.enter(s, InUnits { walk: self, step, other, scratch });
        }
    }

    /// Whether `threads` threads are sooner done if they share each step than if they share the sequences.
    ///
    /// Fetching weights takes a step as long as some sequences more would.
    fn shares_steps(&self, threads: usize) -> bool {
        const FETCH: usize = 6;
        let Sequences { batch, hidden, directions, .. } = self.sequences;
        let (dirs, blocks) = (directions.count(), self.blocks());
        if threads == 1 || blocks < 2 {
            return false;
        }
        let rows = (dirs * batch).div_ceil(threads);
        let by_sequences = (K::GATES * hidden * hidden).saturating_mul(rows + FETCH * rows.div_ceil(batch));
        let of_a_block = (K::GATES * hidden * COLUMNS).saturating_mul(batch + FETCH);
        of_a_block.saturating_mul(blocks.div_ceil(threads)).saturating_add(FORK) < by_sequences
    }

    /// The blocks of units that can be made apart from others, in all directions.
    fn blocks(&self) -> usize {
        let Sequences { hidden, directions, .. } = self.sequences;
        let apart = gates_are_apart(hidden) && !self.kind.resets();
        if apart { directions.count() * hidden.div_ceil(COLUMNS) } else { 0 }
    }

    /// Of the places of states, the one that holds them before `step`, and the one that holds them after it: `y_h` after the last.
    fn places(&self, step: usize, other: *mut [f32]) -> (*mut [f32], *mut [f32]) {
        let is_first = (self.sequences.seq - step).is_multiple_of(2);
        if is_first { (self.y_h, other) } else { (other, self.y_h) }
    }

    /// Writes the states, in `y_h` or `other`, and cells before the first step.
    ///
    /// # Safety
    /// As for [`Walk::take`], of all units.
    unsafe fn start(&self, share: &Share<'_>, other: *mut [f32]) {
        let states = share.states();
        let fill = |state: &mut [f32], initial: Option<&[f32]>| match initial {
            Some(initial) => state.copy_from_slice(&initial[states.clone()]),
            None => state.fill(0.0),
        };
        // SAFETY: these sequences' own, for which the caller vouches.
        unsafe {
            fill(own(self.places(0, other).0, states.clone()), self.h0);
            if self.cells.len() > 0 {
                fill(own(self.cells, states.clone()), self.c0);
            }
        }
    }

    /// Makes some `units` of the states of some sequences after `step`.
    ///
    /// # Safety
    /// The outputs and `other` must be valid for writing, and nothing else may use what these units of these sequences are in, nor write
    /// the states before the step, meanwhile.
    #[inline(always)]
    unsafe fn take<S: Simd>(
        &self,
        s: S,
        share: &Share<'_>,
        step: usize,
        units: &Range<usize>,
        other: *mut [f32],
        scratch: &mut [f32],
    ) {
        let Sequences { hidden, .. } = self.sequences;
        let (states, (old, new)) = (share.states(), self.places(step, other));
        // SAFETY: nobody writes them, as the caller says.
        let old = unsafe { seen(old, states.clone()) };
        let (n, pitch, row) = (old.len() / hidden, gate_pitch(hidden), product_row(K::GATES, hidden));
        let resets = self.kind.resets();
        let (projected, rest) = scratch.split_at_mut(n * row);
        let (reset, kept) = rest.split_at_mut(if resets { n * hidden } else { 0 });
        let early = if resets { K::GATES - 1 } else { K::GATES };
        self.ask(s, share, step, units);
        let r = &self.r[share.direction * hidden * row..][..hidden * row];
        let several = self.sequences.batch > 1;
        // What is done for a column must not depend on who shares the units.
        let (products, columns) = if gates_are_apart(hidden) { (early, units.clone()) } else { (1, 0..early * pitch) };
        for gate in 0..products {
            let panels = (gate * pitch + columns.start) / PANEL..(gate * pitch + columns.end).div_ceil(PANEL);
            s.enter(Project { out: projected, h: old, r, row, k: hidden, panels, several });
        }
        if resets {
            for (i, (reset, kept)) in reset.chunks_exact_mut(hidden).zip(kept.chunks_exact_mut(hidden)).enumerate() {
                if let Some(time) = share.time(step, i) {
                    self.kind.reset(s, &self.cell(share, units, old, projected, i, time), reset, kept);
                }
            }
            let panels = early * pitch / PANEL..row / PANEL;
            s.enter(Project { out: projected, h: reset, r, row, k: hidden, panels, several });
        }
        for i in 0..n {
            let at = states.start + i * hidden;
            let at = at + units.start..at + units.end;
            let (time, y) = (share.time(step, i), self.y_at(step, share.time(step, i), at.clone()));
            // SAFETY: these units' own, for which the caller vouches.
            let (new, c, y) = unsafe {
                let cells = if self.cells.len() > 0 { at.clone() } else { 0..0 };
                (own(new, at), own(self.cells, cells), own(self.y, y))
            };
            match time {
                Some(time) => {
                    let kept = if resets { &kept[i * hidden..][..hidden] } else { &[] };
                    self.kind.advance(s, &self.cell(share, units, old, projected, i, time), kept, new, c);
                    copy_run(y, &new[..y.len()]);
                }
                None => {
                    copy_run(new, &old[i * hidden..][units.clone()]);
                    y.fill(0.0);
                }
            }
        }
    }

    /// Where the input's part in the gates of sequence `i` of `share` begins for its element at `time`.
    #[inline(always)]
    fn gates_at(&self, share: &Share<'_>, i: usize, time: usize) -> usize {
        let Sequences { hidden, batch, directions, .. } = self.sequences;
        ((time * batch + share.rows.start + i) * directions.count() + share.direction) * K::GATES * hidden
    }

    /// Asks for the input's part in the gates of these units, so that it is near when the state's product is done: with several
    /// sequences it lies in short runs far apart, which processors do not foresee.
    #[inline(always)]
    fn ask<S: Simd>(&self, s: S, share: &Share<'_>, step: usize, units: &Range<usize>) {
        const LINE: usize = 16;
        let hidden = self.sequences.hidden;
        for i in 0..share.rows.len() {
            let Some(time) = share.time(step, i) else { continue };
            let from = self.gates_at(share, i, time);
            for gate in 0..K::GATES {
                for unit in units.clone().step_by(LINE) {
                    s.prefetch(self.gates.as_ptr().wrapping_add(from + gate * hidden + unit));
                }
            }
        }
    }

    /// What there is of sequence `i` of `share` for its element at `time`.
    #[inline(always)]
    fn cell<'b>(
        &'b self,
        share: &Share<'_>,
        units: &Range<usize>,
        old: &'b [f32],
        projected: &'b [f32],
        i: usize,
        time: usize,
    ) -> Cell<'b> {
        let hidden = self.sequences.hidden;
        let (columns, row_len, first) = (K::GATES * hidden, product_row(K::GATES, hidden), units.start);
        Cell {
            direction: share.direction,
            first,
            hidden,
            x: &self.gates[self.gates_at(share, i, time)..][first..columns],
            r: &projected[i * row_len..][first..row_len],
            old: &old[i * hidden..][units.clone()],
        }
    }

    /// Where `y` has the states `at` after `step`, which was about the element at `time`: nowhere, if nobody reads it.
    fn y_at(&self, step: usize, time: Option<usize>, at: Range<usize>) -> Range<usize> {
        let before = time.unwrap_or(step) * self.sequences.y_step_stride;
        if self.y.len() == 0 { 0..0 } else { before + at.start..before + at.end }
    }
}

/// What a step that threads share has to take longer than one that they do not, in multiplications with addition.
const FORK: usize = 256 * 1024;

/// All steps, of sequences that threads share.
struct InSequences<'w, 'a, K> {
    walk: &'w Walk<'a, K>,
    scratch: &'w mut [f32],
}

impl<K: Kind> Task for InSequences<'_, '_, K> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<K: Kind> Split for InSequences<'_, '_, K> {
    fn parts(&self, threads: usize) -> usize {
        let Sequences { seq, batch, hidden, directions, .. } = self.walk.sequences;
        let rows = directions.count() * batch;
        // No more than threads: each part reads all weights in every step, for the fewer sequences the more there are.
        parts((seq * rows).saturating_mul(K::GATES * hidden * hidden), rows.min(threads), threads)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        self.scratch
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: the caller vouches for the task, which nobody writes.
        let walk = unsafe { (*task).walk };
        let Sequences { seq, hidden, .. } = walk.sequences;
        let (other, scratch) = scratch.split_at_mut(walk.y_h.len());
        for share in walk.sequences.share(part) {
            // SAFETY: sequences are divided among the parts, and `other` is this thread's.
            unsafe {
                walk.start(&share, other);
                for step in 0..seq {
                    walk.take(s, &share, step, &(0..hidden), other, scratch);
                }
            }
        }
    }
}

/// One step of all sequences, whose units threads share.
struct InUnits<'w, 'a, K> {
    walk: &'w Walk<'a, K>,
    step: usize,
    other: *mut [f32],
    scratch: &'w mut [f32],
}

impl<K: Kind> Task for InUnits<'_, '_, K> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<K: Kind> Split for InUnits<'_, '_, K> {
    fn parts(&self, threads: usize) -> usize {
        self.walk.blocks().min(threads)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        self.scratch
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: the caller vouches for the task, of which nobody writes these.
        let (walk, step, other) = unsafe { ((*task).walk, (*task).step, (*task).other) };
        let hidden = walk.sequences.hidden;
        let of_direction = hidden.div_ceil(COLUMNS);
        let blocks = part.range(walk.blocks());
        for share in walk.sequences.share(Part::WHOLE) {
            let from = |block: usize| block.saturating_sub(share.direction * of_direction).min(of_direction);
            let units = from(blocks.start) * COLUMNS..(from(blocks.end) * COLUMNS).min(hidden);
            if !units.is_empty() {
                // SAFETY: units are divided among the parts, which write no state before the step.
                unsafe { walk.take(s, &share, step, &units, other, scratch) };
            }
        }
    }
}

impl<'a> Sequences<'a> {
    /// A part's sequences of each direction.
    fn share(self, part: Part) -> impl Iterator<Item = Share<'a>> {
        let all = part.range(self.directions.count() * self.batch);
        (0..self.directions.count()).filter_map(move |direction| {
            let from = |row: usize| row.saturating_sub(direction * self.batch).min(self.batch);
            let rows = from(all.start)..from(all.end);
            let reverse = self.directions == Directions::Reverse || direction == 1;
            (!rows.is_empty()).then_some(Share { all: self, direction, reverse, rows })
        })
    }
}

/// Some sequences of one direction.
struct Share<'a> {
    all: Sequences<'a>,
    direction: usize,
    reverse: bool,
    rows: Range<usize>,
}

impl Share<'_> {
    /// Where their states lie among all states, `[dirs][batch][hidden]`.
    fn states(&self) -> Range<usize> {
        let before = self.direction * self.all.batch;
        times(&(before + self.rows.start..before + self.rows.end), self.all.hidden)
    }

    /// Which element of sequence `i` of these `step` is about: none once the sequence is over.
    #[inline(always)]
    fn time(&self, step: usize, i: usize) -> Option<usize> {
        let seq = self.all.seq;
        let given = self.all.lens.map(|lens| lens[self.rows.start + i]);
        let len = given.map_or(seq, |len| usize::try_from(len).map_or(0, |len| len.min(seq)));
        match self.reverse {
            _ if step >= len => None,
            true => Some(len - 1 - step),
            false => Some(step),
        }
    }
}

/// `x` kept between `-limit` and `limit`, if there is one.
#[inline(always)]
pub(super) fn clipped<S: Simd>(s: S, x: S::F32, limit: Option<f32>) -> S::F32 {
    match limit {
        Some(limit) => s.min(s.max(x, s.splat(-limit)), s.splat(limit)),
        None => x,
    }
}
