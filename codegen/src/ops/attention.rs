//! Attention: values weighted by the softmax of products of queries and keys.
//!
//! What projections wrote is read where it lies: queries, keys and values are regular selections of their operands, so no
//! operand is split or transposed first. `passes/fuse_attention` makes the op; no front end does.

use super::operands::{is_f32, result};
use super::walk::dense;
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Shape, Tensor, Type, indices};
use crate::plan::{Arg, Operand};
use kiln_kernels::attention_f32::{self, MOST_QUERIES, SCORES_LEN};

/// Where the elements of a matrix of each entry lie in an operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Lay {
    /// Of the first element.
    pub offset: Dim,
    /// From entry to entry along each axis of the batch, from row to row and from column to column; 0 repeats.
    pub strides: Vec<Dim>,
}

/// `softmax(scale · q·kᵀ + masks)·v` for each entry of the batch. Operands: of queries, of keys, of values, then masks.
#[derive(Clone, PartialEq, Debug)]
pub struct Attention {
    /// Axes of the batch, three at most.
    pub batch: Shape,
    /// Rows of queries and of the result.
    pub queries: Dim,
    /// Rows of keys and of values.
    pub keys: Dim,
    /// Columns of queries and of keys.
    pub width: Dim,
    /// Columns of values and of the result.
    pub out_width: Dim,
    /// Multiplies the products; above zero.
    pub scale: f32,
    /// Where queries, keys, values and the masks lie in the operands.
    pub lays: Vec<Lay>,
    /// Whether a row that would be NaN is zero instead.
    pub nan_is_zero: bool,
    /// The axes of the result: each an axis of `batch`, then rows, then columns, which stay last.
    pub perm: Vec<usize>,
}

impl Attention {
    /// The sizes of what operand `i` holds.
    fn sizes(&self, i: usize) -> Shape {
        let (rows, cols) = match i {
            0 => (&self.queries, &self.width),
            1 => (&self.keys, &self.width),
            2 => (&self.keys, &self.out_width),
            _ => (&self.queries, &self.keys),
        };
        self.batch.iter().chain([rows, cols]).cloned().collect()
    }

    /// The result's sizes, batch, rows and columns in order.
    fn out_sizes(&self) -> Shape {
        self.batch.iter().chain([&self.queries, &self.out_width]).cloned().collect()
    }

    fn entries(&self) -> Dim {
        Dim::product(&self.batch)
    }
}

impl Lay {
    /// The greatest position, if it is known and there are any elements.
    fn last(&self, sizes: &[Dim]) -> Option<i128> {
        let mut last = i128::from(self.offset.as_const()?);
        for (size, stride) in sizes.iter().zip(&self.strides) {
            let (size, stride) = (size.as_const().filter(|&size| size > 0)?, stride.as_const()?);
            last += i128::from(size - 1) * i128::from(stride);
        }
        Some(last)
    }
}

impl Rules for Attention {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let rank = self.batch.len() + 2;
        if inputs.len() < 3 || inputs.len() > 5 || inputs.len() != self.lays.len() {
            return Err(format!("takes 3 to 5 operands, one for each of {}, not {}", self.lays.len(), inputs.len()));
        }
        let permutes = self.perm.len() == rank && (0..rank).all(|axis| self.perm.contains(&axis));
        if self.batch.len() > 3 || !permutes || self.perm.last() != Some(&(rank - 1)) {
            return Err(format!("{:?} is no order of its axes, of which there are five at most", self.perm));
        }
        if self.scale.is_nan() || self.scale <= 0.0 {
            return Err(format!("a scale of {} is not above zero", self.scale));
        }
        for (i, (ty, lay)) in inputs.iter().zip(&self.lays).enumerate() {
            is_f32(ty)?;
            let sizes = self.sizes(i);
            if lay.strides.len() != rank || (i > 2 && !lay.strides[rank - 1].is(1)) {
                return Err(format!("operand {i} lies by {:?}, which does not fit {rank} axes", lay.strides));
            }
            let len = ty.len().as_const().map(i128::from);
            if let (Some(last), Some(len)) = (lay.last(&sizes), len)
                && last >= len
            {
                return Err(format!("its operand {i} of {len} elements has none at {last}"));
            }
        }
        let sizes = self.out_sizes();
        Ok(vec![Type { dtype: DType::F32, shape: self.perm.iter().map(|&axis| sizes[axis].clone()).collect() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let number = |dim: &Dim| dim.as_usize().ok_or_else(|| format!("{dim} is not known"));
        let numbers = |dims: &[Dim]| dims.iter().map(number).collect::<Result<Vec<usize>, String>>();
        let data: Vec<Vec<f64>> = inputs.iter().map(|t| t.to_f64s()).collect();
        let offsets = self.lays.iter().map(|lay| number(&lay.offset)).collect::<Result<Vec<_>, _>>()?;
        let strides = self.lays.iter().map(|lay| numbers(&lay.strides)).collect::<Result<Vec<_>, _>>()?;
        let lead = self.batch.len();
        let element = |i: usize, entry: &[usize], row: usize, col: usize| {
            let index = entry.iter().chain([&row, &col]);
            data[i][offsets[i] + index.zip(&strides[i]).map(|(i, stride)| i * stride).sum::<usize>()]
        };
        let (keys, width) = (number(&self.keys)?, number(&self.width)?);
        let out = indices(&dims).map(|index| {
            let mut logical = vec![0; index.len()];
            self.perm.iter().zip(&index).for_each(|(&axis, &i)| logical[axis] = i);
            let (entry, row, col) = (&logical[..lead], logical[lead], logical[lead + 1]);
            let score = |key| {
                let products = (0..width).map(|d| element(0, entry, row, d) * element(1, entry, key, d));
                let masks = (3..data.len()).map(|mask| element(mask, entry, row, key));
                products.sum::<f64>() * f64::from(self.scale) + masks.sum::<f64>()
            };
            let scores: Vec<f64> = (0..keys).map(score).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            let weighted = scores.iter().enumerate();
            let weighted = weighted.map(|(key, score)| (score - most).exp() / sum * element(2, entry, key, col));
            if self.nan_is_zero && sum.is_nan() { 0.0 } else { weighted.sum::<f64>() }
        });
        Ok(vec![Tensor::from_f64s(dtype, dims.clone(), &out.collect::<Vec<f64>>())])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        let sizes = [&mut self.queries, &mut self.keys, &mut self.width, &mut self.out_width];
        let lays = self.lays.iter_mut().flat_map(|lay| std::iter::once(&mut lay.offset).chain(&mut lay.strides));
        self.batch.iter_mut().chain(sizes).chain(lays).collect()
    }

    fn macs(&self, _: &[&Type], _: &[&Type]) -> Dim {
        self.entries() * self.queries.clone() * self.keys.clone() * (self.width.clone() + self.out_width.clone())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let lead = self.batch.len();
        let first = |dims: &[Dim], fill: i64| {
            let mut all = vec![Dim::from(fill); 3 - lead];
            all.extend_from_slice(&dims[..lead]);
            all
        };
        let strides = |strides: &[Dim]| {
            let mut all = first(strides, 0);
            all.extend_from_slice(&strides[lead..]);
            all
        };
        let scratch = cx.scratch(DType::F32, self.scratch());
        let operands: Vec<Operand> = (0..self.lays.len())
            .map(|i| {
                let (operand, offset) = (cx.input(i), self.lays[i].offset.clone());
                let rest = operand.len.clone() - offset.clone();
                operand.part(offset, rest)
            })
            .collect();
        let out = cx.output(0);
        let steps = dense(&cx.out_ty(0).shape);
        let mut out_strides = vec![Dim::from(0); lead + 2];
        self.perm.iter().zip(steps).for_each(|(&axis, step)| out_strides[axis] = step);
        out_strides.pop();
        let size = |dim: &Dim| Arg::Size(dim.clone());
        let sizes = |dims: &[Dim]| Arg::Sizes(strides(dims));
        let masks: Vec<Option<Operand>> = (3..5).map(|i| operands.get(i).cloned()).collect();
        let mask_strides = (3..5).map(|i| match self.lays.get(i) {
            Some(lay) => strides(&lay.strides[..=lead]),
            None => vec![Dim::from(0); 4],
        });
        let fields = vec![
            ("out", Arg::Write(out)),
            ("q", Arg::Read(operands[0].clone())),
            ("k", Arg::Read(operands[1].clone())),
            ("v", Arg::Read(operands[2].clone())),
            ("masks", Arg::ReadOpts(masks)),
            ("scratch", Arg::Write(scratch)),
            ("batch", Arg::Sizes(first(&self.batch, 1))),
            ("queries", size(&self.queries)),
            ("keys", size(&self.keys)),
            ("width", size(&self.width)),
            ("out_width", size(&self.out_width)),
            ("scale", Arg::Float(f64::from(self.scale))),
            ("nan_is_zero", Arg::Bool(self.nan_is_zero)),
            ("out_strides", sizes(&out_strides)),
            ("q_strides", sizes(&self.lays[0].strides)),
            ("k_strides", sizes(&self.lays[1].strides)),
            ("v_strides", sizes(&self.lays[2].strides)),
            ("mask_strides", Arg::Table(mask_strides.collect())),
        ];
        cx.call("attention_f32", "Attention", fields);
        Ok(())
    }
}

impl Attention {
    /// A bound on the scratch where some sizes are symbols; the exact number where they are not.
    fn scratch(&self) -> Dim {
        let sizes = [&self.queries, &self.keys, &self.width, &self.out_width].map(Dim::as_usize);
        if let [Some(queries), Some(keys), Some(width), Some(out_width)] = sizes {
            return Dim::from(attention_f32::scratch_len(queries, keys, width, out_width));
        }
        // Panels are whole, scores lie up to 31 further apart than there are keys, queries up to 16 further than they are
        // wide, and blocks have 14 queries or so many as their scores allow.
        let (above, gap) = (Dim::from(15), Dim::from(31));
        let keys = (self.keys.clone() + above.clone()) * self.width.clone();
        let values = (self.out_width.clone() + above) * self.keys.clone();
        let scores = Dim::from(SCORES_LEN) + Dim::from(14) * (self.keys.clone() + gap);
        keys + values + scores + Dim::from(MOST_QUERIES) * (self.width.clone() + Dim::from(17))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(queries: Dim, keys: Dim, width: Dim, out_width: Dim) -> Attention {
        let lay = |strides: [i64; 2]| Lay { offset: Dim::from(0), strides: strides.map(Dim::from).to_vec() };
        let lays = vec![lay([2, 1]), lay([2, 1]), lay([1, 1])];
        Attention {
            batch: vec![],
            queries,
            keys,
            width,
            out_width,
            scale: 0.5,
            lays,
            nan_is_zero: false,
            perm: vec![0, 1],
        }
    }

    #[test]
    fn the_bound_on_scratch_holds_for_any_size() {
        let [q, k, w, o] = ["q", "k", "w", "o"].map(Dim::symbol);
        let bound = sizes(q, k, w, o).scratch();
        for queries in [0, 1, 14, 100, 5000] {
            for keys in [0, 1, 3, 16, 64, 255, 256, 1000, 4096, 100_000] {
                for (width, out_width) in [(1, 1), (64, 64), (15, 40), (256, 300)] {
                    let of = |name: &str| {
                        [("q", queries), ("k", keys), ("w", width), ("o", out_width)]
                            .into_iter()
                            .find_map(|(known, size)| (known == name).then_some(size))
                    };
                    let [q, k, w, o] = [queries, keys, width, out_width].map(|size| size as usize);
                    let exact = attention_f32::scratch_len(q, k, w, o) as i64;
                    let most = bound.eval(&of).unwrap();
                    assert!(exact <= most, "{queries} {keys} {width} {out_width}: {exact} over {most}");
                }
            }
        }
    }

    #[test]
    fn equal_keys_give_the_mean_of_the_values() {
        let t = |shape: [usize; 2], values: &[f64]| Tensor::from_f64s(DType::F32, shape.to_vec(), values);
        let op = sizes(Dim::from(1), Dim::from(2), Dim::from(2), Dim::from(1));
        let (q, k, v) = (t([1, 2], &[3.0, 4.0]), t([2, 2], &[1.0, 2.0, 1.0, 2.0]), t([2, 1], &[5.0, 8.0]));
        assert_eq!(op.eval(&[&q, &k, &v]).unwrap()[0].to_f64s(), [6.5]);
        let beyond = t([1, 1], &[1.0]);
        assert!(op.eval(&[&q, &k, &beyond]).is_err());
    }
}
