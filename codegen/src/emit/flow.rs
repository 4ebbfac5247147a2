//! The walk over the steps, with its branches and loops.

use super::names::Names;
use super::sizes::{Sizes, symbol_ident};
use crate::ir::Dim;
use crate::plan::{Flow, Limit, Loop, Operand, Place, Plan};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// What runs, where `self` is the run and `s` the instruction set.
pub fn block(walk: &Walk, flow: &[Flow]) -> TokenStream {
    let parts = flow.iter().map(|part| one(walk, part));
    quote!(#(#parts)*)
}

fn one(walk: &Walk, part: &Flow) -> TokenStream {
    let &Walk { plan, names, sizes, profile } = walk;
    match part {
        Flow::Call(at) => {
            let name = &names.steps[*at];
            let call = match &plan.steps[*at].count {
                None => quote!(#name(s, &mut self.arena, &self.io);),
                Some(count) => {
                    let found = setter(plan, count);
                    quote!(self.io.sizes = self.io.sizes.#found(#name(s, &mut self.arena, &self.io));)
                }
            };
            let at = Literal::usize_unsuffixed(*at);
            match profile {
                false => call,
                true => quote! {
                    let start = ::std::time::Instant::now();
                    #call
                    self.times[#at] += start.elapsed();
                },
            }
        }
        Flow::Check(a, b) => {
            let (left, right) = (a.to_string(), b.to_string());
            let (a, b) = (sizes.signed(a), sizes.signed(b));
            quote! {
                {
                    let sizes = &self.io.sizes;
                    kernels::view::equal(#left, #a, #right, #b)?;
                }
            }
        }
        Flow::Within(Limit { what, size, most }) => {
            let (size, most) = (sizes.signed(size), Literal::i64_unsuffixed(*most));
            quote! {
                {
                    let sizes = &self.io.sizes;
                    kernels::view::within(#what, #size, #most)?;
                }
            }
        }
        Flow::If { condition, then, otherwise } => {
            let condition = walk.read(condition);
            let (then, otherwise) = (block(walk, then), block(walk, otherwise));
            quote! {
                if #condition != 0 {
                    #then
                } else {
                    #otherwise
                }
            }
        }
        Flow::Loop(turns) => {
            let Loop { turn, trips, condition, going, body, count } = &**turns;
            let put = walk.write(turn, &quote!(turn));
            let body = block(walk, body);
            let trips = trips.as_ref().map_or(quote!(i64::MAX), |trips| walk.read(trips));
            let begin = condition.as_ref().map_or(quote!(true), |condition| {
                let condition = walk.read(condition);
                quote!(#condition != 0)
            });
            let again = going.as_ref().map(|going| {
                let going = walk.read(going);
                quote!(going = #going != 0;)
            });
            let found = count.as_ref().map(|count| {
                let found = setter(plan, count);
                quote!(self.io.sizes = self.io.sizes.#found(turn as usize);)
            });
            quote! {
                {
                    let trips: i64 = #trips;
                    let mut going = #begin;
                    let mut turn = 0i64;
                    while going && turn < trips {
                        #put
                        #body
                        #again
                        turn += 1;
                    }
                    #found
                }
            }
        }
    }
}

fn setter(plan: &Plan, count: &str) -> proc_macro2::Ident {
    format_ident!("with_{}", symbol_ident(&plan.all_symbols(), count))
}

/// What the walk is written from.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    pub plan: &'a Plan,
    pub names: &'a Names,
    pub sizes: &'a Sizes,
    /// Whether each call is timed.
    pub profile: bool,
}

/// One element of an operand, from outside the steps.
impl Walk<'_> {
    fn read(&self, operand: &Operand) -> TokenStream {
        let ty = format_ident!("{}", operand.dtype.rust());
        match operand.place {
            Place::Weight(at) => {
                let at = Literal::usize_unsuffixed(at);
                quote!(self.io.weights.get::<#ty>(#at, 1)[0])
            }
            Place::Input(i) => {
                let name = &self.names.inputs[i];
                quote!(self.io.#name[0])
            }
            Place::Buffer(_) => {
                let span = self.span(operand, "read");
                let sizes = self.plan.is_dynamic().then(|| quote!(let sizes = &self.io.sizes;));
                quote!({
                    #sizes
                    let [part] = self.arena.parts([#span]);
                    part.get::<#ty>()[0]
                })
            }
        }
    }

    fn write(&self, operand: &Operand, value: &TokenStream) -> TokenStream {
        let (ty, span) = (format_ident!("{}", operand.dtype.rust()), self.span(operand, "write"));
        let sizes = self.plan.is_dynamic().then(|| quote!(let sizes = &self.io.sizes;));
        quote! {
            {
                #sizes
                let [part] = self.arena.parts([#span]);
                part.get_mut::<#ty>()[0] = #value;
            }
        }
    }

    fn span(&self, operand: &Operand, access: &str) -> TokenStream {
        let Place::Buffer(buffer) = operand.place else { return quote!() };
        let at = self.sizes.usize(&self.plan.arena.buffers[buffer.0].offset);
        let bytes = self.sizes.usize(&Dim::from(operand.dtype.bytes()));
        let access = format_ident!("{access}");
        quote!(kernels::arena::Span::#access(#at, #bytes))
    }
}
