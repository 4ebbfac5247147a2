//! One small function a step, and the walk over them; never one giant `forward`.

use super::exprs;
use super::flow::{Walk, block};
use super::names::Names;
use super::sizes::Sizes;
use crate::ir::{DType, Dim};
use crate::options::Options;
use crate::plan::{Arg, Operand, Place, Plan, Step, Threads};
use kiln_kernels::source;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// The step functions, what they read beside the arena, and the task that runs them all.
pub fn steps(plan: &Plan, names: &Names, options: &Options, sizes: &Sizes) -> TokenStream {
    let inputs = &names.inputs;
    let types = plan.inputs.iter().map(|port| {
        let ty = format_ident!("{}", port.dtype.rust());
        quote!(&'a [#ty])
    });
    let sizes_field = plan.is_dynamic().then(|| quote!(sizes: Sizes,));
    let functions = plan.steps.iter().zip(&names.steps).map(|(step, name)| function(plan, step, name, names, sizes));
    let calls = block(&Walk { plan, names, sizes, profile: options.profile }, &plan.flow);
    let n_steps = Literal::usize_unsuffixed(plan.steps.len());
    let weights = Literal::usize_unsuffixed(plan.blob.len());
    let team = (plan.threads == Threads::On).then(|| quote!(team: Option<&'a kernels::team::Team>,));
    let texts = plan.texts.as_ref().map(|_| quote!(texts: &'a core::cell::RefCell<kernels::texts::Texts>,));
    let times = options.profile.then(|| quote!(times: &'a mut [::std::time::Duration; #n_steps],));
    let (out, last) = match plan.counts.is_empty() {
        true => (quote!(()), quote!(())),
        false => (quote!(Sizes), quote!(self.io.sizes)),
    };
    let (out, last) = match plan.may_fail() {
        true => (quote!(Result<#out, ShapeError>), quote!(Ok(#last))),
        false => (out, last),
    };
    quote! {
        /// What the steps read beside arena and weights.
        #[derive(Clone, Copy)]
        struct Io<'a> {
            #(#inputs: #types,)*
            #sizes_field
            weights: kernels::arena::Weights<'a, #weights>,
            #team
            #texts
        }

        /// One run of the model.
        struct Run<'a> {
            arena: kernels::arena::Arena<'a>,
            io: Io<'a>,
            #times
        }

        impl kernels::simd::Task for Run<'_> {
            type Out = #out;
            #[inline(always)]
            #[allow(unused_mut, unused_variables)]
            fn run<S: kernels::simd::Simd>(mut self, s: S) -> #out {
                #calls
                #last
            }
        }

        #(#functions)*
    }
}

fn function(plan: &Plan, step: &Step, name: &proc_macro2::Ident, names: &Names, sizes: &Sizes) -> TokenStream {
    let mut fields = Fields { plan, names, sizes, spans: Vec::new() };
    let values: Vec<TokenStream> = step
        .fields
        .iter()
        .map(|(field, arg)| {
            let field = format_ident!("{field}");
            let value = fields.value(arg);
            quote!(#field: #value)
        })
        .collect();
    let parts: Vec<_> = (0..fields.spans.len()).map(|i| format_ident!("p{i}")).collect();
    let spans = &fields.spans;
    let (module, task) = (format_ident!("{}", step.module), format_ident!("{}", step.task));
    let sizes = plan.is_dynamic().then(|| quote!(let sizes = &io.sizes;));
    let doc = format!(" {} {:?}", step.op, step.node);
    let value = quote!(kernels::#module::#task { #(#values),* });
    let shared = |tasks: &[(&str, &str)]| plan.threads == Threads::On && tasks.contains(&(step.module, step.task));
    let call = match (shared(source::SPLIT), shared(source::STEPWISE)) {
        (true, _) => quote!(kernels::team::enter(s, io.team, #value)),
        (_, true) => quote!(kernels::team::enter_steps(s, io.team, #value)),
        _ => quote!(s.enter(#value)),
    };
    let (out, end) = match step.count {
        Some(_) => (quote!(-> usize), quote!()),
        None => (quote!(), quote!(;)),
    };
    quote! {
        #[doc = #doc]
        #[allow(unused_variables)]
        fn #name<S: kernels::simd::Simd>(s: S, arena: &mut kernels::arena::Arena<'_>, io: &Io<'_>) #out {
            #sizes
            let [#(#parts),*] = arena.parts([#(#spans),*]);
            #call #end
        }
    }
}

struct Fields<'a> {
    plan: &'a Plan,
    names: &'a Names,
    sizes: &'a Sizes,
    spans: Vec<TokenStream>,
}

impl Fields<'_> {
    fn value(&mut self, arg: &Arg) -> TokenStream {
        match arg {
            Arg::Read(operand) => self.read(operand),
            Arg::Write(operand) => self.write(operand),
            Arg::ReadOpt(operand) | Arg::Ahead(operand) => match operand {
                Some(operand) => {
                    let value = self.read(operand);
                    quote!(Some(#value))
                }
                None => quote!(None),
            },
            Arg::WriteOpt(operand) => match operand {
                Some(operand) => {
                    let value = self.write(operand);
                    quote!(Some(#value))
                }
                None => quote!(None),
            },
            Arg::ReadOpts(operands) => {
                let values: Vec<_> =
                    operands.iter().map(|operand| self.value(&Arg::ReadOpt(operand.clone()))).collect();
                quote!([#(#values),*])
            }
            Arg::Reads(operands) => {
                let values: Vec<_> = operands.iter().map(|operand| self.read(operand)).collect();
                quote!([#(#values),*])
            }
            Arg::Texts => quote!(io.texts),
            Arg::Size(dim) => self.sizes.usize(dim),
            Arg::Sizes(dims) => {
                let dims = dims.iter().map(|dim| self.sizes.usize(dim));
                quote!([#(#dims),*])
            }
            Arg::SizeSlice(dims) => {
                let dims = dims.iter().map(|dim| self.sizes.usize(dim));
                quote!(&[#(#dims),*])
            }
            Arg::Table(rows) => {
                let rows = rows.iter().map(|row| {
                    let row = row.iter().map(|dim| self.sizes.usize(dim));
                    quote!([#(#row),*])
                });
                quote!([#(#rows),*])
            }
            Arg::Signed(dim) => self.sizes.signed(dim),
            Arg::Signeds(dims) => {
                let dims = dims.iter().map(|dim| self.sizes.signed(dim));
                quote!([#(#dims),*])
            }
            Arg::Float(value) => float(*value),
            Arg::Quotient(above, below) => {
                let (above, below) = (self.sizes.usize(above), self.sizes.usize(below));
                quote!((#above) as f32 / (#below) as f32)
            }
            Arg::FloatOpt(value) => match value {
                Some(value) => {
                    let value = float(*value);
                    quote!(Some(#value))
                }
                None => quote!(None),
            },
            Arg::Number(value, dtype) => number(*value, *dtype),
            Arg::Bool(value) => quote!(#value),
            Arg::Path(path) => kernel_path(path),
            Arg::Struct(path, fields) => {
                let path = kernel_path(path);
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, arg)| {
                        let name = format_ident!("{name}");
                        let value = self.value(arg);
                        quote!(#name: #value)
                    })
                    .collect();
                quote!(#path { #(#fields),* })
            }
            Arg::Func(func, given, captured) => {
                let name = exprs::name(*func);
                let values = captured.iter().enumerate().map(|(i, operand)| {
                    let (field, value) = (format_ident!("a{i}"), self.read(operand));
                    quote!(#field: #value)
                });
                let values: Vec<_> = values.chain(given_fields(given)).collect();
                quote!(#name { #(#values),* })
            }
            Arg::Epilogue(func, given, captured) => {
                let name = exprs::name(*func);
                let values = captured.iter().enumerate().map(|(i, (operand, row, _))| {
                    let (field, stride) = (format_ident!("a{i}"), format_ident!("row{i}"));
                    let (value, row) = (self.read(operand), self.sizes.usize(row));
                    quote!(#field: #value, #stride: #row)
                });
                let values: Vec<_> = values.chain(given_fields(given)).collect();
                quote!(#name { #(#values),* })
            }
        }
    }

    fn read(&mut self, operand: &Operand) -> TokenStream {
        let len = self.sizes.usize(&operand.len);
        let ty = format_ident!("{}", operand.dtype.rust());
        match operand.place {
            Place::Weight(at) => {
                let at = at + operand.offset.as_usize().unwrap_or(0) * operand.dtype.bytes();
                let at = Literal::usize_unsuffixed(at);
                quote!(io.weights.get::<#ty>(#at, #len))
            }
            Place::Input(i) => {
                let name = &self.names.inputs[i];
                if operand.offset.is(0) && operand.len == self.plan.inputs[i].operand.len {
                    return quote!(io.#name);
                }
                let at = self.sizes.usize(&operand.offset);
                quote!(&io.#name[#at..][..#len])
            }
            Place::Buffer(_) => {
                let part = self.span(operand, "read");
                quote!(#part.get::<#ty>())
            }
        }
    }

    fn write(&mut self, operand: &Operand) -> TokenStream {
        let part = self.span(operand, "write");
        let ty = format_ident!("{}", operand.dtype.rust());
        quote!(#part.get_mut::<#ty>())
    }

    fn span(&mut self, operand: &Operand, access: &str) -> proc_macro2::Ident {
        let size = Dim::from(operand.dtype.bytes());
        let Place::Buffer(buffer) = operand.place else {
            // invariant: only buffers are written.
            return format_ident!("not_a_buffer");
        };
        let access = format_ident!("{access}");
        let base = self.sizes.usize(&self.plan.arena.buffers[buffer.0].offset);
        let bytes = scaled(self.sizes, &operand.len, &size);
        let at = match (self.plan.arena.buffers[buffer.0].offset.as_const(), operand.offset.as_const()) {
            (Some(base), Some(at)) => {
                let at = Literal::i64_unsuffixed(base + at * operand.dtype.bytes() as i64);
                quote!(#at)
            }
            (_, Some(0)) => base,
            _ => {
                let at = scaled(self.sizes, &operand.offset, &size);
                quote!(#base + #at)
            }
        };
        self.spans.push(quote!(kernels::arena::Span::#access(#at, #bytes)));
        format_ident!("p{}", self.spans.len() - 1)
    }
}

fn scaled(sizes: &Sizes, len: &Dim, by: &Dim) -> TokenStream {
    match len.as_const() {
        Some(_) => sizes.usize(&(len.clone() * by.clone())),
        None => {
            let (len, by) = (sizes.usize(len), sizes.usize(by));
            quote!((#len) * #by)
        }
    }
}

/// `file::Name` as a path into the kernels.
fn kernel_path(path: &str) -> TokenStream {
    let path: TokenStream = path.parse().unwrap_or_default();
    quote!(kernels::#path)
}

/// The fields of a generated function for the numbers it is given.
fn given_fields(given: &[f64]) -> impl Iterator<Item = TokenStream> {
    given.iter().enumerate().map(|(i, &value)| {
        let (field, value) = (format_ident!("c{i}"), float(value));
        quote!(#field: #value)
    })
}

fn float(value: f64) -> TokenStream {
    if value.is_finite() {
        let magnitude = Literal::f64_unsuffixed(value.abs());
        return if value.is_sign_negative() { quote!(-#magnitude) } else { quote!(#magnitude) };
    }
    match value {
        value if value.is_nan() => quote!(f32::NAN),
        value if value > 0.0 => quote!(f32::INFINITY),
        _ => quote!(f32::NEG_INFINITY),
    }
}

fn number(value: f64, dtype: DType) -> TokenStream {
    let ty = format_ident!("{}", dtype.rust());
    match dtype {
        DType::F32 | DType::F64 if !value.is_finite() => {
            let value = float(value);
            quote!(#value as #ty)
        }
        DType::F32 | DType::F64 => {
            let value = float(value);
            quote!(#value as #ty)
        }
        _ => {
            let magnitude = Literal::u128_unsuffixed((value as i128).unsigned_abs());
            if value < 0.0 { quote!(-#magnitude as #ty) } else { quote!(#magnitude as #ty) }
        }
    }
}
