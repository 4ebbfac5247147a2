//! Convolution over channels-last operands.

use super::conv_weights::Weights;
use super::epilogue;
use super::map::Map;
use super::matmul::{Product, padded_bias};
use super::operands::{count, fixed, fixed_shape, has_shape, is_number, is_of, result};
use super::packed::{laid_out, packed};
use super::window::{self, Window, three};
use super::winograd::{self, Transformed};
use super::{Lower, Rules, tiles};
use crate::ir::{DType, Dim, Tensor, Type, indices, strides};
use crate::plan::{Arg, Operand};
use crate::tuning::Candidate;
use kiln_kernels::conv_any;
use kiln_kernels::conv_f32::{self, ConvShape};
use kiln_kernels::conv_groups_f32::spreads;
use kiln_kernels::conv_lanes_f32::{has_lanes, lanes_scratch_len};
use kiln_kernels::conv_planes_f32::planes_scratch_len;
use kiln_kernels::pack;
use kiln_kernels::panels::Panels;

/// Channels-last convolution, 1 to 3 spatial axes. Operands: x `[n, spatial…, groups*c_in]`, w `[c_out*groups, c_in, kernel…]` (ONNX's
/// order), bias `[c_out*groups]` if `bias`, what `reads` asks for, then the
/// epilogue's operands.
#[derive(Clone, PartialEq, Debug)]
pub struct Conv {
    /// Steps of the window along each spatial axis.
    pub stride: Vec<usize>,
    /// Distance between taps along each spatial axis.
    pub dilation: Vec<usize>,
    /// Zeros before and after each spatial axis.
    pub pads: Vec<(usize, usize)>,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// How x is read.
    pub reads: Reads,
    /// What happens to each result before it is stored; operand 0 is the result so far.
    pub epilogue: Option<Map>,
}

/// How a convolution reads its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// As it lies.
    Pixels,
    /// With its channels before its spatial axes, `[n, c_in, spatial…]`, in one group.
    Planes,
    /// Times an operand of one number for each channel, of all pictures or of each, for which the weights are scaled: in one group, by
    /// weights of single pixels known ahead.
    Scaled,
}

impl Rules for Conv {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let first = self.n_own();
        count(inputs, first + epilogue::n_operands(self.epilogue.as_ref()))?;
        let (x, w) = (&Type { shape: self.channels_last(&inputs[0].shape), ..inputs[0].clone() }, inputs[1]);
        is_number(x)?;
        is_of("the weight", w, x.dtype)?;
        if w.rank() < 3 {
            return Err(format!("a weight of {} axes is none; [c_out, c_in, kernel…] works", w.rank()));
        }
        let kernel: Vec<usize> = w.shape[2..].iter().map(|k| fixed("a kernel size", k)).collect::<Result<_, _>>()?;
        let spatial = window::spatial(x, kernel.len())?;
        let window =
            Window { kernel: &kernel, stride: &self.stride, dilation: &self.dilation, pads: &self.pads, ceil: false };
        let output = window.output(spatial)?;
        let channels = fixed("the channel count", &x.shape[x.rank() - 1])?;
        let (c_out, c_in) =
            (fixed("the weight's output count", &w.shape[0])?, fixed("the weight's input count", &w.shape[1])?);
        if self.reads != Reads::Pixels && (self.groups != 1 || x.dtype != DType::F32) {
            return Err("only one group of f32 is read otherwise than as it lies".to_string());
        }
        if self.reads == Reads::Scaled {
            is_of("the scale", inputs[first - 1], x.dtype)?;
            let (numbers, of_all) = (inputs[first - 1].len(), Dim::from(channels));
            let fits = numbers == of_all || numbers == x.shape[0].clone() * of_all;
            if kernel.iter().any(|&k| k != 1) || !fits {
                return Err("a scale has a number for each channel, of all pictures or of each, and weights are of single pixels"
                    .to_string());
            }
        }
        if self.groups == 0 || c_in.checked_mul(self.groups) != Some(channels) || c_out % self.groups != 0 {
            return Err(format!("{channels} channels in {} groups do not fit a weight of {w}", self.groups));
        }
        let shape = [&x.shape[..1], &output, &[Dim::from(c_out)]].concat();
        if self.bias {
            is_of("the bias", inputs[2], x.dtype)?;
            has_shape("the bias", inputs[2], &[Dim::from(c_out)])?;
        }
        Ok(vec![epilogue::infer(self.epilogue.as_ref(), Type { dtype: x.dtype, shape }, &inputs[first..])?])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let first = self.n_own();
        let (dtype, dims) = result(self, inputs)?;
        // Integers wrap around.
        let out = if dtype.is_float() {
            let sums = self.sums(inputs, &dims, &Tensor::to_f64s, |sum, x, w| sum + x * w);
            Tensor::from_f64s(dtype, dims, &sums)
        } else {
            let sums = self.sums(inputs, &dims, &Tensor::to_i64s, |sum, x: i64, w| sum.wrapping_add(x.wrapping_mul(w)));
            Tensor::from_i64s(dtype, dims, &sums)
        };
        Ok(vec![epilogue::eval(self.epilogue.as_ref(), out, &inputs[first..])?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let weight = fixed_shape("the weight", cx.ty(1))?;
        let (x, out) = (self.channels_last(&cx.ty(0).shape), cx.out_ty(0).shape.clone());
        // The kernel works along the last spatial axis; one that is a point before and after must not stand there.
        let (input, output, window) = (&x[1..x.len() - 1], &out[1..out.len() - 1], &weight[2..]);
        let point = |axis: &usize| {
            input[*axis].is(1) && output[*axis].is(1) && window[*axis] == 1 && self.pads[*axis] == (0, 0)
        };
        let mut axes: Vec<usize> = (0..input.len()).filter(|axis| !point(axis)).collect();
        if axes.is_empty() {
            axes.push(0);
        }
        let numbers = |list: &[usize]| axes.iter().map(|&axis| list[axis]).collect::<Vec<usize>>();
        let dims = |list: &[Dim]| axes.iter().map(|&axis| list[axis].clone()).collect::<Vec<Dim>>();
        let sizes = Sizes {
            input: &dims(input),
            output: &dims(output),
            kernel: &numbers(window),
            stride: &numbers(&self.stride),
            dilation: &numbers(&self.dilation),
            pad: &axes.iter().map(|&axis| self.pads[axis].0).collect::<Vec<usize>>(),
            batch: &x[0],
            groups: self.groups,
            c_in: weight[1],
            c_out: weight[0] / self.groups,
        };
        sizes.check()?;
        if cx.ty(0).dtype != DType::F32 {
            sizes.call_any(cx, self.bias, false);
            return Ok(());
        }
        let constant = cx.tensor(1).map(|tensor| Weights::of(&sizes, tensor.to_f32s()));
        let sizes = match &constant {
            Some(Weights { kernel, pad, groups, c_in, c_out, .. }) => {
                Sizes { kernel, pad, groups: *groups, c_in: *c_in, c_out: *c_out, ..sizes }
            }
            None => sizes,
        };
        let elements = constant.as_ref().map(|weights| weights.elements.as_slice());
        let in_panels = |cx: &mut Lower, layout: Panels, len: usize| match elements {
            Some(elements) => laid_out(cx, elements, &[layout], len),
            None => packed(cx, 1, &[layout], len),
        };
        let shape = sizes.numbers();
        let depthwise = sizes.c_in == 1 && sizes.c_out == 1 && sizes.groups > 1;
        let (spread, lanes) = (sizes.spreads(), sizes.has_lanes());
        let form = if depthwise || spread || lanes || self.reads == Reads::Planes {
            Candidate::Direct
        } else {
            winograd::form(cx, &shape, sizes.is_fixed() && self.reads == Reads::Pixels)?
        };
        if depthwise {
            let w = in_panels(cx, pack::depthwise_layout(shape), pack::depthwise_len(shape));
            let bias = if self.bias { Some(padded_bias(cx, 2, 1, sizes.groups)) } else { None };
            let kernel = ("conv_depthwise_f32", "ConvDepthwise");
            sizes.call(cx, kernel, w, bias, Dim::from(0), self.epilogue.as_ref());
        } else if spread || lanes {
            let w = in_panels(cx, pack::lanes_layout(shape), pack::lanes_len(shape));
            let bias = if self.bias { Some(padded_bias(cx, 2, 1, sizes.groups * sizes.c_out)) } else { None };
            let (kernel, scratch) = match spread {
                true => (("conv_groups_f32", "ConvGroups"), 0),
                false => (("conv_lanes_f32", "ConvLanes"), lanes_scratch_len(shape)),
            };
            sizes.call(cx, kernel, w, bias, Dim::from(scratch), self.epilogue.as_ref());
        } else if self.reads == Reads::Planes {
            let w = in_panels(cx, pack::planes_layout(shape), pack::conv_len(shape));
            let bias = if self.bias { Some(padded_bias(cx, 2, 1, sizes.c_out)) } else { None };
            let (kernel, epilogue) = (("conv_planes_f32", "ConvPlanes"), (self.epilogue.as_ref(), self.n_own()));
            sizes.call_with(cx, kernel, w, bias, sizes.planes_scratch(), vec![("step", sizes.step())], epilogue);
        } else if sizes.is_of_single_pixels() && self.reads == Reads::Pixels {
            // The kernel of products has a path of its own for one row.
            let w = in_panels(cx, pack::conv_layout(shape), pack::conv_len(shape));
            let bias = if self.bias { Some(padded_bias(cx, 2, 1, sizes.c_out)) } else { None };
            let result = vec![sizes.batch.clone(), Dim::from(sizes.c_out)];
            let epilogue = cx.epilogue(self.epilogue.as_ref(), 2 + usize::from(self.bias), &result);
            let (a, out, scratch) = (cx.input(0), cx.output(0), cx.scratch(DType::F32, Dim::from(0)));
            let (m, k, n) = (sizes.batch.clone(), sizes.c_in, sizes.c_out);
            let a_strides = [Dim::from(k), Dim::from(1)];
            Product { out, a, b: w, bias, m, k, n, a_strides, scratch, form, epilogue }.call(cx);
        } else if let Some(Transformed { w, scratch, filtering }) =
            elements.and_then(|elements| winograd::transformed(form, shape, elements))
        {
            let w = cx.weight_f32(&w);
            let bias = if self.bias { Some(padded_bias(cx, 2, 1, sizes.c_out)) } else { None };
            let (kernel, own) = (("conv_winograd_f32", "ConvWinograd"), vec![("filtering", filtering)]);
            let epilogue = (self.epilogue.as_ref(), self.n_own());
            sizes.call_with(cx, kernel, w, bias, Dim::from(scratch), own, epilogue);
        } else {
            let mut w = in_panels(cx, pack::conv_layout(shape), pack::conv_len(shape));
            let mut w_stride = Dim::from(0);
            if self.reads == Reads::Scaled {
                let (len, at) = (Dim::from(pack::conv_len(shape)), self.n_own() - 1);
                let of_each = cx.ty(at).len() != Dim::from(sizes.c_in);
                w_stride = if of_each { len.clone() } else { Dim::from(0) };
                let scaled = cx.scratch(DType::F32, if of_each { len * sizes.batch.clone() } else { len });
                let fields = vec![
                    ("out", Arg::Write(scaled.clone())),
                    ("w", Arg::Read(w)),
                    ("scale", Arg::Read(cx.input(at))),
                    ("k", Arg::Size(Dim::from(sizes.c_in))),
                ];
                cx.prepare("scale_panels", "ScalePanels", fields);
                w = scaled;
            }
            let bias = if self.bias { Some(padded_bias(cx, 2, sizes.groups, sizes.c_out)) } else { None };
            // Without padding most windows are read where they lie.
            let padded = self.pads.iter().any(|&(before, after)| before > 0 || after > 0);
            let scratch = match sizes.is_fixed() {
                true => Dim::from(conv_f32::conv_scratch_len(shape)),
                false if !padded && conv_f32::conv_needs_no_scratch(shape) => Dim::from(0),
                false => sizes.most_scratch(shape.stride),
            };
            let own = vec![("tiles", tiles::arg(form)), ("w_stride", Arg::Size(w_stride))];
            let epilogue = (self.epilogue.as_ref(), self.n_own());
            sizes.call_with(cx, ("conv_f32", "Conv"), w, bias, scratch, own, epilogue);
        }
        Ok(())
    }

    fn macs(&self, inputs: &[&Type], outputs: &[&Type]) -> Dim {
        outputs[0].len() * Dim::product(&inputs[1].shape[1..])
    }
}

impl Conv {
    /// Operands before the epilogue's.
    fn n_own(&self) -> usize {
        2 + usize::from(self.bias) + usize::from(self.reads == Reads::Scaled)
    }

    /// What there is for each axis of x, in the order of a channels-last operand.
    fn channels_last<T: Clone>(&self, axes: &[T]) -> Vec<T> {
        let mut axes = axes.to_vec();
        if self.reads == Reads::Planes && axes.len() > 1 {
            axes[1..].rotate_left(1);
        }
        axes
    }

    /// The results of shape `dims`, each summed by `add` from the bias on.
    fn sums<N: Copy + Default>(
        &self,
        inputs: &[&Tensor],
        dims: &[usize],
        elements: &dyn Fn(&Tensor) -> Vec<N>,
        add: impl Fn(N, N, N) -> N,
    ) -> Vec<N> {
        let (x, w) = (elements(inputs[0]), elements(inputs[1]));
        let bias = if self.bias { Some(elements(inputs[2])) } else { None };
        let scale = if self.reads == Reads::Scaled { Some(elements(inputs[self.n_own() - 1])) } else { None };
        let (x_shape, w_shape) = (inputs[0].shape(), inputs[1].shape());
        let channels = w_shape[1] * self.groups;
        let (x_strides, w_strides) = (self.channels_last(&strides(x_shape)), strides(w_shape));
        let x_shape = self.channels_last(x_shape);
        let n = w_shape.len() - 2;
        let per_group = w_shape[0] / self.groups;
        indices(dims)
            .map(|index| {
                let channel = index[n + 1];
                let mut sum = bias.as_ref().map_or(N::default(), |bias| bias[channel]);
                for tap in indices(&w_shape[2..]) {
                    let mut at = index[0] * x_strides[0];
                    let inside = (0..n).all(|axis| {
                        let row = index[axis + 1] * self.stride[axis] + tap[axis] * self.dilation[axis];
                        let row = row.checked_sub(self.pads[axis].0).filter(|&row| row < x_shape[axis + 1]);
                        at += row.unwrap_or(0) * x_strides[axis + 1];
                        row.is_some()
                    });
                    if !inside {
                        continue;
                    }
                    let tap: usize = tap.iter().zip(&w_strides[2..]).map(|(i, s)| i * s).sum();
                    for c in 0..w_shape[1] {
                        let c_in = channel / per_group * w_shape[1] + c;
                        let weight = w[channel * w_strides[0] + c * w_strides[1] + tap];
                        // Of all pictures or of each.
                        let scale = scale.as_ref().map(|scale| scale[(index[0] * channels + c_in) % scale.len()]);
                        let weight = scale.map_or(weight, |scale| add(N::default(), weight, scale));
                        sum = add(sum, x[at + c_in * x_strides[n + 1]], weight);
                    }
                }
                sum
            })
            .collect()
    }
}

/// The sizes of a convolution as kernels want them, those along spatial axes one an axis.
#[derive(Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub input: &'a [Dim],
    pub output: &'a [Dim],
    pub kernel: &'a [usize],
    pub stride: &'a [usize],
    pub dilation: &'a [usize],
    pub pad: &'a [usize],
    pub batch: &'a Dim,
    pub groups: usize,
    /// Input channels of a group.
    pub c_in: usize,
    /// Output channels of a group.
    pub c_out: usize,
}

impl Sizes<'_> {
    /// Refuses windows so wide that a block of them has no place in memory.
    pub fn check(&self) -> Result<(), String> {
        let widest = |axis: usize| {
            let block = Dim::from(128usize) * Dim::from(self.stride[axis]);
            block + Dim::from(self.kernel[axis]) * Dim::from(self.dilation[axis])
        };
        let extents: Vec<Dim> = (0..self.kernel.len()).map(widest).collect();
        let len = Dim::product(&extents) * Dim::from(self.c_in);
        let strides: usize = self.stride.iter().fold(1, |product, &stride| product.saturating_mul(stride));
        match len.as_const() {
            Some(len) if len < 1 << 60 && strides < 1 << 32 => Ok(()),
            _ => Err(format!("windows of {:?} elements at strides of {:?} are too wide", self.kernel, self.stride)),
        }
    }

    /// Whether no size is a symbol.
    pub fn is_fixed(&self) -> bool {
        self.input.iter().chain(self.output).all(|dim| dim.as_usize().is_some())
    }

    /// Whether images are pixels, so that the convolution is a product of matrices.
    fn is_of_single_pixels(&self) -> bool {
        let pixel = |sizes: &[Dim]| sizes.iter().all(|size| size.is(1));
        let window_is_a_pixel = self.kernel.iter().all(|&k| k == 1) && self.pad.iter().all(|&pad| pad == 0);
        self.groups == 1 && window_is_a_pixel && pixel(self.input) && pixel(self.output)
    }

    /// The sizes as numbers, 1 where they are symbols. Packing looks at no such size.
    pub fn numbers(&self) -> ConvShape {
        let numbers = |dims: &[Dim]| three(&dims.iter().map(|dim| dim.as_usize().unwrap_or(1)).collect::<Vec<_>>(), 1);
        ConvShape {
            batch: self.batch.as_usize().unwrap_or(1),
            input: numbers(self.input),
            output: numbers(self.output),
            kernel: three(self.kernel, 1),
            stride: three(self.stride, 1),
            dilation: three(self.dilation, 1),
            pad: three(self.pad, 0),
            groups: self.groups,
            c_in: self.c_in,
            c_out: self.c_out,
        }
    }

    /// A bound on the scratch of a convolution of any size that moves by `stride`: its blocks shrink until they have 65536
    /// elements, or one line of 16 pixels.
    pub fn most_scratch(&self, stride: [usize; 3]) -> Dim {
        let shape = self.numbers();
        let pixels = [1, 1, 16];
        let extent =
            |axis: usize| (pixels[axis] - 1) * stride[axis] + (shape.kernel[axis] - 1) * shape.dilation[axis] + 1;
        let line = Dim::product(&[0, 1, 2].map(|axis| Dim::from(extent(axis)))) * Dim::from(self.c_in);
        Dim::max(&line, &Dim::from(65536usize))
    }

    /// Whether a channel of each group is spread over the group's lanes.
    pub fn spreads(&self) -> bool {
        self.kernel.len() <= 2 && spreads(&self.numbers())
    }

    /// Whether each lane of a vector has a group of its own to read, from copies.
    pub fn has_lanes(&self) -> bool {
        self.kernel.len() <= 2 && has_lanes(&self.numbers())
    }

    /// The stride along the last axis, which a convolution of planes is compiled for.
    pub fn step(&self) -> Arg {
        Arg::Path(format!("conv_planes_f32::Step::<{}>", self.numbers().stride[2]))
    }

    /// The scratch of a convolution of planes, which is linear in the width.
    pub fn planes_scratch(&self) -> Dim {
        let of_width = |width: usize| {
            let mut shape = self.numbers();
            shape.output[2] = width;
            planes_scratch_len(shape)
        };
        let width = self.output.last().cloned().unwrap_or(Dim::from(1));
        Dim::from(of_width(0)) + width * Dim::from(of_width(1) - of_width(0))
    }

    /// The kernel's struct of sizes.
    pub fn arg(&self) -> Arg {
        let fixed = |sizes: &[usize], missing| Arg::Sizes(three(sizes, missing).map(Dim::from).to_vec());
        let free = |sizes: &[Dim]| Arg::Sizes(three(sizes, Dim::from(1)).to_vec());
        Arg::Struct(
            "conv_f32::ConvShape",
            vec![
                ("batch", Arg::Size(self.batch.clone())),
                ("input", free(self.input)),
                ("output", free(self.output)),
                ("kernel", fixed(self.kernel, 1)),
                ("stride", fixed(self.stride, 1)),
                ("dilation", fixed(self.dilation, 1)),
                ("pad", fixed(self.pad, 0)),
                ("groups", Arg::Size(Dim::from(self.groups))),
                ("c_in", Arg::Size(Dim::from(self.c_in))),
                ("c_out", Arg::Size(Dim::from(self.c_out))),
            ],
        )
    }

    /// Adds the call of the kernel for other numbers than f32, which have no epilogue. Operands stand as in [`Conv`].
    pub fn call_any(&self, cx: &mut Lower, bias: bool, transposed: bool) {
        let scratch = Dim::from(conv_any::scratch_len(self.numbers()));
        let scratch = cx.scratch(cx.ty(0).dtype, scratch);
        let bias = if bias { Some(cx.input(2)) } else { None };
        let (out, x, w) = (cx.output(0), cx.input(0), cx.input(1));
        cx.call(
            "conv_any",
            "ConvAny",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("w", Arg::Read(w)),
                ("bias", Arg::ReadOpt(bias)),
                ("scratch", Arg::Write(scratch)),
                ("shape", self.arg()),
                ("transposed", Arg::Bool(transposed)),
            ],
        );
    }

    /// Adds the kernel call, whose operands stand as in [`Conv`].
    pub fn call(
        &self,
        cx: &mut Lower,
        kernel: (&'static str, &'static str),
        w: Operand,
        bias: Option<Operand>,
        scratch: Dim,
        epilogue: Option<&Map>,
    ) {
        let first = 2 + usize::from(bias.is_some());
        self.call_with(cx, kernel, w, bias, scratch, Vec::new(), (epilogue, first));
    }

    /// The same, of a kernel that has fields of its `own`, and with the place of the epilogue's first operand.
    fn call_with(
        &self,
        cx: &mut Lower,
        (module, task): (&'static str, &'static str),
        w: Operand,
        bias: Option<Operand>,
        scratch: Dim,
        own: Vec<(&'static str, Arg)>,
        (epilogue, first): (Option<&Map>, usize),
    ) {
        let scratch = cx.scratch(DType::F32, scratch);
        let (out, x) = (cx.output(0), cx.input(0));
        // Pixels by channels, as the kernel has them, which need not be as the model has them.
        let rows = Dim::product(&[std::slice::from_ref(self.batch), self.output].concat());
        let result = vec![rows, Dim::from(self.groups * self.c_out)];
        let epilogue = cx.epilogue(epilogue, first, &result);
        let mut fields = vec![
            ("out", Arg::Write(out)),
            ("x", Arg::Read(x)),
            ("w", Arg::Read(w)),
            ("bias", Arg::ReadOpt(bias)),
            ("scratch", Arg::Write(scratch)),
            ("shape", self.arg()),
        ];
        fields.extend(own);
        fields.push(("epilogue", epilogue));
        cx.call(module, task, fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(n: usize) -> Conv {
        Conv {
            stride: vec![1; n],
            dilation: vec![1; n],
            pads: vec![(1, 1); n],
            groups: 1,
            bias: false,
            reads: Reads::Pixels,
            epilogue: None,
        }
    }

    #[test]
    fn padding_is_zero() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 3, 1], &[1.0, 2.0, 3.0]);
        let w = Tensor::from_f64s(DType::F32, vec![1, 1, 3], &[1.0, 10.0, 100.0]);
        assert_eq!(conv(1).eval(&[&x, &w]).unwrap()[0].to_f64s(), [210.0, 321.0, 32.0]);
    }

    #[test]
    fn groups_do_not_mix() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 1, 2], &[1.0, 2.0]);
        let w = Tensor::from_f64s(DType::F32, vec![4, 1, 1], &[1.0, 10.0, 100.0, 1000.0]);
        let op = Conv { groups: 2, pads: vec![(0, 0)], ..conv(1) };
        assert_eq!(op.eval(&[&x, &w]).unwrap()[0].to_f64s(), [1.0, 10.0, 200.0, 2000.0]);
    }

    #[test]
    fn sizes_may_be_symbols() {
        let x = Type { dtype: DType::F32, shape: vec![Dim::symbol("n"), Dim::symbol("w"), Dim::from(2usize)] };
        let w = Type::new(DType::F32, [5usize, 2, 3]);
        let op = Conv { stride: vec![2], ..conv(1) };
        assert_eq!(op.infer(&[&x, &w]).unwrap()[0].to_string(), "f32[n,((w+1)/(2)),5]");
    }

    #[test]
    fn misfits_are_refused() {
        let x = Type::new(DType::F32, [1usize, 8, 8, 2]);
        let error = |w: [usize; 3]| conv(1).infer(&[&x, &Type::new(DType::F32, w)]).unwrap_err();
        assert_eq!(error([1, 2, 3]), "kernel of 1 axes does not fit an operand of 2 spatial axes");
        let huge = Conv { dilation: vec![usize::MAX], ..conv(1) };
        assert!(huge.infer(&[&Type::new(DType::F32, [1usize, 8, 2]), &Type::new(DType::F32, [1usize, 2, 3])]).is_err());
    }

    #[test]
    fn the_scratch_of_planes_is_known_for_any_width() {
        let (kernel, stride, dilation, pad) = ([3, 5], [2, 3], [1, 2], [1, 0]);
        let scratch = |width: Dim| {
            let (input, output) = ([Dim::from(40usize), Dim::from(90usize)], [Dim::from(20usize), width]);
            let (batch, groups) = (&Dim::from(1usize), 1);
            let (input, output, kernel, stride) = (&input, &output, &kernel, &stride);
            let (dilation, pad, c_in, c_out) = (&dilation, &pad, 3, 8);
            let sizes = Sizes { input, output, kernel, stride, dilation, pad, batch, groups, c_in, c_out };
            (sizes.planes_scratch(), planes_scratch_len(sizes.numbers()))
        };
        let (of_any, _) = scratch(Dim::symbol("w"));
        for width in [1, 17, 300] {
            let (of_width, exact) = scratch(Dim::from(width));
            let bound = of_any.eval(&|_: &str| Some(width as i64)).unwrap();
            assert_eq!((of_width.as_usize(), bound as usize), (Some(exact), exact));
        }
    }

    #[test]
    fn the_bound_on_scratch_holds_for_any_size() {
        for (size, kernel, stride, c_in) in [
            (1usize, 3, 1, 3),
            (17, 3, 2, 64),
            (224, 7, 2, 3),
            (500, 5, 3, 300),
            (56, 3, 1, 2000),
            (14, 3, 2, 512),
            (7, 1, 1, 9000),
        ] {
            let (dims, pad) = ([Dim::from(size), Dim::from(size)], [kernel / 2; 2]);
            let out = [Dim::from((size - 1) / stride + 1), Dim::from((size - 1) / stride + 1)];
            let sizes = Sizes {
                input: &dims,
                output: &out,
                kernel: &[kernel; 2],
                stride: &[stride; 2],
                dilation: &[1; 2],
                pad: &pad,
                batch: &Dim::from(1usize),
                groups: 1,
                c_in,
                c_out: 64,
            };
            let exact = conv_f32::conv_scratch_len(sizes.numbers()) as i64;
            let bound = sizes.most_scratch(sizes.numbers().stride).as_const().unwrap();
            assert!(exact <= bound, "{size} {kernel}: {exact} over {bound}");
        }
    }
}
