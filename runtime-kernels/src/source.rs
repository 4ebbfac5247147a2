//! The text of every kernel file, for copying into generated models.

/// File name without its ending, and the whole text.
pub const FILES: &[(&str, &str)] = &[
    ("activation", include_str!("activation.rs")),
    ("ahead_f32", include_str!("ahead_f32.rs")),
    ("arena", include_str!("arena.rs")),
    ("arg_reduce", include_str!("arg_reduce.rs")),
    ("attention_f32", include_str!("attention_f32.rs")),
    ("compress", include_str!("compress.rs")),
    ("conv_any", include_str!("conv_any.rs")),
    ("conv_band_f32", include_str!("conv_band_f32.rs")),
    ("conv_depthwise_f32", include_str!("conv_depthwise_f32.rs")),
    ("conv_f32", include_str!("conv_f32.rs")),
    ("conv_groups_f32", include_str!("conv_groups_f32.rs")),
    ("conv_lanes_f32", include_str!("conv_lanes_f32.rs")),
    ("conv_planes_f32", include_str!("conv_planes_f32.rs")),
    ("conv_rows_f32", include_str!("conv_rows_f32.rs")),
    ("conv_separable_f32", include_str!("conv_separable_f32.rs")),
    ("conv_transpose_f32", include_str!("conv_transpose_f32.rs")),
    ("conv_winograd_f32", include_str!("conv_winograd_f32.rs")),
    ("copy", include_str!("copy.rs")),
    ("cumulative", include_str!("cumulative.rs")),
    ("detect", include_str!("detect.rs")),
    ("epilogue", include_str!("epilogue.rs")),
    ("fill", include_str!("fill.rs")),
    ("finish_f32", include_str!("finish_f32.rs")),
    ("gather", include_str!("gather.rs")),
    ("gru", include_str!("gru.rs")),
    ("index", include_str!("index.rs")),
    ("lanes", include_str!("lanes.rs")),
    ("lstm", include_str!("lstm.rs")),
    ("map", include_str!("map.rs")),
    ("math_atrig", include_str!("math_atrig.rs")),
    ("math_erf", include_str!("math_erf.rs")),
    ("math_exp", include_str!("math_exp.rs")),
    ("math_hyper", include_str!("math_hyper.rs")),
    ("math_log", include_str!("math_log.rs")),
    ("math_pow", include_str!("math_pow.rs")),
    ("math_sigmoid", include_str!("math_sigmoid.rs")),
    ("math_tanh", include_str!("math_tanh.rs")),
    ("math_trig", include_str!("math_trig.rs")),
    ("matmul_any", include_str!("matmul_any.rs")),
    ("matmul_batch_f32", include_str!("matmul_batch_f32.rs")),
    ("matmul_f32", include_str!("matmul_f32.rs")),
    ("narrow", include_str!("narrow.rs")),
    ("non_max_suppression", include_str!("non_max_suppression.rs")),
    ("non_zero", include_str!("non_zero.rs")),
    ("normalize", include_str!("normalize.rs")),
    ("number", include_str!("number.rs")),
    ("one_hot", include_str!("one_hot.rs")),
    ("packed_f32", include_str!("packed_f32.rs")),
    ("pad", include_str!("pad.rs")),
    ("polynomial", include_str!("polynomial.rs")),
    ("panels", include_str!("panels.rs")),
    ("pool", include_str!("pool.rs")),
    ("pool_any", include_str!("pool_any.rs")),
    ("recurrent", include_str!("recurrent.rs")),
    ("reduce", include_str!("reduce.rs")),
    ("repeat", include_str!("repeat.rs")),
    ("resize", include_str!("resize.rs")),
    ("resize_tables", include_str!("resize_tables.rs")),
    ("reverse_sequence", include_str!("reverse_sequence.rs")),
    ("rnn", include_str!("rnn.rs")),
    ("roi_align", include_str!("roi_align.rs")),
    ("rows", include_str!("rows.rs")),
    ("scalar_math", include_str!("scalar_math.rs")),
    ("scalar_math_f64", include_str!("scalar_math_f64.rs")),
    ("scale_panels", include_str!("scale_panels.rs")),
    ("scatter", include_str!("scatter.rs")),
    ("simd", include_str!("simd.rs")),
    ("simd_avx2", include_str!("simd_avx2.rs")),
    ("simd_avx512", include_str!("simd_avx512.rs")),
    ("simd_neon", include_str!("simd_neon.rs")),
    ("simd_quad", include_str!("simd_quad.rs")),
    ("simd_scalar", include_str!("simd_scalar.rs")),
    ("simd_wasm", include_str!("simd_wasm.rs")),
    ("softmax", include_str!("softmax.rs")),
    ("split", include_str!("split.rs")),
    ("stages", include_str!("stages.rs")),
    ("state_product", include_str!("state_product.rs")),
    ("strided", include_str!("strided.rs")),
    ("team", include_str!("team.rs")),
    ("text_case", include_str!("text_case.rs")),
    ("text_concat", include_str!("text_concat.rs")),
    ("text_format", include_str!("text_format.rs")),
    ("text_match", include_str!("text_match.rs")),
    ("text_parse", include_str!("text_parse.rs")),
    ("text_remove", include_str!("text_remove.rs")),
    ("text_split", include_str!("text_split.rs")),
    ("texts", include_str!("texts.rs")),
    ("tile_cuts", include_str!("tile_cuts.rs")),
    ("tile_f32", include_str!("tile_f32.rs")),
    ("tile_pixels_f32", include_str!("tile_pixels_f32.rs")),
    ("tile_transpose", include_str!("tile_transpose.rs")),
    ("tiles", include_str!("tiles.rs")),
    ("topk", include_str!("topk.rs")),
    ("trees", include_str!("trees.rs")),
    ("tri", include_str!("tri.rs")),
    ("unique", include_str!("unique.rs")),
    ("view", include_str!("view.rs")),
    ("weights_file", include_str!("weights_file.rs")),
    ("window", include_str!("window.rs")),
    ("winograd", include_str!("winograd.rs")),
];

/// The tasks, each after its file, that several threads can share.
pub const SPLIT: &[(&str, &str)] = &[
    ("attention_f32", "Attention"),
    ("conv_depthwise_f32", "ConvDepthwise"),
    ("conv_f32", "Conv"),
    ("conv_groups_f32", "ConvGroups"),
    ("conv_lanes_f32", "ConvLanes"),
    ("conv_planes_f32", "ConvPlanes"),
    ("conv_separable_f32", "Separable"),
    ("conv_transpose_f32", "ConvTranspose"),
    ("conv_winograd_f32", "ConvWinograd"),
    ("map", "Map"),
    ("matmul_batch_f32", "BatchMatMul"),
    ("matmul_f32", "MatMul"),
    ("normalize", "LayerNorm"),
    ("normalize", "RmsNorm"),
    ("pool", "AvgPool"),
    ("pool", "LpPool"),
    ("pool", "MaxPool"),
    ("reduce", "Reduce"),
    ("resize", "ResizeAxis"),
    ("resize", "ResizeNearest"),
    ("softmax", "LogSoftmax"),
    ("softmax", "Softmax"),
    ("strided", "Strided"),
];

/// Tasks whose steps threads can share: `split::Stepwise`.
pub const STEPWISE: &[(&str, &str)] = &[("gru", "Gru"), ("lstm", "Lstm"), ("rnn", "Rnn")];

/// The files that need std; the others need nothing.
pub const NEEDS_STD: &[&str] =
    &["team", "text_case", "text_concat", "text_format", "text_match", "text_parse", "text_split", "texts"];

/// What is copied of a file: everything above its tests.
pub fn embedded(name: &str) -> Option<&'static str> {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name)?;
    Some(text.split("\n#[cfg(test)]\n").next().unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// Modules of this crate that models have no use for.
    const NOT_COPIED: [&str; 5] = ["source", "catalogue", "pack", "peak", "ulp"];

    fn identifier(text: &str) -> String {
        text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
    }

    #[test]
    fn every_module_is_listed() {
        let modules: Vec<String> = include_str!("lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")))
            .map(identifier)
            .filter(|name| !NOT_COPIED.contains(&name.as_str()))
            .collect();
        for name in &modules {
            assert!(embedded(name).is_some(), "add {name} to FILES in source.rs");
        }
        assert_eq!(modules.len(), FILES.len(), "FILES in source.rs lists what is no module, or twice");
    }

    #[test]
    fn siblings_are_named_only_by_use_super() {
        for (name, _) in FILES {
            let text = embedded(name).unwrap();
            assert!(text.starts_with("//!"), "{name} does not say what it is");
            assert!(!text.contains("cfg(test)"), "{name} has tests above the end");
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                assert!(!line.contains("crate::"), "{name}: {line}");
                for (at, _) in line.match_indices("super::") {
                    assert_eq!(line[..at].trim_start(), "use ", "{name}: {line}");
                    let sibling = identifier(&line[at + 7..]);
                    assert!(embedded(&sibling).is_some(), "{name} uses {}, which is not copied", sibling);
                }
            }
        }
    }
}
