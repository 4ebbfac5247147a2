//! Transposed convolution over channels-last operands.

use super::conv::Sizes;
use super::map::Map;
use super::matmul::padded_bias;
use super::operands::{count, fixed, fixed_shape, has_shape, is_float, is_of, result};
use super::packed::packed;
use super::{Lower, Rules};
use super::{epilogue, window};
use crate::ir::{DType, Dim, Tensor, Type, indices, strides};
use kiln_kernels::panels::Panels;
use kiln_kernels::{conv_transpose_f32, pack};

/// The most phases of the result whose weights are packed at run time: each is a step of its own.
const MAX_PHASES: usize = 64;

/// Channels-last transposed convolution. Operands: x `[n, spatial…, c_in*groups]`, w `[c_in*groups, c_out, kernel…]` (ONNX's order), bias
/// `[c_out*groups]` if `bias`, then the epilogue's operands. Output size: `(in-1)*stride + (kernel-1)*dilation + 1 - pads + extra`.
#[derive(Clone, PartialEq, Debug)]
pub struct ConvTranspose {
    /// Distance between inputs along each spatial axis of the result.
    pub stride: Vec<usize>,
    /// Distance between taps.
    pub dilation: Vec<usize>,
    /// Rows cut off before and after each spatial axis; negative adds.
    pub pads: Vec<(i64, i64)>,
    /// ONNX's `output_padding`: rows added at the end.
    pub extra: Vec<usize>,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// What happens to each result before it is stored; operand 0 is the result so far.
    pub epilogue: Option<Map>,
}

impl Rules for ConvTranspose {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let first = 2 + usize::from(self.bias);
        count(inputs, first + epilogue::n_operands(self.epilogue.as_ref()))?;
        let (x, w) = (inputs[0], inputs[1]);
        is_float(x)?;
        is_of("the weight", w, x.dtype)?;
        if w.rank() < 3 {
            return Err(format!("a weight of {} axes is none; [c_in, c_out, kernel…] works", w.rank()));
        }
        let kernel: Vec<usize> = w.shape[2..].iter().map(|k| fixed("a kernel size", k)).collect::<Result<_, _>>()?;
        let spatial = window::spatial(x, kernel.len())?;
        window::check(&kernel, &self.stride, &self.dilation, self.pads.len())?;
        if self.extra.len() != kernel.len() {
            return Err(format!(
                "output padding for {} axes does not fit a kernel of {} axes",
                self.extra.len(),
                kernel.len()
            ));
        }
        let channels = fixed("the channel count", &x.shape[x.rank() - 1])?;
        let (c_in, c_out) =
            (fixed("the weight's input count", &w.shape[0])?, fixed("the weight's output count", &w.shape[1])?);
        let all_out = c_out.checked_mul(self.groups).filter(|&n| n < 1 << 31);
        let (true, Some(all_out)) = (self.groups > 0 && c_in == channels && c_in % self.groups.max(1) == 0, all_out)
        else {
            return Err(format!("{channels} channels in {} groups do not fit a weight of {w}", self.groups));
        };
        let mut shape = vec![x.shape[0].clone()];
        for axis in 0..kernel.len() {
            let (before, after) = self.pads[axis];
            let reach = (kernel[axis] - 1) * self.dilation[axis] + 1;
            let size = (spatial[axis].clone() - Dim::from(1)) * Dim::from(self.stride[axis]) + Dim::from(reach)
                - Dim::from(before)
                - Dim::from(after)
                + Dim::from(self.extra[axis]);
            if size.as_const().is_some_and(|size| size < 0) {
                return Err(format!("pads of {before} and {after} leave a size of {size} along spatial axis {axis}"));
            }
            shape.push(size);
        }
        shape.push(Dim::from(all_out));
        if self.bias {
            is_of("the bias", inputs[2], x.dtype)?;
            has_shape("the bias", inputs[2], &[Dim::from(all_out)])?;
        }
        Ok(vec![epilogue::infer(self.epilogue.as_ref(), Type { dtype: x.dtype, shape }, &inputs[first..])?])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let first = 2 + usize::from(self.bias);
        let (dtype, dims) = result(self, inputs)?;
        let (x, w) = (inputs[0].to_f64s(), inputs[1].to_f64s());
        let (x_shape, w_shape) = (inputs[0].shape(), inputs[1].shape());
        let (w_strides, out_strides) = (strides(w_shape), strides(&dims));
        let n = w_shape.len() - 2;
        let (per_group, c_out) = (w_shape[0] / self.groups, w_shape[1]);
        let mut sums = vec![0.0; dims.iter().product()];
        if self.bias {
            let bias = inputs[2].to_f64s();
            sums.iter_mut().enumerate().for_each(|(i, sum)| *sum = bias[i % bias.len()]);
        }
        // Each element of the operand is spread over the results it reaches.
        for (from, index) in indices(x_shape).enumerate() {
            let channel = index[n + 1];
            for tap in indices(&w_shape[2..]) {
                let mut at = index[0] * out_strides[0] + channel / per_group * c_out;
                let inside = (0..n).all(|axis| {
                    let row = index[axis + 1] * self.stride[axis] + tap[axis] * self.dilation[axis];
                    let row = (row as i64).checked_sub(self.pads[axis].0).and_then(|row| usize::try_from(row).ok());
                    let row = row.filter(|&row| row < dims[axis + 1]);
                    at += row.unwrap_or(0) * out_strides[axis + 1];
                    row.is_some()
                });
                if inside {
                    let tap: usize = tap.iter().zip(&w_strides[2..]).map(|(i, s)| i * s).sum();
                    for c in 0..c_out {
                        sums[at + c] += x[from] * w[channel * w_strides[0] + c * w_strides[1] + tap];
                    }
                }
            }
        }
        let out = Tensor::from_f64s(dtype, dims, &sums);
        Ok(vec![epilogue::eval(self.epilogue.as_ref(), out, &inputs[first..])?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let weight = fixed_shape("the weight", cx.ty(1))?;
        let pad = self.pads.iter().map(|&(before, _)| usize::try_from(before)).collect::<Result<Vec<usize>, _>>();
        let pad = pad.map_err(|_| format!("pads of {:?} are not supported; pads of 0 and more work", self.pads))?;
        let (x, out) = (cx.ty(0).shape.clone(), cx.out_ty(0).shape.clone());
        let sizes = Sizes {
            input: &x[1..x.len() - 1],
            output: &out[1..out.len() - 1],
            kernel: &weight[2..],
            stride: &self.stride,
            dilation: &self.dilation,
            pad: &pad,
            batch: &x[0],
            groups: self.groups,
            c_in: weight[0] / self.groups,
            c_out: weight[1],
        };
        sizes.check()?;
        if self.stride.iter().product::<usize>() > 1 << 16 {
            return Err(format!("strides of {:?} are not supported; a product of up to 65536 works", self.stride));
        }
        if cx.ty(0).dtype != DType::F32 {
            sizes.call_any(cx, self.bias, true);
            return Ok(());
        }
        if self.lower_side_by_side(cx, &sizes) {
            return Ok(());
        }
        let shape = sizes.numbers();
        let layouts: Vec<Panels> = pack::transpose_layouts(shape).collect();
        if cx.tensor(1).is_none() && layouts.len() > MAX_PHASES {
            return Err(format!(
                "a weight that is not a constant and strides of {:?} are not supported\nhelp: a product of the strides of up to {MAX_PHASES} works, or a constant weight",
                self.stride
            ));
        }
        let w = packed(cx, 1, &layouts, pack::transpose_len(shape));
        let bias = if self.bias { Some(padded_bias(cx, 2, sizes.groups, sizes.c_out)) } else { None };
        let scratch = match sizes.is_fixed() {
            true => Dim::from(conv_transpose_f32::conv_transpose_scratch_len(shape)),
            // Each phase of the result is a convolution of stride 1.
            false => sizes.most_scratch([1; 3]),
        };
        sizes.call(cx, ("conv_transpose_f32", "ConvTranspose"), w, bias, scratch, self.epilogue.as_ref());
        Ok(())
    }

    fn macs(&self, inputs: &[&Type], outputs: &[&Type]) -> Dim {
        let _ = outputs;
        inputs[0].len() * Dim::product(&inputs[1].shape[1..])
    }
}

impl ConvTranspose {
    /// Where windows stand side by side along the last axis, their pixels of a line are one pixel with as many times the channels:
    /// the taps become columns of a wider product, and each line of results is written from end to end. Whether that was so.
    fn lower_side_by_side(&self, cx: &mut Lower, sizes: &Sizes) -> bool {
        let last = sizes.kernel.len() - 1;
        let taps = sizes.kernel[last];
        let beside = taps > 1
            && self.stride[last] == taps
            && self.dilation[last] == 1
            && self.pads[last] == (0, 0)
            && self.extra[last] == 0
            && self.groups == 1;
        let (Some(w), true) = (cx.tensor(1), beside) else { return false };
        // An operand of the epilogue with an element a channel does not lie under the wider pixels.
        let first = 2 + usize::from(self.bias);
        let n_operands = epilogue::n_operands(self.epilogue.as_ref());
        let channels = Dim::from(sizes.c_out);
        if (first..first + n_operands).any(|i| !cx.ty(i).len().is(1) && cx.ty(i).len() == channels) {
            return false;
        }
        let other = |list: &[usize], value: usize| [&list[..last], &[value]].concat();
        let (kernel, stride) = (other(sizes.kernel, 1), other(sizes.stride, 1));
        let output = [&sizes.output[..last], &sizes.input[last..]].concat();
        let c_out = sizes.c_out * taps;
        let wide = Sizes { output: &output, kernel: &kernel, stride: &stride, c_out, ..*sizes };
        // From `[c_in][c_out][…][taps]` to `[c_in][taps][c_out][…]`.
        let source = w.to_f32s();
        let rest: usize = kernel[..last].iter().product();
        let at = |i: usize, tap: usize, o: usize, r: usize| ((i * sizes.c_out + o) * rest + r) * taps + tap;
        let mut moved = Vec::with_capacity(source.len());
        for i in 0..sizes.c_in {
            for tap in 0..taps {
                for o in 0..sizes.c_out {
                    moved.extend((0..rest).map(|r| source[at(i, tap, o, r)]));
                }
            }
        }
        let shape = wide.numbers();
        let mut panels = vec![0.0; pack::transpose_len(shape)];
        pack::transpose(&mut panels, &moved, shape);
        let mut bias = None;
        if self.bias {
            let Some(tensor) = cx.tensor(2) else { return false };
            let mut padded = vec![0.0; pack::bias_len(1, c_out)];
            pack::bias(&mut padded, &tensor.to_f32s().repeat(taps), 1, c_out);
            bias = Some(padded);
        }
        let panels = cx.weight_f32(&panels);
        let bias = bias.map(|bias| cx.weight_f32(&bias));
        let scratch = match wide.is_fixed() {
            true => Dim::from(conv_transpose_f32::conv_transpose_scratch_len(shape)),
            false => wide.most_scratch([1; 3]),
        };
        wide.call(cx, ("conv_transpose_f32", "ConvTranspose"), panels, bias, scratch, self.epilogue.as_ref());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_each_element_over_its_window() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 2, 1], &[1.0, 10.0]);
        let w = Tensor::from_f64s(DType::F32, vec![1, 1, 3], &[1.0, 2.0, 3.0]);
        let op = ConvTranspose {
            stride: vec![2],
            dilation: vec![1],
            pads: vec![(1, 0)],
            extra: vec![1],
            groups: 1,
            bias: false,
            epilogue: None,
        };
        assert_eq!(op.eval(&[&x, &w]).unwrap()[0].to_f64s(), [2.0, 13.0, 20.0, 30.0, 0.0]);
    }
}
