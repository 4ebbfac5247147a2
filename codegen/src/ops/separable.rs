//! A depthwise convolution with a pointwise one before, after, or both, as one op, so that what lies between stays near. The one
//! before may be any that reads planes.

use super::conv::{Conv, Reads, Sizes};
use super::epilogue::n_operands;
use super::matmul::padded_bias;
use super::operands::fixed_shape;
use super::packed::packed;
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::conv_separable_f32::separable_scratch_len;
use kiln_kernels::pack;

/// `project(depthwise(expand(x)))` over two spatial axes of fixed sizes, channels last but for an `x` in planes. Operands: `x`,
/// then for each convolution there is those it has after its first.
#[derive(Clone, PartialEq, Debug)]
pub struct Separable {
    /// Two or three convolutions, each of the one before's result.
    pub convs: Vec<Conv>,
    /// Which of them is the depthwise one: 0 or 1. The others are pointwise, or read planes.
    pub depthwise: usize,
}

/// Operands of a convolution after its first.
fn n_own(conv: &Conv) -> usize {
    1 + usize::from(conv.bias) + n_operands(conv.epilogue.as_ref())
}

fn pads_before(conv: &Conv) -> Vec<usize> {
    conv.pads.iter().map(|&(before, _)| before).collect()
}

/// The sizes of a convolution of `input` onto `output`, pixels with channels last, of one channel each.
fn sizes_of<'a>(
    conv: &'a Conv,
    kernel: &'a [usize],
    pad: &'a [usize],
    input: &'a [Dim],
    output: &'a [Dim],
) -> Sizes<'a> {
    let (stride, dilation, batch, groups) = (&conv.stride, &conv.dilation, &output[0], conv.groups);
    Sizes { input, output: &output[1..3], kernel, stride, dilation, pad, batch, groups, c_in: 1, c_out: 1 }
}

impl Separable {
    /// The convolutions in order, each with where its operands start.
    fn convs(&self) -> impl Iterator<Item = (&Conv, usize)> {
        let mut next = 1;
        self.convs.iter().map(move |conv| {
            let first = next;
            next += n_own(conv);
            (conv, first)
        })
    }

    /// The types of `x` and of each convolution's result.
    fn types(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let mut types: Vec<Type> = inputs.iter().take(1).map(|&ty| ty.clone()).collect();
        for (conv, first) in self.convs() {
            let own = inputs.get(first..first + n_own(conv)).ok_or("it has too few operands")?;
            let all: Vec<&Type> = types.last().into_iter().chain(own.iter().copied()).collect();
            types.extend(conv.infer(&all)?);
        }
        Ok(types)
    }
}

impl Rules for Separable {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        Ok(self.types(inputs)?.pop().into_iter().collect())
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let mut results: Vec<Tensor> = inputs.iter().take(1).map(|&x| x.clone()).collect();
        for (conv, first) in self.convs() {
            let own = inputs.get(first..first + n_own(conv)).ok_or("it has too few operands")?;
            let all: Vec<&Tensor> = results.last().into_iter().chain(own.iter().copied()).collect();
            results = conv.eval(&all)?;
        }
        Ok(results)
    }

    fn macs(&self, inputs: &[&Type], _: &[&Type]) -> Dim {
        let types = self.types(inputs).unwrap_or_default();
        let of_conv = |((conv, first), out): ((&Conv, usize), &Type)| conv.macs(&[inputs[0], inputs[first]], &[out]);
        self.convs().zip(types.iter().skip(1)).map(of_conv).fold(Dim::from(0), |sum, macs| sum + macs)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let n = self.convs.iter().map(n_own).sum::<usize>();
        let types = self.types(&(0..=n).map(|i| cx.ty(i)).collect::<Vec<_>>())?;
        let Some((depthwise, first)) = self.convs().nth(self.depthwise) else {
            return Err("it has no depthwise convolution".to_string());
        };
        let channels = |shape: &[Dim]| shape.last().and_then(Dim::as_usize).ok_or("its channels are not known");
        let c_out = channels(&cx.out_ty(0).shape)?;
        let kernel = fixed_shape("the weight", cx.ty(first))?;
        let pads = pads_before(depthwise);
        let (input, output) = (&types[self.depthwise].shape, &types[self.depthwise + 1].shape);
        let mut sizes = sizes_of(depthwise, &kernel[2..], &pads, &input[1..3], output);
        (sizes.c_in, sizes.c_out) = (depthwise.groups, c_out);
        let first_kernel = fixed_shape("the weight", cx.ty(1))?;
        let first_pads = self.convs.first().map(pads_before).unwrap_or_default();
        let planes = self.convs.first().filter(|conv| conv.reads == Reads::Planes).map(|conv| {
            let mut sizes = sizes_of(conv, &first_kernel[2..], &first_pads, &types[0].shape[2..4], &types[1].shape);
            (sizes.c_in, sizes.c_out) = (first_kernel[1], first_kernel[0]);
            sizes
        });
        if self.depthwise > 0 {
            sizes.c_in = first_kernel[1];
        }
        sizes.check()?;
        let shape = sizes.numbers();
        let mut parts = Vec::new();
        for (i, (conv, first)) in self.convs().enumerate() {
            let (c_in, c_out) = (fixed_shape("the weight", cx.ty(first))?[1], channels(&types[i + 1].shape)?);
            let w = if i == self.depthwise {
                let shape = ConvShape { c_in: 1, c_out: 1, ..shape };
                packed(cx, first, &[pack::depthwise_layout(shape)], pack::depthwise_len(shape))
            } else if let (0, Some(planes)) = (i, &planes) {
                planes.check()?;
                let shape = planes.numbers();
                packed(cx, first, &[pack::planes_layout(shape)], pack::conv_len(shape))
            } else {
                let shape = ConvShape { kernel: [1; 3], groups: 1, c_in, c_out, ..shape };
                packed(cx, first, &[pack::conv_layout(shape)], pack::conv_len(shape))
            };
            let bias = if conv.bias { Some(padded_bias(cx, first + 1, 1, c_out)) } else { None };
            let result = vec![Dim::product(&types[i + 1].shape[..3]), Dim::from(c_out)];
            let epilogue = cx.epilogue(conv.epilogue.as_ref(), first + 1 + usize::from(conv.bias), &result);
            parts.push((Some(w), bias, epilogue));
        }
        let missing = || (None, None, Arg::Path("epilogue::Identity".to_string()));
        if self.depthwise == 0 {
            parts.insert(0, missing());
        }
        parts.resize_with(3, missing);
        let Ok([expand, (Some(w), bias, epilogue), project]) = <[_; 3]>::try_from(parts) else {
            return Err("it has more than three convolutions".to_string());
        };
        let scratch = Dim::from(separable_scratch_len(shape, expand.0.is_some(), project.0.is_some()));
        let scratch = scratch + planes.as_ref().map_or(Dim::from(0), Sizes::planes_scratch);
        let scratch = cx.scratch(DType::F32, scratch);
        let reads = match &planes {
            Some(planes) => {
                let fields = vec![("shape", planes.arg()), ("step", planes.step())];
                Arg::Struct("conv_separable_f32::Planes", fields)
            }
            None => Arg::Path("conv_separable_f32::Pixels".to_string()),
        };
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "conv_separable_f32",
            "Separable",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("reads", reads),
                ("expand", Arg::ReadOpt(expand.0)),
                ("expand_bias", Arg::ReadOpt(expand.1)),
                ("w", Arg::Read(w)),
                ("bias", Arg::ReadOpt(bias)),
                ("project", Arg::ReadOpt(project.0)),
                ("project_bias", Arg::ReadOpt(project.1)),
                ("scratch", Arg::Write(scratch)),
                ("shape", sizes.arg()),
                ("expand_epilogue", expand.2),
                ("epilogue", epilogue),
                ("project_epilogue", project.2),
            ],
        );
        Ok(())
    }
}
