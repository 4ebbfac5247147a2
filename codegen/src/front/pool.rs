//! Pooling, windowed and global.

use super::conv::{Window, window};
use super::cx::{Cx, Entry, Results, one};
use crate::ir::ValueId;
use crate::ops::map::Unary;
use crate::ops::pool::{Pool, PoolKind};
use crate::ops::reduce::{Reduce, ReduceKind};

/// MaxPool, AveragePool and LpPool.
pub fn pool(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let kind = match cx.node.op_type.as_str() {
        "MaxPool" => PoolKind::Max,
        "AveragePool" => PoolKind::Average { count_include_pad: cx.flag("count_include_pad", false) },
        _ => PoolKind::Lp(cx.int("p", 2) as f32),
    };
    let wants_indices = kind == PoolKind::Max && cx.node.output.get(1).is_some_and(|name| !name.is_empty());
    let indices = wants_indices.then(|| cx.flag("storage_order", false));
    Ok(windowed(cx, x, kind, indices)?.into_iter().map(Entry::Value).collect())
}

/// A pool whose window the node's attributes give, and the places of its elements if `indices` asks for them.
pub fn windowed(cx: &mut Cx, x: ValueId, kind: PoolKind, indices: Option<bool>) -> Result<Vec<ValueId>, String> {
    let rank = cx.rank(x);
    let kernel = cx.int_list("kernel_shape").ok_or("its kernel_shape is missing")?;
    if rank < 3 || kernel.len() != rank - 2 {
        return Err(format!("its window of {} axes does not fit an operand of {rank} axes", kernel.len()));
    }
    let size =
        |&v: &i64| usize::try_from(v).ok().filter(|&v| v > 0 && v < 1 << 24).ok_or_else(|| format!("a window of {v}"));
    let kernel = kernel.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let Window { kernel, stride, dilation, pads } = window(cx, x, kernel)?;
    let op = Pool { kind, kernel, stride, dilation, pads, ceil: cx.flag("ceil_mode", false), indices };
    let x = cx.channels_last(x)?;
    let outputs = cx.add_all(op, &[x])?;
    outputs.into_iter().map(|y| cx.channels_first(y)).collect()
}

/// GlobalAveragePool, GlobalMaxPool and GlobalLpPool.
pub fn global(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    if rank < 3 {
        return Err(format!("its operand has {rank} axes, and no spatial one among them"));
    }
    let reduce = |kind| Reduce { kind, axes: (2..rank).collect(), keep: true };
    one(match cx.node.op_type.as_str() {
        "GlobalAveragePool" => cx.add(reduce(ReduceKind::Mean), &[x])?,
        "GlobalMaxPool" => cx.add(reduce(ReduceKind::Max), &[x])?,
        _ if cx.int("p", 2) == 2 => {
            let sum = cx.add(reduce(ReduceKind::SumSquare), &[x])?;
            cx.unary(Unary::Sqrt, sum)?
        }
        _ if cx.int("p", 2) == 1 => cx.add(reduce(ReduceKind::L1), &[x])?,
        _ => return Err(format!("a global pool with p = {}; 1 and 2 are supported", cx.int("p", 2))),
    })
}
