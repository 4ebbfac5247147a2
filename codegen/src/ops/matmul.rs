//! Matrix products.

use super::broadcast::{broadcast, broadcast_equalities, collapse};
use super::epilogue;
use super::map::{Binary, Map};
use super::operands::{count, fixed, has_shape, is_number, is_of, result};
use super::packed::packed;
use super::window::three;
use super::{Lower, Rules, tiles};
use crate::ir::{DType, Dim, Tensor, Type, indices, strides};
use crate::plan::{Arg, Operand};
use crate::tuning::{Candidate, Kind};
use kiln_kernels::{matmul_any, matmul_batch_f32, matmul_f32, pack};

/// Matrix product over broadcast batch axes: a `[…, m, k]` (or `[…, k, m]` if `trans_a`), b `[…, k, n]` (or `[…, n, k]` if `trans_b`), both of rank
/// 2 at least, bias `[n]` if `bias`, then the epilogue's operands.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MatMul {
    /// Whether the last two axes of a are swapped.
    pub trans_a: bool,
    /// Whether the last two axes of b are swapped.
    pub trans_b: bool,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// What happens to each result before it is stored; operand 0 is the result so far.
    pub epilogue: Option<Map>,
}

impl Rules for MatMul {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let first = 2 + usize::from(self.bias);
        count(inputs, first + epilogue::n_operands(self.epilogue.as_ref()))?;
        let (a, b) = (inputs[0], inputs[1]);
        is_number(a)?;
        is_of("the second operand", b, a.dtype)?;
        if a.rank() < 2 || b.rank() < 2 {
            return Err(format!("{a} and {b} are not both matrices"));
        }
        let ([m, k], [rows, n]) = (matrix(a, self.trans_a), matrix(b, self.trans_b));
        if k.agreed(&rows).is_none() {
            return Err(format!("{a} and {b} do not multiply: {k} columns against {rows} rows"));
        }
        let mut shape = broadcast(&a.shape[..a.rank() - 2].to_vec(), &b.shape[..b.rank() - 2].to_vec())?;
        shape.extend([m, n.clone()]);
        if self.bias {
            is_of("the bias", inputs[2], a.dtype)?;
            has_shape("the bias", inputs[2], &[n])?;
        }
        Ok(vec![epilogue::infer(self.epilogue.as_ref(), Type { dtype: a.dtype, shape }, &inputs[first..])?])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let first = 2 + usize::from(self.bias);
        let types: Vec<Type> = inputs.iter().map(|t| t.ty()).collect();
        let plain = MatMul { bias: false, epilogue: None, ..*self };
        let (dtype, dims) = result(self, inputs).and_then(|_| result(&plain, &inputs[..2]))?;
        let rank = dims.len();
        let (m, n) = (dims[rank - 2], dims[rank - 1]);
        let k = matrix(&types[0], self.trans_a)[1].as_usize().unwrap_or(0);
        let batches = |x: &Tensor| broadcast_picks(&x.shape()[..x.shape().len() - 2], &dims[..rank - 2]);
        let pairs: Vec<(usize, usize)> = batches(inputs[0]).into_iter().zip(batches(inputs[1])).collect();
        // Where the element of a row and a column lies in each operand's matrix.
        let a_at = |row: usize, i: usize| if self.trans_a { i * m + row } else { row * k + i };
        let b_at = |i: usize, col: usize| if self.trans_b { col * k + i } else { i * n + col };
        let cells = pairs.iter().flat_map(|&(a, b)| (0..m * n).map(move |at| (a * m * k, b * k * n, at / n, at % n)));
        let out = if dtype.is_float() {
            let (a, b) = (inputs[0].to_f64s(), inputs[1].to_f64s());
            let bias = if self.bias { inputs[2].to_f64s() } else { vec![0.0; n] };
            let dot = |(a0, b0, row, col)| {
                bias[col] + (0..k).map(|i| a[a0 + a_at(row, i)] * b[b0 + b_at(i, col)]).sum::<f64>()
            };
            Tensor::from_f64s(dtype, dims.clone(), &cells.map(dot).collect::<Vec<f64>>())
        } else {
            let (a, b) = (inputs[0].to_i64s(), inputs[1].to_i64s());
            let bias = if self.bias { inputs[2].to_i64s() } else { vec![0; n] };
            let dot = |(a0, b0, row, col): (usize, usize, usize, usize)| {
                (0..k)
                    .fold(bias[col], |sum, i| sum.wrapping_add(a[a0 + a_at(row, i)].wrapping_mul(b[b0 + b_at(i, col)])))
            };
            Tensor::from_i64s(dtype, dims.clone(), &cells.map(dot).collect::<Vec<i64>>())
        };
        Ok(vec![epilogue::eval(self.epilogue.as_ref(), out, &inputs[first..])?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (a, b) = (cx.ty(0), cx.ty(1));
        match cx.tensor(1) {
            Some(_) if a.dtype == DType::F32 && self.flattens(a, b) => self.lower_packed(cx),
            _ => self.lower_batched(cx),
        }
    }

    fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
        let batch = |ty: &Type| ty.shape[..ty.rank() - 2].to_vec();
        let out = batch(outputs[0]);
        let mut pairs = broadcast_equalities(&batch(inputs[0]), &out);
        pairs.extend(broadcast_equalities(&batch(inputs[1]), &out));
        let ([_, k], [rows, _]) = (matrix(inputs[0], self.trans_a), matrix(inputs[1], self.trans_b));
        if k != rows {
            pairs.push((k, rows));
        }
        pairs
    }

    fn macs(&self, inputs: &[&Type], outputs: &[&Type]) -> Dim {
        outputs[0].len() * matrix(inputs[0], self.trans_a)[1].clone()
    }
}

/// Rows and columns of the last two axes, after swapping them if `swapped`.
fn matrix(ty: &Type, swapped: bool) -> [Dim; 2] {
    let (rows, cols) = (ty.shape[ty.rank() - 2].clone(), ty.shape[ty.rank() - 1].clone());
    if swapped { [cols, rows] } else { [rows, cols] }
}

/// For each index of `to`, the flat index of what broadcasts to it from `shape`.
fn broadcast_picks(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let steps = strides(shape);
    let lead = to.len() - shape.len();
    let flat =
        |index: Vec<usize>| (0..shape.len()).map(|i| if shape[i] == 1 { 0 } else { index[lead + i] * steps[i] }).sum();
    indices(to).map(flat).collect()
}

impl MatMul {
    /// Whether all rows of a, over all batch entries, meet the same matrix b and lie at one distance.
    fn flattens(&self, a: &Type, b: &Type) -> bool {
        let lead = |ty: &Type| Dim::product(&ty.shape[..ty.rank() - 2]);
        lead(b).is(1) && (!self.trans_a || lead(a).is(1))
    }

    /// Rows of a over all batch entries, and its strides from row to row and from column to column.
    fn rows(&self, a: &Type) -> (Dim, Dim, Dim) {
        let [m, k] = matrix(a, self.trans_a);
        match self.trans_a {
            true => (m.clone(), Dim::from(1), m),
            false => (Dim::product(&a.shape[..a.rank() - 1]), k, Dim::from(1)),
        }
    }

    /// A constant b is packed ahead of time.
    fn lower_packed(&self, cx: &mut Lower) -> Result<(), String> {
        let first = 2 + usize::from(self.bias);
        let [k, n] = matrix(cx.ty(1), self.trans_b);
        let (k, n) = (fixed("the number of rows", &k)?, fixed("the number of columns", &n)?);
        let (k_stride, n_stride) = if self.trans_b { (1, k) } else { (n, 1) };
        let b = packed(cx, 1, &[pack::panels_layout(k, n, k_stride, n_stride)], pack::panels_len(k, n));
        let (m, a_row_stride, a_col_stride) = self.rows(cx.ty(0));
        // A is read where it lies unless its columns are strided, or there are so many that its rows are worth packing.
        let rows = m.as_usize().unwrap_or(usize::MAX);
        let form = cx.choose(Kind::Form, &tiles::candidates(cx, rows, n), Candidate::Direct)?;
        let scratch = match self.trans_a {
            true => matmul_f32::scratch_len(rows, k, n),
            false if tiles::may_be_avx512(cx) => matmul_f32::packed_len(rows, k, n),
            false => 0,
        };
        let scratch = cx.scratch(DType::F32, Dim::from(scratch));
        let bias = if self.bias { Some(padded_bias(cx, 2, 1, n)) } else { None };
        let (out, a) = (cx.output(0), cx.input(0));
        let shape = cx.out_ty(0).shape.clone();
        let epilogue = cx.epilogue(self.epilogue.as_ref(), first, &shape);
        let product =
            Product { out, a, b, bias, m, k, n, a_strides: [a_row_stride, a_col_stride], scratch, form, epilogue };
        product.call(cx);
        Ok(())
    }

    fn lower_batched(&self, cx: &mut Lower) -> Result<(), String> {
        let (a_ty, b_ty, shape) = (cx.ty(0), cx.ty(1), cx.out_ty(0).shape.clone());
        let ([mut m, k], [_, n]) = (matrix(a_ty, self.trans_a), matrix(b_ty, self.trans_b));
        let (mut a_row_stride, mut a_col_stride) = (k.clone(), Dim::from(1));
        let (b_row_stride, b_col_stride) =
            if self.trans_b { (Dim::from(1), k.clone()) } else { (n.clone(), Dim::from(1)) };
        let lead = |ty: &Type| ty.shape[..ty.rank() - 2].to_vec();
        let (mut batch, mut a_steps, mut b_steps) = (vec![Dim::from(1)], vec![Dim::from(0)], vec![Dim::from(0)]);
        if self.flattens(a_ty, b_ty) {
            (m, a_row_stride, a_col_stride) = self.rows(a_ty);
        } else {
            if self.trans_a {
                (a_row_stride, a_col_stride) = (Dim::from(1), m.clone());
            }
            let mut steps;
            (batch, steps) = collapse(&shape[..shape.len() - 2].to_vec(), &[lead(a_ty), lead(b_ty)]);
            let scaled = |steps: Vec<Dim>, size: Dim| steps.into_iter().map(|step| step * size.clone()).collect();
            b_steps = scaled(steps.remove(1), k.clone() * n.clone());
            a_steps = scaled(steps.remove(0), m.clone() * k.clone());
        }
        if batch.len() > 3 {
            return Err(format!(
                "batches of {:?} and {:?} mix in more than three runs of axes",
                lead(a_ty),
                lead(b_ty)
            ));
        }
        let is_f32 = a_ty.dtype == DType::F32;
        let scratch =
            if is_f32 { batch_scratch(&m, &k, &n) } else { k.clone() * Dim::from(matmul_any::scratch_len(1)) };
        let scratch = cx.scratch(a_ty.dtype, scratch);
        let (out, a, b) = (cx.output(0), cx.input(0), cx.input(1));
        let mut fields = vec![
            ("out", Arg::Write(out)),
            ("a", Arg::Read(a)),
            ("b", Arg::Read(b)),
            ("scratch", Arg::Write(scratch)),
            ("batch", Arg::Sizes(three(&batch, Dim::from(1)).to_vec())),
            ("m", Arg::Size(m)),
            ("k", Arg::Size(k)),
            ("n", Arg::Size(n)),
            ("a_batch_strides", Arg::Sizes(three(&a_steps, Dim::from(0)).to_vec())),
            ("a_row_stride", Arg::Size(a_row_stride)),
            ("a_col_stride", Arg::Size(a_col_stride)),
            ("b_batch_strides", Arg::Sizes(three(&b_steps, Dim::from(0)).to_vec())),
            ("b_row_stride", Arg::Size(b_row_stride)),
            ("b_col_stride", Arg::Size(b_col_stride)),
        ];
        if is_f32 {
            fields.push(("epilogue", cx.epilogue(self.epilogue_with_bias().as_ref(), 2, &shape)));
            cx.call("matmul_batch_f32", "BatchMatMul", fields);
        } else {
            // fuse_epilogues leaves other numbers alone.
            fields.push(("bias", Arg::ReadOpt(self.bias.then(|| cx.input(2)))));
            cx.call("matmul_any", "MatMulAny", fields);
        }
        Ok(())
    }

    /// The epilogue that adds the bias, operand 1, and then does what the op's own does with the operands after it.
    fn epilogue_with_bias(&self) -> Option<Map> {
        if !self.bias {
            return self.epilogue.clone();
        }
        let mut add = Map::of(&[DType::F32, DType::F32]);
        let sum = add.binary(Binary::Add, 0, 1);
        let add = add.finish(sum);
        let Some(own) = &self.epilogue else { return Some(add) };
        // Composing puts the sum's operands last; the epilogue has them first.
        let rest = own.n_inputs - 1;
        let to: Vec<usize> = (0..rest).map(|i| i + 2).chain([0, 1]).collect();
        Some(own.compose(0, &add).with_inputs(&to, rest + 2))
    }
}

/// A product with a packed constant, ready to be called.
pub(super) struct Product {
    pub out: Operand,
    pub a: Operand,
    pub b: Operand,
    /// Padded by [`padded_bias`].
    pub bias: Option<Operand>,
    pub m: Dim,
    pub k: usize,
    pub n: usize,
    /// Elements of a from row to row and from column to column.
    pub a_strides: [Dim; 2],
    pub scratch: Operand,
    /// One of the direct ones.
    pub form: Candidate,
    pub epilogue: Arg,
}

impl Product {
    /// Adds the kernel call.
    pub fn call(self, cx: &mut Lower) {
        let [a_row_stride, a_col_stride] = self.a_strides;
        cx.call(
            "matmul_f32",
            "MatMul",
            vec![
                ("out", Arg::Write(self.out)),
                ("a", Arg::Read(self.a)),
                ("b", Arg::Read(self.b)),
                ("bias", Arg::ReadOpt(self.bias)),
                ("scratch", Arg::Write(self.scratch)),
                ("m", Arg::Size(self.m)),
                ("k", Arg::Size(Dim::from(self.k))),
                ("n", Arg::Size(Dim::from(self.n))),
                ("a_row_stride", Arg::Size(a_row_stride)),
                ("a_col_stride", Arg::Size(a_col_stride)),
                ("tiles", tiles::arg(self.form)),
                ("epilogue", self.epilogue),
            ],
        );
    }
}

/// A bound on the scratch a batched product needs where some sizes are symbols; the exact number where they are not.
fn batch_scratch(m: &Dim, k: &Dim, n: &Dim) -> Dim {
    let most = |dim: &Dim| dim.as_usize().unwrap_or(usize::MAX);
    match k.as_usize() {
        Some(k) => Dim::from(matmul_batch_f32::batch_scratch_len(most(m), k, most(n))),
        // A block of a has a block's elements, or 14 rows, 16 elements apart where k is a multiple of 256; of b as many, or two
        // panels of 16 columns.
        None => {
            let block = matmul_f32::BLOCK_LEN;
            Dim::from(2 * block + block / 256 * 16 + 14 * 16) + Dim::from(14 + 2 * 16) * k.clone()
        }
    }
}

/// A bias as kernels of 16-column panels read it: each group's run rounded up to 16.
pub(super) fn padded_bias(cx: &mut Lower, operand: usize, groups: usize, cols: usize) -> Operand {
    let len = pack::bias_len(groups, cols);
    if let Some(tensor) = cx.tensor(operand) {
        let mut padded = vec![0.0; len];
        pack::bias(&mut padded, &tensor.to_f32s(), groups, cols);
        return cx.weight_f32(&padded);
    }
    // What lies in the gaps does not matter.
    let (padded, bias) = (cx.scratch(DType::F32, Dim::from(len)), cx.input(operand));
    for group in 0..groups {
        let to = padded.part(Dim::from(group * (len / groups.max(1))), Dim::from(cols));
        let from = bias.part(Dim::from(group * cols), Dim::from(cols));
        cx.prepare("strided", "Copy1", vec![("out", Arg::Write(to)), ("x", Arg::Read(from))]);
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_on_scratch_holds_for_any_size() {
        let bound = batch_scratch(&Dim::symbol("m"), &Dim::symbol("k"), &Dim::symbol("n"));
        for k in [1, 3, 64, 255, 256, 1000, 4096, 5000, 65536, 100_000] {
            let most = bound.eval(&|_| Some(k)).unwrap();
            let exact = matmul_batch_f32::batch_scratch_len(usize::MAX, k as usize, usize::MAX) as i64;
            assert!(exact <= most, "{k}: {exact} over {most}");
        }
    }

    #[test]
    fn transposed_operands_and_bias_meet_the_definition() {
        let t = |shape: Vec<usize>, values: &[f64]| Tensor::from_f64s(DType::F32, shape, values);
        let a = t(vec![3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let b = t(vec![1, 2, 3], &[1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
        let op = MatMul { trans_a: true, trans_b: true, bias: true, epilogue: None };
        let out = op.eval(&[&a, &b, &t(vec![2], &[10.0, 20.0])]).unwrap();
        assert_eq!(out[0].shape(), [1, 2, 2]);
        assert_eq!(out[0].to_f64s(), [14.0, 25.0, 20.0, 31.0]);
    }
}
