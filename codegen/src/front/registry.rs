//! Every operator kiln imports, and the function that does it.

use super::cx::{Cx, Results};
use super::{
    array, attention, control, conv, einsum, elementwise, gather, matmul, norm, pool, recurrent, reduce, resize,
};

/// Imports one node: its results, or why not.
pub type Import = fn(&mut Cx) -> Results;

/// The function for an operator.
pub fn find(domain: &str, op: &str) -> Option<Import> {
    Some(match (domain, op) {
        ("", op) => return onnx(op),
        ("com.microsoft", "Gelu" | "FastGelu" | "QuickGelu") => elementwise::activation,
        ("com.microsoft", "SimplifiedLayerNormalization") => norm::layer,
        _ => return None,
    })
}

fn onnx(op: &str) -> Option<Import> {
    Some(match op {
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "BitwiseNot" | "Ceil" | "Cos" | "Cosh"
        | "Erf" | "Exp" | "Floor" | "IsNaN" | "Log" | "Neg" | "Not" | "Round" | "Sigmoid" | "Sign" | "Sin" | "Sinh"
        | "Sqrt" | "Tan" | "Tanh" => elementwise::unary,
        "Add" | "And" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Div" | "Equal" | "Greater"
        | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Mod" | "Mul" | "Or" | "PRelu" | "Sub" | "Xor" => {
            elementwise::binary
        }
        "Max" | "Mean" | "Min" | "Sum" => elementwise::variadic,
        "Celu" | "Elu" | "Gelu" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "Mish" | "Reciprocal" | "Relu"
        | "Selu" | "Shrink" | "Softplus" | "Softsign" | "Swish" | "ThresholdedRelu" => elementwise::activation,
        "Pow" => elementwise::pow,
        "Clip" => elementwise::clip,
        "Where" => elementwise::select,
        "Cast" | "CastLike" => elementwise::cast,
        "IsInf" => elementwise::is_inf,
        "Identity" | "Dropout" => elementwise::identity,
        // SimplifiedLayerNormalization is written into the default domain by onnxruntime's optimiser.
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => norm::layer,
        "BatchNormalization" => norm::batch,
        "InstanceNormalization" | "GroupNormalization" => norm::group,
        "LRN" => norm::local_response,
        "LpNormalization" | "MeanVarianceNormalization" => reduce::normalize,
        "Constant" => array::constant,
        "ConstantOfShape" => array::constant_of_shape,
        "Shape" | "Size" => array::shape,
        "Reshape" => array::reshape,
        "Flatten" => array::flatten,
        "Squeeze" => array::squeeze,
        "Unsqueeze" => array::unsqueeze,
        "Transpose" => array::transpose,
        "Expand" => array::expand,
        "Tile" => array::tile,
        "Concat" => array::concat,
        "Split" => array::split,
        "Slice" => array::slice,
        "Pad" => array::pad,
        "DepthToSpace" | "SpaceToDepth" => array::depth_space,
        "Range" => array::range,
        "OneHot" => array::one_hot,
        "EyeLike" => array::eye_like,
        "Trilu" => array::trilu,
        "Conv" => conv::conv,
        "ConvTranspose" => conv::conv_transpose,
        "AveragePool" | "LpPool" | "MaxPool" => pool::pool,
        "GlobalAveragePool" | "GlobalLpPool" | "GlobalMaxPool" => pool::global,
        "Attention" => attention::attention,
        "Einsum" => einsum::einsum,
        "MatMul" => matmul::matmul,
        "Gemm" => matmul::gemm,
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean" | "ReduceMin"
        | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => reduce::reduce,
        "ArgMax" | "ArgMin" => reduce::arg_reduce,
        "Hardmax" | "LogSoftmax" | "Softmax" => reduce::softmax,
        "CumSum" => reduce::cum_sum,
        "TopK" => reduce::top_k,
        "GRU" | "LSTM" | "RNN" => recurrent::recurrent,
        "Resize" | "Upsample" => resize::resize,
        "Gather" => gather::gather,
        "GatherElements" => gather::gather_elements,
        "GatherND" => gather::gather_nd,
        "Scatter" | "ScatterElements" => gather::scatter_elements,
        "ScatterND" => gather::scatter_nd,
        "ReverseSequence" => gather::reverse_sequence,
        "If" => control::branch,
        "Loop" => control::repeat,
        "Scan" => control::scan,
        "ConcatFromSequence" | "Optional" | "OptionalGetElement" | "OptionalHasElement" | "SequenceAt"
        | "SequenceConstruct" | "SequenceEmpty" | "SequenceErase" | "SequenceInsert" | "SequenceLength"
        | "SplitToSequence" => control::sequences,
        _ => return None,
    })
}

/// What to say of an operator that is not here.
pub fn unknown(domain: &str, op: &str) -> String {
    match domain {
        "" => format!("operator {op} is not supported yet"),
        "com.microsoft" => format!(
            "operator {op} of com.microsoft is not supported\nhelp: export without onnxruntime's graph optimisations, which write such operators"
        ),
        domain => format!(
            "operator {op} of domain {domain:?} is not known\nhelp: export it as a model-local function of standard operators"
        ),
    }
}
