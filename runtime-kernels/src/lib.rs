//! The kernels kiln copies into generated models.
//!
//! Contract of every kernel, so that a kernel page can keep to its mathematics:
//! - A kernel is a struct of operands implementing [`simd::Task`]: outputs first, then inputs, then scratch, then sizes.
//! - Operands are slices, dense and row-major unless a stride says otherwise. Lengths are checked once, up front.
//! - Tails are handled inside: no operand needs padding beyond what [`pack`] writes.
//! - NaN propagates as in IEEE 754 unless the kernel's page says otherwise.
//! - Nothing allocates; scratch is an operand whose length a `const fn` of the same file gives.
//! - Sibling files are named only by `use super::…`: the text of a file works both here and inside a generated module.
//! - Everything up to the test module at the end of a file ships; the test module does not.
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod activation;
mod ahead_f32;
pub mod arena;
pub mod arg_reduce;
pub mod attention_f32;
pub mod compress;
pub mod conv_any;
mod conv_band_f32;
pub mod conv_depthwise_f32;
pub mod conv_f32;
pub mod conv_groups_f32;
pub mod conv_lanes_f32;
pub mod conv_planes_f32;
mod conv_rows_f32;
pub mod conv_separable_f32;
pub mod conv_transpose_f32;
pub mod conv_winograd_f32;
mod copy;
pub mod cumulative;
#[cfg(target_arch = "x86_64")]
pub mod detect;
pub mod epilogue;
pub mod fill;
mod finish_f32;
pub mod gather;
pub mod gru;
pub mod index;
mod lanes;
pub mod lstm;
pub mod map;
pub mod math_atrig;
pub mod math_erf;
pub mod math_exp;
pub mod math_hyper;
pub mod math_log;
pub mod math_pow;
pub mod math_sigmoid;
pub mod math_tanh;
pub mod math_trig;
pub mod matmul_any;
pub mod matmul_batch_f32;
pub mod matmul_f32;
pub mod narrow;
pub mod non_max_suppression;
pub mod non_zero;
pub mod normalize;
pub mod number;
pub mod one_hot;
pub mod pack;
pub mod packed_f32;
pub mod pad;
pub mod panels;
#[cfg(feature = "std")]
pub mod peak;
pub mod polynomial;
pub mod pool;
pub mod pool_any;
pub mod recurrent;
pub mod reduce;
mod repeat;
pub mod resize;
pub mod resize_tables;
pub mod reverse_sequence;
pub mod rnn;
pub mod roi_align;
pub mod rows;
pub mod scalar_math;
pub mod scalar_math_f64;
pub mod scale_panels;
pub mod scatter;
pub mod simd;
#[cfg(target_arch = "x86_64")]
pub mod simd_avx2;
#[cfg(target_arch = "x86_64")]
pub mod simd_avx512;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub mod simd_neon;
pub mod simd_quad;
pub mod simd_scalar;
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
pub mod simd_wasm;
pub mod softmax;
pub mod source;
pub mod split;
mod stages;
mod state_product;
pub mod strided;
#[cfg(feature = "std")]
pub mod team;
#[cfg(feature = "std")]
pub mod text_case;
#[cfg(feature = "std")]
pub mod text_concat;
#[cfg(feature = "std")]
pub mod text_format;
#[cfg(feature = "std")]
pub mod text_match;
#[cfg(feature = "std")]
pub mod text_parse;
pub mod text_remove;
#[cfg(feature = "std")]
pub mod text_split;
#[cfg(feature = "std")]
pub mod texts;
mod tile_cuts;
mod tile_f32;
mod tile_pixels_f32;
mod tile_transpose;
pub mod tiles;
pub mod topk;
pub mod trees;
pub mod tri;
#[cfg(test)]
mod ulp;
pub mod unique;
pub mod view;
mod weights_file;
mod window;
pub mod winograd;
