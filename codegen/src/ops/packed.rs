//! Weights as kernels read them: a constant is laid out now, an operand while the model runs.

use super::Lower;
use crate::ir::{DType, Dim};
use crate::plan::{Arg, Operand};
use kiln_kernels::panels::Panels;

/// A constant in the panels that `layouts` describe, `len` elements in all.
pub fn laid_out(cx: &mut Lower, source: &[f32], layouts: &[Panels], len: usize) -> Operand {
    let mut panels = vec![0.0; len];
    layouts.iter().for_each(|layout| layout.write(&mut panels, source));
    cx.weight_f32(&panels)
}

/// Operand `i` of the node in the panels that `layouts` describe, `len` elements of `f32` in all.
pub fn packed(cx: &mut Lower, i: usize, layouts: &[Panels], len: usize) -> Operand {
    if let Some(tensor) = cx.tensor(i) {
        return laid_out(cx, &tensor.to_f32s(), layouts, len);
    }
    let (out, x) = (cx.scratch(DType::F32, Dim::from(len)), cx.input(i));
    for layout in layouts {
        let sizes = |sizes: &[usize]| Arg::Sizes(sizes.iter().copied().map(Dim::from).collect());
        let size = |size: usize| Arg::Size(Dim::from(size));
        let panels = Arg::Struct(
            "panels::Panels",
            vec![
                ("blocks", size(layout.blocks)),
                ("block_stride", size(layout.block_stride)),
                ("to", size(layout.to)),
                ("to_stride", size(layout.to_stride)),
                ("first", size(layout.first)),
                ("rows", sizes(&layout.rows)),
                ("row_strides", Arg::Signeds(layout.row_strides.iter().map(|&step| Dim::from(step as i64)).collect())),
                ("cols", size(layout.cols)),
                ("col_stride", size(layout.col_stride)),
            ],
        );
        let fields = vec![("out", Arg::Write(out.clone())), ("x", Arg::Read(x.clone())), ("panels", panels)];
        cx.prepare("panels", "Pack", fields);
    }
    out
}
