//! Every operation a graph may hold, one file each: attributes, type rule, reference meaning, and the kernel calls it becomes.
//!
//! An op that is only another op's special case is not an op: the front end expresses it by the others.

use crate::ir::{Dim, Graph, Tensor, Type};
use crate::plan::Limit;

pub use crate::schedule::Lower;

/// What kiln must know of an op.
pub trait Rules {
    /// The types of the results, or what is wrong with the operands.
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String>;

    /// The results for constant operands: plain loops, no kernel, so that it can judge them.
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String>;

    /// Operands whose memory the first result may take over, best first.
    fn in_place(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Whether the result is the operand's memory under another shape, so that nothing runs.
    fn is_view(&self) -> bool {
        false
    }

    /// The sizes among the attributes, so that symbols can be replaced.
    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        Vec::new()
    }

    /// The graphs inside, so that passes can work on them.
    fn graphs_mut(&mut self) -> Vec<&mut Graph> {
        Vec::new()
    }

    /// Multiplications with addition of one run.
    fn macs(&self, inputs: &[&Type], outputs: &[&Type]) -> Dim {
        let _ = (inputs, outputs);
        Dim::from(0)
    }

    /// The size that the kernel finds out when it runs, by its symbol: the value its call gives.
    fn count(&self) -> Option<&str> {
        None
    }

    /// Pairs of sizes that must be equal though their forms differ: `run` checks them.
    fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
        let _ = (inputs, outputs);
        Vec::new()
    }

    /// The greatest that a size may be which a node before found out: `run` checks it.
    fn limit(&self) -> Option<Limit> {
        None
    }

    /// The kernel calls that compute the results.
    fn lower(&self, cx: &mut Lower) -> Result<(), String>;
}

macro_rules! ops {
    ($($name:ident($module:ident::$ty:ident)),* $(,)?) => {
        /// One operation and its attributes.
        #[derive(Clone, PartialEq)]
        #[allow(missing_docs)] // each is documented where it is defined
        pub enum Op {
            $($name($module::$ty)),*
        }

        $(impl From<$module::$ty> for Op {
            fn from(op: $module::$ty) -> Op {
                Op::$name(op)
            }
        })*

        impl std::fmt::Debug for Op {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                match self { $(Op::$name(op) => op.fmt(f)),* }
            }
        }

        impl Op {
            /// The op's name.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$name(_) => stringify!($name)),* }
            }
        }

        impl Rules for Op {
            fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
                match self { $(Op::$name(op) => op.infer(inputs)),* }
            }
            fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
                match self { $(Op::$name(op) => op.eval(inputs)),* }
            }
            fn in_place(&self) -> Vec<usize> {
                match self { $(Op::$name(op) => op.in_place()),* }
            }
            fn is_view(&self) -> bool {
                match self { $(Op::$name(op) => op.is_view()),* }
            }
            fn dims_mut(&mut self) -> Vec<&mut Dim> {
                match self { $(Op::$name(op) => op.dims_mut()),* }
            }
            fn graphs_mut(&mut self) -> Vec<&mut Graph> {
                match self { $(Op::$name(op) => op.graphs_mut()),* }
            }
            fn macs(&self, inputs: &[&Type], outputs: &[&Type]) -> Dim {
                match self { $(Op::$name(op) => op.macs(inputs, outputs)),* }
            }
            fn count(&self) -> Option<&str> {
                match self { $(Op::$name(op) => op.count()),* }
            }
            fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
                match self { $(Op::$name(op) => op.equalities(inputs, outputs)),* }
            }
            fn limit(&self) -> Option<Limit> {
                match self { $(Op::$name(op) => op.limit()),* }
            }
            fn lower(&self, cx: &mut Lower) -> Result<(), String> {
                match self { $(Op::$name(op) => op.lower(cx)),* }
            }
        }
    };
}

mod epilogue;
mod lane;
mod operands;
mod packed;
mod recurrent;
mod tiles;
mod walk;
mod window;
mod winograd;

pub mod arg_reduce;
pub mod assume;
pub mod attention;
pub mod branch;
pub mod broadcast;
pub mod compress;
pub mod concat;
pub mod conv;
pub mod conv_transpose;
mod conv_weights;
pub mod cum_sum;
pub mod expand;
pub mod gather;
pub mod gather_elements;
pub mod gather_nd;
pub mod group_norm;
pub mod gru;
pub mod layer_norm;
pub mod lstm;
pub mod map;
pub mod matmul;
pub mod non_max_suppression;
pub mod non_zero;
pub mod pad;
pub mod pool;
pub mod range;
pub mod reduce;
pub mod repeat;
pub mod reshape;
pub mod resize;
pub mod reverse_sequence;
pub mod rnn;
pub mod roi_align;
pub mod scatter_elements;
pub mod scatter_nd;
pub mod separable;
pub mod sizes;
pub mod slice;
pub mod softmax;
pub mod text_case;
pub mod text_concat;
pub mod text_format;
pub mod text_match;
pub mod text_parse;
pub mod text_remove;
pub mod text_split;
pub mod top_k;
pub mod transpose;
pub mod trees;
pub mod trilu;
pub mod unique;
pub mod within;

ops! {
    ArgReduce(arg_reduce::ArgReduce),
    Assume(assume::Assume),
    Attention(attention::Attention),
    Branch(branch::Branch),
    Compress(compress::Compress),
    Concat(concat::Concat),
    Conv(conv::Conv),
    ConvTranspose(conv_transpose::ConvTranspose),
    CumSum(cum_sum::CumSum),
    Expand(expand::Expand),
    Gather(gather::Gather),
    GatherElements(gather_elements::GatherElements),
    GatherNd(gather_nd::GatherNd),
    GroupNorm(group_norm::GroupNorm),
    Gru(gru::Gru),
    LayerNorm(layer_norm::LayerNorm),
    Lstm(lstm::Lstm),
    Map(map::Map),
    MatMul(matmul::MatMul),
    NonMaxSuppression(non_max_suppression::NonMaxSuppression),
    NonZero(non_zero::NonZero),
    Pad(pad::Pad),
    Pool(pool::Pool),
    Range(range::Range),
    Reduce(reduce::Reduce),
    Repeat(repeat::Repeat),
    Reshape(reshape::Reshape),
    Resize(resize::Resize),
    ReverseSequence(reverse_sequence::ReverseSequence),
    Rnn(rnn::Rnn),
    RoiAlign(roi_align::RoiAlign),
    ScatterElements(scatter_elements::ScatterElements),
    ScatterNd(scatter_nd::ScatterNd),
    Separable(separable::Separable),
    Sizes(sizes::Sizes),
    Slice(slice::Slice),
    Softmax(softmax::Softmax),
    TextCase(text_case::TextCase),
    TextConcat(text_concat::TextConcat),
    TextFormat(text_format::TextFormat),
    TextMatch(text_match::TextMatch),
    TextParse(text_parse::TextParse),
    TextRemove(text_remove::TextRemove),
    TextSplit(text_split::TextSplit),
    TopK(top_k::TopK),
    Transpose(transpose::Transpose),
    Trees(trees::Trees),
    Trilu(trilu::Trilu),
    Unique(unique::Unique),
    Within(within::Within),
}
