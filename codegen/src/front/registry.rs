//! Every operator kiln imports, and the function that does it.

use super::cx::{Cx, Results};
use super::model::domain;
use super::onnx::NodeProto;
use super::{
    array, attention, classic, contrib, control, conv, deform, einsum, elementwise, gather, loss, matmul, ngrams, norm,
    place, pool, quantize, quantize_contrib, random, recurrent, reduce, resize, sample, select, signal, text, training,
    trees,
};

/// Imports one node: its results, or why not.
pub type Import = fn(&mut Cx) -> Results;

/// The function for an operator.
pub fn find(domain: &str, op: &str) -> Option<Import> {
    match domain {
        "" => onnx(op),
        "com.microsoft" => microsoft(op),
        "ai.onnx.preview.training" if ["Adagrad", "Adam", "Momentum"].contains(&op) => Some(training::optimise),
        "ai.onnx.ml" => classic(op),
        _ => None,
    }
}

fn classic(op: &str) -> Option<Import> {
    Some(match op {
        "ArrayFeatureExtractor" => classic::extract,
        "Binarizer" => classic::binarizer,
        "CategoryMapper" => classic::category_mapper,
        "Imputer" => classic::imputer,
        "LabelEncoder" => classic::label_encoder,
        "LinearClassifier" => classic::linear_classifier,
        "LinearRegressor" => classic::linear_regressor,
        "Normalizer" => classic::normalizer,
        "OneHotEncoder" => classic::one_hot_encoder,
        "Scaler" => classic::scaler,
        "TreeEnsemble" => trees::ensemble,
        "TreeEnsembleClassifier" => trees::classifier,
        "TreeEnsembleRegressor" => trees::regressor,
        _ => return None,
    })
}

fn microsoft(op: &str) -> Option<Import> {
    Some(match op {
        "Attention" => contrib::attention,
        "MultiHeadAttention" => contrib::multi_head_attention,
        "BiasGelu" | "FastGelu" => contrib::bias_gelu,
        "Gelu" | "QuickGelu" => elementwise::activation,
        "SimplifiedLayerNormalization" => norm::layer,
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => contrib::skip_layer_norm,
        "EmbedLayerNormalization" => contrib::embed_layer_norm,
        "FusedMatMul" | "TransposeMatMul" => contrib::fused_matmul,
        "FusedConv" | "FusedGemm" => contrib::fused_activation,
        "QuantizeLinear" => quantize::quantize,
        "DequantizeLinear" => quantize::dequantize,
        "QLinearAdd" | "QLinearMul" => quantize_contrib::binary,
        "QLinearSigmoid" | "QLinearLeakyRelu" => quantize_contrib::unary,
        "QAttention" => contrib::quantized_attention,
        "QGemm" => quantize_contrib::gemm,
        "QLinearAveragePool" => quantize_contrib::average,
        "QLinearWhere" => quantize_contrib::select,
        "QLinearGlobalAveragePool" => quantize_contrib::global_average,
        "QLinearSoftmax" => quantize_contrib::softmax,
        "QLinearConcat" => quantize_contrib::concat,
        "MatMulIntegerToFloat" => quantize_contrib::matmul_to_float,
        "MatMulNBits" => quantize_contrib::matmul_blocks,
        "DynamicQuantizeLSTM" => recurrent::quantized_lstm,
        "DynamicQuantizeMatMul" => quantize_contrib::matmul_dynamic,
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
        "RotaryEmbedding" => attention::rotary,
        "Det" => matmul::det,
        "CenterCropPad" => place::center_crop_pad,
        "Compress" => select::compress,
        "NonZero" => select::non_zero,
        "NonMaxSuppression" => select::non_max_suppression,
        "Unique" => select::unique,
        "MaxUnpool" => place::max_unpool,
        "Col2Im" => place::col2im,
        "TensorScatter" => place::tensor_scatter,
        "QuantizeLinear" => quantize::quantize,
        "DequantizeLinear" => quantize::dequantize,
        "DynamicQuantizeLinear" => quantize::dynamic_quantize,
        "MatMulInteger" => quantize::matmul_integer,
        "QLinearMatMul" => quantize::matmul_quantized,
        "ConvInteger" => quantize::conv_integer,
        "QLinearConv" => quantize::conv_quantized,
        "DeformConv" => deform::deform_conv,
        "RegexFullMatch" => text::full_match,
        "RoiAlign" => sample::roi_align,
        "TfIdfVectorizer" => ngrams::vectorize,
        "GridSample" => sample::grid_sample,
        "AffineGrid" => sample::affine_grid,
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => signal::window,
        "MelWeightMatrix" => signal::mel_weights,
        "DFT" => signal::dft,
        "STFT" => signal::stft,
        "StringConcat" => text::concat,
        "StringNormalizer" => text::normalize,
        "StringSplit" => text::split,
        "NegativeLogLikelihoodLoss" => loss::negative_log_likelihood,
        "SoftmaxCrossEntropyLoss" => loss::softmax_cross_entropy,
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
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike" => random::random,
        "Bernoulli" => random::bernoulli,
        "Multinomial" => random::multinomial,
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
        | "SequenceMap" | "SplitToSequence" => control::sequences,
        _ => return None,
    })
}

/// Whether an operator of ONNX's own domains takes strings: those that move or pick elements whatever they are, and those made for them.
pub fn takes_texts(node: &NodeProto) -> bool {
    let op = node.op_type.as_str();
    // Elements that are put where others are already are reduced with them.
    let reduces = node.attribute.iter().any(|attribute| attribute.name == "reduction" && &*attribute.s != b"none");
    match domain(&node.domain) {
        _ if reduces => false,
        "ai.onnx.ml" => ["ArrayFeatureExtractor", "CategoryMapper", "LabelEncoder", "OneHotEncoder"].contains(&op),
        _ => matches!(
            op,
            "Cast"
                | "CastLike"
                | "CenterCropPad"
                | "Compress"
                | "Concat"
                | "ConcatFromSequence"
                | "DepthToSpace"
                | "Equal"
                | "Expand"
                | "Flatten"
                | "Gather"
                | "GatherElements"
                | "GatherND"
                | "Identity"
                | "If"
                | "Loop"
                | "Optional"
                | "OptionalGetElement"
                | "OptionalHasElement"
                | "Pad"
                | "RegexFullMatch"
                | "Reshape"
                | "ReverseSequence"
                | "Scan"
                | "Scatter"
                | "ScatterElements"
                | "ScatterND"
                | "SequenceAt"
                | "SequenceConstruct"
                | "SequenceErase"
                | "SequenceInsert"
                | "SequenceLength"
                | "SequenceMap"
                | "Shape"
                | "Size"
                | "Slice"
                | "SpaceToDepth"
                | "Split"
                | "SplitToSequence"
                | "Squeeze"
                | "StringConcat"
                | "StringNormalizer"
                | "StringSplit"
                | "TensorScatter"
                | "TfIdfVectorizer"
                | "Tile"
                | "Transpose"
                | "Trilu"
                | "Unique"
                | "Unsqueeze"
                | "Where"
        ),
    }
}

/// What to say of an operator that is not here.
pub fn unknown(domain: &str, op: &str) -> String {
    match domain {
        "" => format!("operator {op} is not supported yet"),
        "com.microsoft" => format!(
            "operator {op} of com.microsoft is not supported\nhelp: export without onnxruntime's graph optimisations, which write such operators"
        ),
        "ai.onnx.ml" => format!("operator {op} of ai.onnx.ml is not supported"),
        domain => format!(
            "operator {op} of domain {domain:?} is not known\nhelp: export it as a model-local function of standard operators"
        ),
    }
}
