//! Sizes that are chosen at run time: each expression the steps need, computed once a run.

use crate::ir::{Atom, Dim};
use crate::plan::{Arg, Plan};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::collections::BTreeMap;

/// Every expression over symbols that the plan holds, numbered.
pub struct Sizes {
    numbers: BTreeMap<Dim, usize>,
}

impl Sizes {
    /// The expressions of `plan`.
    pub fn new(plan: &Plan) -> Sizes {
        let mut sizes = Sizes { numbers: BTreeMap::new() };
        if !plan.is_dynamic() {
            return sizes;
        }
        for port in plan.inputs.iter().chain(&plan.outputs) {
            port.shape.iter().for_each(|dim| sizes.add(dim));
            sizes.add(&port.operand.len);
            sizes.add(&port.operand.offset);
        }
        for (a, b) in &plan.equalities {
            sizes.add(a);
            sizes.add(b);
        }
        plan.flow.iter().flat_map(crate::plan::Flow::compared).for_each(|dim| sizes.add(dim));
        for operand in plan.flow.iter().flat_map(crate::plan::Flow::controls) {
            sizes.add(&operand.offset);
        }
        for step in &plan.steps {
            for (operand, _) in step.operands() {
                sizes.add(&operand.len);
                sizes.add(&operand.offset);
            }
            step.fields.iter().for_each(|(_, arg)| sizes.add_arg(arg));
        }
        for buffer in &plan.arena.buffers {
            sizes.add(&buffer.offset);
        }
        sizes.add(&plan.arena.bytes);
        sizes
    }

    fn add(&mut self, dim: &Dim) {
        if dim.as_const().is_none() {
            let next = self.numbers.len();
            self.numbers.entry(dim.clone()).or_insert(next);
        }
    }

    fn add_arg(&mut self, arg: &Arg) {
        match arg {
            Arg::Size(dim) | Arg::Signed(dim) => self.add(dim),
            Arg::Quotient(above, below) => {
                self.add(above);
                self.add(below);
            }
            Arg::Sizes(dims) | Arg::SizeSlice(dims) | Arg::Signeds(dims) => dims.iter().for_each(|dim| self.add(dim)),
            Arg::Table(rows) => rows.iter().flatten().for_each(|dim| self.add(dim)),
            Arg::Struct(_, fields) => fields.iter().for_each(|(_, arg)| self.add_arg(arg)),
            Arg::Epilogue(_, _, captured) => captured.iter().for_each(|(_, row, col)| {
                self.add(row);
                self.add(col);
            }),
            _ => {}
        }
    }

    /// `dim` as a `usize` expression where `sizes` is in scope.
    pub fn usize(&self, dim: &Dim) -> TokenStream {
        match dim.as_const() {
            Some(value) => number(value),
            None => {
                let name = self.name(dim);
                quote!(sizes.#name as usize)
            }
        }
    }

    /// `dim` as an `isize` or `i64` expression where `sizes` is in scope.
    pub fn signed(&self, dim: &Dim) -> TokenStream {
        match dim.as_const() {
            Some(value) => number(value),
            None => {
                let name = self.name(dim);
                quote!(sizes.#name as _)
            }
        }
    }

    fn name(&self, dim: &Dim) -> proc_macro2::Ident {
        // invariant: `new` walked the same plan.
        format_ident!("d{}", self.numbers.get(dim).copied().unwrap_or(usize::MAX))
    }

    /// `Sizes` and how it is computed from the symbols' values.
    pub fn definition(&self, plan: &Plan) -> TokenStream {
        if !plan.is_dynamic() {
            return quote!();
        }
        let names = plan.all_symbols();
        let symbols: Vec<_> = names.iter().map(|symbol| symbol_ident(&names, symbol)).collect();
        let mut order: Vec<(&Dim, usize)> = self.numbers.iter().map(|(dim, &n)| (dim, n)).collect();
        order.sort_by_key(|&(_, n)| n);
        let fields: Vec<_> = order.iter().map(|(_, n)| format_ident!("d{n}")).collect();
        let docs = order.iter().map(|(dim, _)| format!(" {dim}"));
        let values = order.iter().map(|(dim, _)| expression(dim, &names));
        // Once a step has found a size out, all that depends on it is computed anew.
        let counted: Vec<_> = plan.counts.iter().map(|(name, _)| symbol_ident(&names, name)).collect();
        let setters: Vec<_> = counted.iter().map(|name| format_ident!("with_{name}")).collect();
        let (kept, own) = match plan.counts.is_empty() {
            true => (quote!(), quote!()),
            false => (quote!(#(#symbols: i64,)*), quote!(#(#symbols,)*)),
        };
        let calls = counted.iter().map(|count| {
            let arguments = symbols.iter().map(|symbol| match symbol == count {
                true => quote!(count as i64),
                false => quote!(self.#symbol),
            });
            quote!(Sizes::of(#(#arguments),*))
        });
        quote! {
            /// Sizes of one run.
            #[derive(Clone, Copy)]
            struct Sizes {
                #kept
                #(#[doc = #docs] #fields: i64,)*
            }

            impl Sizes {
                #[allow(unused_variables)]
                fn of(#(#symbols: i64),*) -> Sizes {
                    Sizes { #own #(#fields: #values,)* }
                }

                #(
                    fn #setters(self, count: usize) -> Sizes {
                        #calls
                    }
                )*
            }
        }
    }
}

/// The variable that holds the value of one of `symbols`: numbered, since two of them may differ in punctuation alone.
pub fn symbol_ident(symbols: &[String], symbol: &str) -> proc_macro2::Ident {
    let i = symbols.iter().position(|known| known == symbol).unwrap_or(symbols.len());
    format_ident!("n{i}_{}", super::names::snake_case(symbol))
}

fn number(value: i64) -> TokenStream {
    let magnitude = proc_macro2::Literal::u64_unsuffixed(value.unsigned_abs());
    if value < 0 { quote!((-#magnitude)) } else { quote!(#magnitude) }
}

/// `dim` computed from the symbols' variables, as `i64`.
fn expression(dim: &Dim, symbols: &[String]) -> TokenStream {
    let terms = dim.terms().map(|(product, coefficient)| {
        let coefficient = number(coefficient);
        let atoms = product.iter().map(|atom| match atom {
            Atom::Symbol(name) => {
                let name = symbol_ident(symbols, name);
                quote!(#name)
            }
            Atom::FloorDiv(a, b) => {
                let (a, b) = (expression(a, symbols), expression(b, symbols));
                quote!((#a).div_euclid((#b).max(1)))
            }
            Atom::Mod(a, b) => {
                let (a, b) = (expression(a, symbols), expression(b, symbols));
                quote!((#a).rem_euclid((#b).max(1)))
            }
            Atom::Max(a, b) => {
                let (a, b) = (expression(a, symbols), expression(b, symbols));
                quote!((#a).max(#b))
            }
            Atom::Min(a, b) => {
                let (a, b) = (expression(a, symbols), expression(b, symbols));
                quote!((#a).min(#b))
            }
        });
        quote!(#coefficient #(* #atoms)*)
    });
    quote!(0i64 #(+ (#terms))*)
}
