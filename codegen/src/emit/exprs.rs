//! Elementwise expressions as Rust: a struct that implements a kernel's trait, of vectors of f32 here.

use super::exprs_scalar::scalar;
use crate::ir::DType;
use crate::ops::map::{Binary, Inst, Map, Template, Unary};
use crate::plan::{Func, FuncId, Plan};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};
use std::collections::BTreeSet;

/// The name of a generated function.
pub fn name(func: FuncId) -> Ident {
    format_ident!("Func{}", func.0)
}

/// Every generated function of `plan`.
pub fn funcs(plan: &Plan) -> TokenStream {
    let funcs = plan.funcs.iter().enumerate().map(|(i, func)| {
        let name = name(FuncId(i));
        match func {
            Func::Map(template) if template.map.is_f32() => simd(&name, template),
            Func::Map(template) => scalar(&name, &template.map),
            Func::Epilogue(template, varies) => epilogue(&name, template, varies),
        }
    });
    quote!(#(#funcs)*)
}

/// Kernel files the generated functions call.
pub fn modules(plan: &Plan) -> BTreeSet<&'static str> {
    let mut modules = BTreeSet::new();
    for func in &plan.funcs {
        let (map, simd) = match func {
            Func::Map(Template { map, .. }) => (map, map.is_f32()),
            Func::Epilogue(Template { map, .. }, _) => {
                modules.insert("epilogue");
                (map, true)
            }
        };
        for &(inst, dtype) in &map.insts {
            match inst {
                Inst::Unary(Unary::Decode(_) | Unary::Encode(..), _) => {
                    modules.insert("narrow");
                }
                Inst::Unary(op, _) if simd => modules.extend(simd_math(op).map(|(module, _)| module)),
                Inst::Binary(Binary::Pow, ..) if simd => {
                    modules.insert("math_pow");
                }
                Inst::Unary(..) | Inst::Binary(..) if !simd => {
                    modules.insert(if dtype == DType::F64 { "scalar_math_f64" } else { "scalar_math" });
                    modules.insert("scalar_math");
                }
                _ => {}
            }
        }
    }
    modules
}

/// Kernel file and function of a SIMD function of one operand, where the token has no method for it.
pub(super) fn simd_math(op: Unary) -> Option<(&'static str, &'static str)> {
    Some(match op {
        Unary::Exp => ("math_exp", "exp"),
        Unary::Log => ("math_log", "log"),
        Unary::Tanh => ("math_tanh", "tanh"),
        Unary::Erf => ("math_erf", "erf"),
        Unary::Sigmoid => ("math_sigmoid", "sigmoid"),
        Unary::Sin => ("math_trig", "sin"),
        Unary::Cos => ("math_trig", "cos"),
        Unary::Tan => ("math_trig", "tan"),
        Unary::Sinh => ("math_hyper", "sinh"),
        Unary::Cosh => ("math_hyper", "cosh"),
        Unary::Asinh => ("math_hyper", "asinh"),
        Unary::Acosh => ("math_hyper", "acosh"),
        Unary::Atanh => ("math_hyper", "atanh"),
        Unary::Asin => ("math_atrig", "asin"),
        Unary::Acos => ("math_atrig", "acos"),
        Unary::Atan => ("math_atrig", "atan"),
        _ => return None,
    })
}

pub(super) fn v(i: usize) -> Ident {
    format_ident!("v{i}")
}

/// Which instructions the result needs, `operands` telling those of each.
pub(super) fn live(map: &Map, operands: impl Fn(usize) -> Vec<usize>) -> Vec<bool> {
    let mut live = vec![false; map.insts.len()];
    live.last_mut().into_iter().for_each(|last| *last = true);
    for at in (0..map.insts.len()).rev() {
        if live[at] {
            operands(at).into_iter().for_each(|operand| live[operand] = true);
        }
    }
    live
}

/// Two instructions that one function does at less cost.
#[derive(Clone, Copy)]
enum Merged {
    /// The first by a sigmoid of the second.
    Gated(usize, usize),
    /// One more than its error function.
    OneAndErf(usize),
}

impl Merged {
    /// What instruction `at` is together with an operand, if nothing else needs that.
    fn of(template: &Template, at: usize) -> Option<Merged> {
        let insts = &template.map.insts;
        let Inst::Binary(op, a, b) = insts[at].0 else { return None };
        [(a, b), (b, a)].into_iter().find_map(|(other, inner)| {
            let merged = match (op, insts[inner].0) {
                (Binary::Mul, Inst::Unary(Unary::Sigmoid, x)) => Merged::Gated(other, x),
                (Binary::Add, Inst::Unary(Unary::Erf, x)) if number(template, other) == Some(1.0) => {
                    Merged::OneAndErf(x)
                }
                _ => return None,
            };
            let users = insts.iter().flat_map(|(inst, _)| inst.operands()).filter(|&operand| operand == inner).count();
            (users == 1).then_some(merged)
        })
    }

    fn operands(self) -> Vec<usize> {
        match self {
            Merged::Gated(y, x) => vec![y, x],
            Merged::OneAndErf(x) => vec![x],
        }
    }

    fn simd(self) -> TokenStream {
        match self {
            Merged::Gated(y, x) if x == y => {
                let x = v(x);
                quote!(kernels::math_sigmoid::silu(s, #x))
            }
            Merged::Gated(y, x) => {
                let (y, x) = (v(y), v(x));
                quote!(kernels::math_sigmoid::gated(s, #y, #x))
            }
            Merged::OneAndErf(x) => {
                let x = v(x);
                quote!(kernels::math_erf::one_and_erf(s, #x))
            }
        }
    }
}

/// The number that instruction `at` is, if the function is not given it.
fn number(template: &Template, at: usize) -> Option<f32> {
    match template.map.insts[at].0 {
        Inst::Const(bits) if !template.given.contains(&at) => Some(f64::from_bits(bits) as f32),
        _ => None,
    }
}

fn simd_body(template: &Template, input: &dyn Fn(usize) -> TokenStream) -> TokenStream {
    let Template { map, given } = template;
    let live = live(map, |at| match Merged::of(template, at) {
        Some(merged) => merged.operands(),
        None => map.insts[at].0.operands().collect(),
    });
    let lets = map.insts.iter().enumerate().filter(|&(at, _)| live[at]).map(|(at, &(inst, _))| {
        let value = match inst {
            _ if let Some(merged) = Merged::of(template, at) => merged.simd(),
            Inst::Input(i) => input(i),
            Inst::Const(bits) => {
                let value = match given.iter().position(|&i| i == at) {
                    Some(i) => {
                        let field = format_ident!("c{i}");
                        quote!(self.#field)
                    }
                    None => f32_literal(f64::from_bits(bits) as f32),
                };
                quote!(s.splat(#value))
            }
            Inst::Unary(op, a) => simd_unary(op, &v(a)),
            Inst::Binary(Binary::Div, a, b) if let Some(divisor) = number(template, b) => {
                simd_quotient(&v(a), divisor, is_gated(map, a))
            }
            Inst::Binary(op, a, b) => {
                let is_const = |at: usize| matches!(map.insts[at].0, Inst::Const(_));
                // Bounds with a constant first are cheaper, see `Simd::min`.
                let swap = matches!(op, Binary::Min | Binary::Max) && is_const(b) && !is_const(a);
                let (a, b) = if swap { (b, a) } else { (a, b) };
                simd_binary(op, &v(a), &v(b))
            }
            Inst::Select(a, b, c) => {
                let (a, b, c) = (v(a), v(b), v(c));
                quote!(s.select(#a, #b, #c))
            }
            Inst::Cast(a) => {
                let a = v(a);
                quote!(#a)
            }
        };
        let name = v(at);
        quote!(let #name = #value;)
    });
    let last = v(map.insts.len() - 1);
    quote!(#(#lets)* #last)
}

fn simd_unary(op: Unary, a: &Ident) -> TokenStream {
    if let Some((module, function)) = simd_math(op) {
        let (module, function) = (format_ident!("{module}"), format_ident!("{function}"));
        return quote!(kernels::#module::#function(s, #a));
    }
    let method = match op {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Sqrt => "sqrt",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
        Unary::Not => "not",
        Unary::IsNan => return quote!(s.not(s.eq(#a, #a))),
        Unary::IsPosInf => return quote!(s.eq(#a, s.splat(f32::INFINITY))),
        Unary::IsNegInf => return quote!(s.eq(#a, s.splat(f32::NEG_INFINITY))),
        // Zero keeps its sign and NaN stays NaN.
        _ => {
            return quote!(s.select(
                s.lt(s.splat(0.0), #a),
                s.splat(1.0),
                s.select(s.lt(#a, s.splat(0.0)), s.splat(-1.0), #a)
            ));
        }
    };
    let method = format_ident!("{method}");
    quote!(s.#method(#a))
}

/// Whether `at` is a product by something kept between bounds, as in x · min(max(x + 3, 0), 6) / 6, the way exporters write
/// hard-swish: a quotient of such may be off by a bit, which others may not, since they may be rounded to whole numbers next.
fn is_gated(map: &Map, at: usize) -> bool {
    let is_bound = |at: usize| match map.insts[at].0 {
        Inst::Binary(Binary::Min | Binary::Max, a, b) => {
            [a, b].iter().any(|&at| matches!(map.insts[at].0, Inst::Const(_)))
        }
        _ => false,
    };
    matches!(map.insts[at].0, Inst::Binary(Binary::Mul, a, b) if is_bound(a) || is_bound(b))
}

/// `a` divided by a number: where that is a power of two, a product is the same, and where a bit does not matter, as good.
fn simd_quotient(a: &Ident, divisor: f32, roughly: bool) -> TokenStream {
    let literal = f32_literal(divisor);
    if !(2f32.powi(-60)..2f32.powi(60)).contains(&divisor) {
        return quote!(s.div(#a, s.splat(#literal)));
    }
    let is_power_of_two = divisor.to_bits() << 9 == 0;
    if is_power_of_two || roughly {
        let inverse = f32_literal(1.0 / divisor);
        return quote!(s.mul(#a, s.splat(#inverse)));
    }
    quote!(s.div_by(#a, #literal))
}

fn simd_binary(op: Binary, a: &Ident, b: &Ident) -> TokenStream {
    let method = match op {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Min => "min",
        Binary::Max => "max",
        Binary::And => "and",
        Binary::Or => "or",
        Binary::Eq => "eq",
        Binary::Lt => "lt",
        Binary::Le => "le",
        _ => return quote!(kernels::math_pow::pow(s, #a, #b)),
    };
    let method = format_ident!("{method}");
    quote!(s.#method(#a, #b))
}

fn simd(name: &Ident, template: &Template) -> TokenStream {
    let n = template.map.n_inputs;
    let body = simd_body(template, &|i| quote!(v[#i]));
    let deep = deep(&template.map);
    let doc = format!(" {}", describe(&template.map, &template.given));
    let given = given_names(template);
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy)]
        struct #name {
            #(#given: f32,)*
        }

        impl kernels::map::MapF32<#n> for #name {
            #deep
            #[inline(always)]
            #[allow(unused_variables)]
            fn apply<S: kernels::simd::Simd>(self, s: S, v: [S::F32; #n]) -> S::F32 {
                #body
            }
        }
    }
}

/// `DEEP` of an expression in which operation after operation waits for the one before, as in all functions that are not one
/// instruction.
fn deep(map: &Map) -> Option<TokenStream> {
    let is_deep = map.insts.iter().any(|&(inst, _)| match inst {
        Inst::Unary(op, _) => simd_math(op).is_some(),
        Inst::Binary(op, ..) => op == Binary::Pow,
        _ => false,
    });
    is_deep.then(|| quote! { const DEEP: bool = true; })
}

/// The fields for the numbers a function is given.
fn given_names(template: &Template) -> Vec<Ident> {
    (0..template.given.len()).map(|i| format_ident!("c{i}")).collect()
}

fn epilogue(name: &Ident, template: &Template, varies: &[(bool, bool)]) -> TokenStream {
    let fields: Vec<Ident> = (0..varies.len()).map(|i| format_ident!("a{i}")).collect();
    let strides: Vec<Ident> = (0..varies.len()).map(|i| format_ident!("row{i}")).collect();
    let body = simd_body(template, &|i| match i.checked_sub(1) {
        None => quote!(v),
        Some(i) => {
            let (field, stride) = (&fields[i], &strides[i]);
            match varies[i] {
                (true, _) => quote!(at.operand(s, self.#field, self.#stride)),
                (false, true) => quote!(at.operand(s, self.#field, 0)),
                (false, false) => quote!(s.splat(self.#field[0])),
            }
        }
    });
    let deep = deep(&template.map);
    let by_column = (!varies.contains(&(false, true))).then(|| quote! { const BY_COLUMN: bool = false; });
    let doc = format!(" {}", describe(&template.map, &template.given));
    let given = given_names(template);
    let lifetime = if fields.is_empty() { quote!() } else { quote!(<'a>) };
    let anonymous = if fields.is_empty() { quote!() } else { quote!(<'_>) };
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy)]
        struct #name #lifetime {
            #(#fields: &'a [f32], #strides: usize,)*
            #(#given: f32,)*
        }

        impl kernels::epilogue::Epilogue for #name #anonymous {
            #by_column
            #deep
            #[inline(always)]
            #[allow(unused_variables)]
            fn apply<S: kernels::simd::Simd, P: kernels::epilogue::Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32 {
                #body
            }
        }
    }
}

pub(super) fn f32_literal(value: f32) -> TokenStream {
    if value.is_finite() {
        let magnitude = Literal::f32_suffixed(value.abs());
        return if value.is_sign_negative() { quote!(-#magnitude) } else { quote!(#magnitude) };
    }
    let bits = value.to_bits();
    quote!(f32::from_bits(#bits))
}

/// The expression in the words people use, for the struct's doc line.
pub(super) fn describe(map: &Map, given: &[usize]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (at, &(inst, dtype)) in map.insts.iter().enumerate() {
        parts.push(match inst {
            Inst::Input(i) => format!("x{i}"),
            Inst::Const(_) if given.contains(&at) => {
                format!("c{}", given.iter().position(|&i| i == at).unwrap_or_default())
            }
            Inst::Const(bits) if dtype.is_float() => format!("{}", f64::from_bits(bits)),
            Inst::Const(bits) => format!("{}", bits as i64),
            Inst::Unary(op, a) => format!("{op:?}({})", parts[a]),
            Inst::Binary(op, a, b) => format!("{op:?}({}, {})", parts[a], parts[b]),
            Inst::Select(a, b, c) => format!("Select({}, {}, {})", parts[a], parts[b], parts[c]),
            Inst::Cast(a) => format!("{dtype}({})", parts[a]),
        });
        // Shared parts double in the written-out form: long ones are better read in the code.
        if parts.last().is_some_and(|part| part.len() > 160) {
            return "A fused expression of ".to_string() + &map.cost().to_string() + " operations";
        }
    }
    parts.pop().unwrap_or_default()
}
