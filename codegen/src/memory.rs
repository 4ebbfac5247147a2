//! Lifetimes to arena offsets. Knows sizes and lifetimes, never the graph.
//!
//! Where every size is a number, or bounded, each buffer gets a fixed offset: largest first, at the lowest gap among the
//! buffers alive at the same time. Where a size is free, buffers share *slots*: a slot is as large as its largest tenant and
//! slots follow each other, so that offsets are sums that `run` computes once from the sizes it is given.

use crate::ir::{Bounds, Dim};
use crate::plan::{ArenaPlan, Buffer};

/// Alignment of every buffer, a cache line.
pub const ALIGN: i64 = 64;

/// Gives every buffer its offset.
pub fn place(mut buffers: Vec<Buffer>, bounds: &Bounds) -> ArenaPlan {
    let bound = |dim: &Dim| dim.range(&|name| bounds.get(name).copied()).map(|(_, high)| high.max(0));
    let sizes: Option<Vec<i64>> = buffers.iter().map(|b| bound(&b.bytes).map(aligned)).collect();
    let bytes = match sizes {
        Some(sizes) => Dim::from(place_fixed(&mut buffers, &sizes)),
        None => place_slots(&mut buffers),
    };
    ArenaPlan { buffers, bytes }
}

fn aligned(bytes: i64) -> i64 {
    bytes.saturating_add(ALIGN - 1) / ALIGN * ALIGN
}

fn overlap(a: &Buffer, b: &Buffer) -> bool {
    a.live.0 <= b.live.1 && b.live.0 <= a.live.1
}

fn place_fixed(buffers: &mut [Buffer], sizes: &[i64]) -> i64 {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), buffers[i].live, i));
    let mut placed: Vec<(i64, i64, usize)> = Vec::new();
    let mut peak = 0i64;
    for i in order {
        let mut offset = 0i64;
        // `placed` is sorted by offset: walk the gaps between those alive at the same time.
        for &(start, end, other) in &placed {
            if !overlap(&buffers[i], &buffers[other]) {
                continue;
            }
            if offset.saturating_add(sizes[i]) <= start {
                break;
            }
            offset = offset.max(end);
        }
        let end = offset.saturating_add(sizes[i]);
        let at = placed.partition_point(|&(start, ..)| start <= offset);
        placed.insert(at, (offset, end, i));
        buffers[i].offset = Dim::from(offset);
        peak = peak.max(end);
    }
    peak
}

fn place_slots(buffers: &mut [Buffer]) -> Dim {
    struct Slot {
        size: Dim,
        tenants: Vec<usize>,
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (buffers[i].live, i));
    let align = Dim::from(ALIGN);
    for i in order {
        let size = buffers[i].bytes.ceil_div(&align) * align.clone();
        let fits = |slot: &&mut Slot| slot.tenants.iter().all(|&other| !overlap(&buffers[i], &buffers[other]));
        // A slot of the very same size costs nothing; else any free one grows to the greater of both.
        let mut free: Vec<&mut Slot> = slots.iter_mut().filter(fits).collect();
        let best = free.iter().position(|slot| slot.size == size).or((!free.is_empty()).then_some(0));
        match best {
            Some(at) => {
                let slot = &mut free[at];
                slot.size = Dim::max(&slot.size, &size);
                slot.tenants.push(i);
            }
            None => slots.push(Slot { size, tenants: vec![i] }),
        }
    }
    let mut offset = Dim::from(0);
    for slot in slots {
        for tenant in slot.tenants {
            buffers[tenant].offset = offset.clone();
        }
        offset = offset + slot.size;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffers() -> impl Strategy<Value = Vec<(i64, usize, usize)>> {
        proptest::collection::vec((0i64..5000, 0usize..30, 0usize..8), 0..60)
    }

    fn apart(a: (i64, i64), b: (i64, i64)) -> bool {
        a.0 == a.1 || b.0 == b.1 || a.1 <= b.0 || b.1 <= a.0
    }

    proptest! {
        #[test]
        fn buffers_alive_together_never_overlap(sizes in buffers()) {
            let make = |bytes: Dim, &(_, start, len): &(i64, usize, usize)| {
                Buffer { bytes, offset: Dim::from(0), live: (start, start + len) }
            };
            let fixed = sizes.iter().map(|b| make(Dim::from(b.0), b)).collect();
            // The same sizes as multiples of a free symbol that turns out to be one.
            let free = sizes.iter().map(|b| make(Dim::from(b.0) * Dim::symbol("n"), b)).collect();
            for plan in [place(fixed, &Bounds::new()), place(free, &Bounds::new())] {
                let value = |dim: &Dim| dim.eval(&|_| Some(1)).unwrap();
                let spans: Vec<(i64, i64)> =
                    plan.buffers.iter().map(|b| (value(&b.offset), value(&b.offset) + value(&b.bytes))).collect();
                for (i, a) in plan.buffers.iter().enumerate() {
                    prop_assert_eq!(spans[i].0 % ALIGN, 0);
                    prop_assert!(spans[i].1 <= value(&plan.bytes));
                    for (j, b) in plan.buffers.iter().enumerate().take(i) {
                        prop_assert!(!overlap(a, b) || apart(spans[i], spans[j]), "{i} and {j} overlap");
                    }
                }
                let all: i64 = sizes.iter().map(|b| aligned(b.0)).sum();
                prop_assert!(value(&plan.bytes) <= all);
            }
        }
    }
}
