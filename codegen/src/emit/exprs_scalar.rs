//! Elementwise expressions of any types as Rust: a struct that captures its operands and finds an element by its index in each.

use super::exprs::{describe, f32_literal, live, simd_math, v};
use crate::ir::{DType, Narrow, Toward};
use crate::ops::map::{Binary, Inst, Map, Unary};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

/// The struct called `name`.
pub fn scalar(name: &Ident, map: &Map) -> TokenStream {
    let n = map.n_inputs;
    let mut inputs = vec![DType::F32; n];
    for &(inst, dtype) in &map.insts {
        if let Inst::Input(i) = inst {
            inputs[i] = dtype;
        }
    }
    let fields: Vec<Ident> = (0..n).map(|i| format_ident!("a{i}")).collect();
    let types: Vec<Ident> = inputs.iter().map(|dtype| format_ident!("{}", dtype.rust())).collect();
    let live = live(map, |at| map.insts[at].0.operands().collect());
    let lets = map.insts.iter().enumerate().filter(|&(at, _)| live[at]).map(|(at, &(inst, dtype))| {
        let value = match inst {
            Inst::Input(i) => {
                let field = &fields[i];
                let truth = if dtype == DType::Bool { quote!(!= 0) } else { quote!() };
                quote!(self.#field[i[#i]] #truth)
            }
            Inst::Const(bits) => literal(bits, dtype),
            Inst::Unary(op, a) => scalar_unary(op, &v(a), map.insts[a].1),
            Inst::Binary(op, a, b) => scalar_binary(op, &v(a), &v(b), map.insts[a].1),
            Inst::Select(a, b, c) => {
                let (a, b, c) = (v(a), v(b), v(c));
                quote!(if #a { #b } else { #c })
            }
            Inst::Cast(a) => scalar_cast(&v(a), map.insts[a].1, dtype),
        };
        let name = v(at);
        quote!(let #name = #value;)
    });
    let last = v(map.insts.len() - 1);
    let result = if map.dtype() == DType::Bool { quote!(u8::from(#last)) } else { quote!(#last) };
    let out = format_ident!("{}", map.dtype().rust());
    let doc = format!(" {}", describe(map, &[]));
    let lifetime = if n == 0 { quote!() } else { quote!(<'a>) };
    let anonymous = if n == 0 { quote!() } else { quote!(<'_>) };
    quote! {
        #[doc = #doc]
        struct #name #lifetime {
            #(#fields: &'a [#types],)*
        }

        impl kernels::map::MapAny<#n> for #name #anonymous {
            type Out = #out;
            #[inline(always)]
            #[allow(unused_variables)]
            fn at(&self, i: [usize; #n]) -> #out {
                #(#lets)*
                #result
            }
        }
    }
}

/// The name of a narrow type's function in the kernel file of them all, and its further arguments.
fn codec(op: Unary) -> Option<(String, TokenStream)> {
    match op {
        Unary::Decode(narrow) => Some((format!("decode_{narrow}"), quote!())),
        Unary::Encode(narrow @ (Narrow::F16 | Narrow::Bf16), _) => Some((format!("encode_{narrow}"), quote!())),
        Unary::Encode(narrow, rounding) => {
            let saturate = rounding.saturate;
            let toward = match (narrow, rounding.toward) {
                (Narrow::F8E8m0, Toward::Up) => "_up",
                (Narrow::F8E8m0, Toward::Down) => "_down",
                (Narrow::F8E8m0, Toward::Nearest) => "_nearest",
                _ => "",
            };
            Some((format!("encode_{narrow}{toward}"), quote!(, #saturate)))
        }
        _ => None,
    }
}

fn scalar_unary(op: Unary, a: &Ident, dtype: DType) -> TokenStream {
    if let Some((function, rest)) = codec(op) {
        let function = format_ident!("{function}");
        return quote!(kernels::narrow::#function(#a #rest));
    }
    if !dtype.is_float() {
        return match op {
            Unary::Neg => quote!(#a.wrapping_neg()),
            Unary::Abs if !dtype.is_unsigned() => quote!(#a.wrapping_abs()),
            Unary::Sign if dtype.is_unsigned() => quote!(#a.min(1)),
            Unary::Sign => quote!(#a.signum()),
            Unary::Not | Unary::BitNot => quote!(!#a),
            Unary::IsNan | Unary::IsPosInf | Unary::IsNegInf => quote!(false),
            _ => quote!(#a),
        };
    }
    let function = match op {
        Unary::Neg => return quote!(-#a),
        Unary::IsNan => return quote!(#a.is_nan()),
        Unary::IsPosInf if dtype == DType::F32 => return quote!(#a == f32::INFINITY),
        Unary::IsNegInf if dtype == DType::F32 => return quote!(#a == f32::NEG_INFINITY),
        Unary::IsPosInf => return quote!(#a == f64::INFINITY),
        Unary::IsNegInf => return quote!(#a == f64::NEG_INFINITY),
        Unary::Abs => return quote!(#a.abs()),
        Unary::Sign => return quote!(if #a > 0.0 { 1.0 } else if #a < 0.0 { -1.0 } else { #a }),
        Unary::Sqrt => "sqrt",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
        op => match simd_math(op) {
            Some((_, function)) => function,
            None => return quote!(#a),
        },
    };
    call_scalar(function, &[a], dtype)
}

fn call_scalar(function: &str, args: &[&Ident], dtype: DType) -> TokenStream {
    if dtype == DType::F64 {
        let function = format_ident!("{function}_f64");
        quote!(kernels::scalar_math_f64::#function(#(#args),*))
    } else {
        let function = format_ident!("{function}");
        quote!(kernels::scalar_math::#function(#(#args),*))
    }
}

fn scalar_binary(op: Binary, a: &Ident, b: &Ident, dtype: DType) -> TokenStream {
    match op {
        Binary::Eq => return quote!(#a == #b),
        Binary::Lt => return quote!(#a < #b),
        Binary::Le => return quote!(#a <= #b),
        Binary::And => return quote!(#a && #b),
        Binary::Or => return quote!(#a || #b),
        Binary::Xor => return quote!(#a != #b),
        _ => {}
    }
    if dtype.is_float() {
        return match op {
            Binary::Add => quote!(#a + #b),
            Binary::Sub => quote!(#a - #b),
            Binary::Mul => quote!(#a * #b),
            Binary::Div => quote!(#a / #b),
            Binary::Fmod => quote!(#a % #b),
            Binary::Min => quote!(if #a.is_nan() || #a < #b { #a } else { #b }),
            Binary::Max => quote!(if #a.is_nan() || #a > #b { #a } else { #b }),
            Binary::Mod => {
                let floor = if dtype == DType::F64 {
                    quote!(kernels::scalar_math_f64::floor_f64)
                } else {
                    quote!(kernels::scalar_math::floor)
                };
                quote!(#a - #b * #floor(#a / #b))
            }
            _ => call_scalar("pow", &[a, b], dtype),
        };
    }
    let bits = Literal::u32_unsuffixed(dtype.bytes() as u32 * 8);
    match op {
        Binary::Add => quote!(#a.wrapping_add(#b)),
        Binary::Sub => quote!(#a.wrapping_sub(#b)),
        Binary::Mul => quote!(#a.wrapping_mul(#b)),
        Binary::Div => quote!(if #b == 0 { 0 } else { #a.wrapping_div(#b) }),
        Binary::Fmod => quote!(if #b == 0 { 0 } else { #a.wrapping_rem(#b) }),
        Binary::Mod => quote!(if #b == 0 { 0 } else { #a.wrapping_rem(#b).wrapping_add(#b).wrapping_rem(#b) }),
        Binary::Pow if dtype.is_unsigned() => quote!(#a.wrapping_pow(#b as u32)),
        // A negative power is whole only of 1 and -1.
        Binary::Pow => quote!(if #b >= 0 {
            #a.wrapping_pow(#b as u32)
        } else if #a == 1 || (#a == -1 && #b % 2 == 0) {
            1
        } else if #a == -1 {
            -1
        } else {
            0
        }),
        Binary::Min => quote!(#a.min(#b)),
        Binary::Max => quote!(#a.max(#b)),
        Binary::BitAnd => quote!(#a & #b),
        Binary::BitOr => quote!(#a | #b),
        Binary::BitXor => quote!(#a ^ #b),
        Binary::Shl => quote!(if (#b as u64) < #bits { #a << #b } else { 0 }),
        _ => quote!(if (#b as u64) < #bits { #a >> #b } else { 0 }),
    }
}

fn scalar_cast(a: &Ident, from: DType, to: DType) -> TokenStream {
    let ty = format_ident!("{}", to.rust());
    match (from, to) {
        (DType::Bool, DType::Bool) => quote!(#a),
        (_, DType::Bool) if from.is_float() => quote!(#a != 0.0),
        (_, DType::Bool) => quote!(#a != 0),
        (DType::Bool, _) if to.is_float() => quote!(u8::from(#a) as #ty),
        (DType::Bool, _) => quote!(u8::from(#a) as #ty),
        _ => quote!(#a as #ty),
    }
}

fn literal(bits: u64, dtype: DType) -> TokenStream {
    match dtype {
        DType::F32 => f32_literal(f64::from_bits(bits) as f32),
        DType::F64 => {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let magnitude = Literal::f64_suffixed(value.abs());
                if value.is_sign_negative() { quote!(-#magnitude) } else { quote!(#magnitude) }
            } else {
                quote!(f64::from_bits(#bits))
            }
        }
        DType::Bool => {
            let value = bits != 0;
            quote!(#value)
        }
        _ => {
            let ty = format_ident!("{}", dtype.rust());
            let value = if dtype == DType::U64 { i128::from(bits) } else { i128::from(bits as i64) };
            let magnitude = Literal::u128_unsuffixed(value.unsigned_abs());
            match value {
                value if value == i128::from(i64::MIN) => quote!(i64::MIN),
                value if value < 0 => quote!(-#magnitude as #ty),
                _ => quote!(#magnitude as #ty),
            }
        }
    }
}
