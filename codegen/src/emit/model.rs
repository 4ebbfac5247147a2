//! The model's type: how it is made, run, and what it says of itself.

use super::WeightSource;
use super::names::Names;
use super::sizes::{Sizes, symbol_ident};
use crate::ir::{Atom, DType, MAX_SIZE};
use crate::options::{Kernels, Options};
use crate::plan::{Operand, Place, Plan, Port, Threads};
use crate::report::About;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// Struct, constants, constructor and `run`.
pub fn model(
    plan: &Plan,
    names: &Names,
    options: &Options,
    about: &About,
    weights: &WeightSource,
    sizes: &Sizes,
) -> TokenStream {
    let ty = names.ty();
    let doc = format!(" The model `{}`, with the memory it works in.", plan.name);
    let arena_bytes = plan.arena.bytes.as_usize();
    let arena_const = arena_bytes.map(|bytes| {
        let bytes = Literal::usize_unsuffixed(bytes);
        quote! {
            /// Bytes of working memory, intermediate values and outputs together.
            pub const ARENA_BYTES: usize = #bytes;
        }
    });
    let weight_bytes = Literal::usize_unsuffixed(plan.blob.len());
    let macs = plan.macs.as_const().map(|macs| {
        let macs = Literal::u64_unsuffixed(macs.unsigned_abs());
        quote! {
            /// Multiplications with addition that one run does in contractions.
            pub const MACS: u64 = #macs;
        }
    });
    let sha = &about.sha256;
    let source = &about.source;
    let weights = weight_static(plan, options, about, weights);
    let (storage, new) = storage(plan, ty, options, arena_bytes);
    let run = run(plan, names, options, arena_bytes.is_some(), sizes);
    let outputs = outputs(plan, names);
    let steps = options.profile.then(|| profile(plan));
    let texts = plan.texts.as_deref().map(text_static);
    let views = plan.is_dynamic().then(|| {
        quote!(
            pub use kernels::view::{ShapeError, View};
        )
    });
    quote! {
        #views
        #weights
        #texts

        #[doc = #doc]
        pub struct #ty {
            #storage
        }

        impl #ty {
            #arena_const
            /// Bytes of constants, in the binary's read-only data.
            pub const WEIGHT_BYTES: usize = #weight_bytes;
            #macs
            /// The model file this was generated from.
            pub const SOURCE: &'static str = #source;
            /// SHA-256 of that file.
            pub const SOURCE_SHA256: &'static str = #sha;
            #steps

            #new

            #run
        }

        #outputs
    }
}

/// What a profiled model says of its steps.
fn profile(plan: &Plan) -> TokenStream {
    let len = Literal::usize_unsuffixed(plan.steps.len());
    quote! {
        /// Time spent in each step, over all runs so far; the module's documentation lists the steps.
        pub fn times(&self) -> &[::std::time::Duration; #len] {
            &self.times
        }
    }
}

/// Bytes of weights from which on the assembler brings them in.
const LEAST_ASSEMBLED: usize = 1 << 20;

/// Whether the weights are brought in by the assembler, which finds a file by its absolute path alone.
pub fn assembled(plan: &Plan, options: &Options, weights: &WeightSource) -> bool {
    let absolute = match weights {
        WeightSource::File(path) => path.starts_with('/') && !path.contains(['"', '\\']),
        WeightSource::OutDir(_) => true,
        WeightSource::Literal => false,
    };
    // The macro that does it is at hand where the module has its own kernels.
    absolute && options.kernels == Kernels::Embedded && plan.blob.len() >= LEAST_ASSEMBLED
}

fn weight_static(plan: &Plan, options: &Options, about: &About, weights: &WeightSource) -> TokenStream {
    let big_endian = quote! {
        #[cfg(target_endian = "big")]
        compile_error!("kiln stores weights little-endian and does not support big-endian targets yet");
    };
    if assembled(plan, options, weights) {
        let len = Literal::usize_unsuffixed(plan.blob.len());
        let symbol = format!("kiln_weights_{}", &about.weights_sha256[..32]);
        let path = match weights {
            WeightSource::OutDir(name) => {
                let name = format!("/{name}");
                quote!(concat!(env!("OUT_DIR"), #name))
            }
            WeightSource::File(path) => quote!(#path),
            WeightSource::Literal => quote!(),
        };
        // A module of its own is a unit of its own for rustc, which compiles the smallest among the first: the assembler copies
        // while the kernels are compiled, not when they are done.
        return quote! {
            #big_endian
            mod weights_file {
                use super::kernels;
                kernels::weights_file::weights_file!(WEIGHTS: #len bytes, #symbol, #path);
            }
            use weights_file::WEIGHTS;
        };
    }
    let len = Literal::usize_unsuffixed(plan.blob.len());
    let bytes = match weights {
        _ if plan.blob.is_empty() => quote!([]),
        WeightSource::File(path) => quote!(*include_bytes!(#path)),
        WeightSource::OutDir(name) => {
            let name = format!("/{name}");
            quote!(*include_bytes!(concat!(env!("OUT_DIR"), #name)))
        }
        WeightSource::Literal => {
            let literal = Literal::byte_string(&plan.blob);
            quote!(*#literal)
        }
    };
    quote! {
        #big_endian

        static WEIGHTS: kernels::arena::Aligned<[u8; #len]> = kernels::arena::Aligned(#bytes);
    }
}

/// The strings the model knows from the start.
fn text_static(texts: &[String]) -> TokenStream {
    let len = Literal::usize_unsuffixed(texts.len());
    quote! {
        pub use kernels::texts::TextView;

        static TEXTS: [&str; #len] = [#(#texts),*];
    }
}

fn storage(
    plan: &Plan,
    ty: &proc_macro2::Ident,
    options: &Options,
    arena_bytes: Option<usize>,
) -> (TokenStream, TokenStream) {
    let n_steps = Literal::usize_unsuffixed(plan.steps.len());
    let shared = plan.threads == Threads::On;
    let team = shared.then(|| quote!(team: Option<kernels::team::Team>,));
    let no_team = shared.then(|| quote!(team: None,));
    let times = options.profile.then(|| quote!(times: [::std::time::Duration; #n_steps],));
    let no_times = options.profile.then(|| quote!(times: [::std::time::Duration::ZERO; #n_steps],));
    match arena_bytes {
        Some(bytes) if !options.std => {
            let bytes = Literal::usize_unsuffixed(bytes);
            let storage = quote!(arena: kernels::arena::Storage<#bytes>,);
            let new = quote! {
                /// A model ready to run, its working memory inside it: made for a `static`.
                pub const fn new() -> #ty {
                    #ty { arena: kernels::arena::Storage::new() }
                }
            };
            (storage, new)
        }
        bytes => {
            let blocks = match bytes {
                Some(_) => quote!(Self::ARENA_BYTES.div_ceil(64)),
                None => quote!(0),
            };
            let with_threads = match plan.threads {
                Threads::Off => None,
                Threads::Idle => Some(quote! {
                    /// The same as [`Self::new`], whatever the number of threads: the steps of this model are so short that sharing
                    /// them would take longer than doing them.
                    pub fn with_threads(_threads: usize) -> #ty {
                        #ty::new()
                    }
                }),
                Threads::On => Some(quote! {
                    /// The model on `threads` threads, of which the caller of `run` is one; 0 stands for as many as there are
                    /// processors. Results are the same, bit for bit. The other threads are made here and end with the model.
                    pub fn with_threads(threads: usize) -> #ty {
                        #ty { team: Some(kernels::team::Team::new(threads)), ..#ty::new() }
                    }
                }),
            };
            let text_inputs = plan.inputs.iter().filter(|port| port.is_text()).count();
            let text_inputs = Literal::usize_unsuffixed(text_inputs);
            let texts = plan.texts.as_ref().map(|_| {
                quote! {
                    texts: core::cell::RefCell<kernels::texts::Texts>,
                    text_inputs: [::std::vec::Vec<i32>; #text_inputs],
                }
            });
            let known_texts = plan.texts.as_ref().map(|_| {
                quote! {
                    texts: core::cell::RefCell::new(kernels::texts::Texts::new(&TEXTS)),
                    text_inputs: ::std::default::Default::default(),
                }
            });
            let storage = quote!(arena: ::std::vec::Vec<kernels::arena::Block>, #team #times #texts);
            let new = quote! {
                /// A model ready to run; its working memory is taken from the heap here, once.
                pub fn new() -> #ty {
                    #ty { arena: ::std::vec![kernels::arena::Block::ZERO; #blocks], #no_team #no_times #known_texts }
                }

                #with_threads
            };
            (storage, new)
        }
    }
}

/// The caller's type for a port: an array where the size is known, a view otherwise.
fn port_type(plan: &Plan, port: &Port, lifetime: &TokenStream) -> TokenStream {
    let element = match port.dtype {
        _ if port.is_text() => quote!(&str),
        DType::Bool => quote!(bool),
        dtype => {
            let name = format_ident!("{}", dtype.rust());
            quote!(#name)
        }
    };
    match port.operand.len.as_usize() {
        Some(len) if !plan.is_dynamic() => {
            let len = Literal::usize_unsuffixed(len);
            quote!(&#lifetime [#element; #len])
        }
        _ => {
            let rank = Literal::usize_unsuffixed(port.shape.len());
            let lifetime = if lifetime.is_empty() { quote!('_) } else { lifetime.clone() };
            quote!(View<#lifetime, #element, #rank>)
        }
    }
}

/// The type of an output.
fn result_type(plan: &Plan, port: &Port, lifetime: &TokenStream) -> TokenStream {
    if !port.is_text() {
        return port_type(plan, port, lifetime);
    }
    let rank = Literal::usize_unsuffixed(port.shape.len());
    let lifetime = if lifetime.is_empty() { quote!('_) } else { lifetime.clone() };
    quote!(TextView<#lifetime, #rank>)
}

fn outputs(plan: &Plan, names: &Names) -> TokenStream {
    if plan.outputs.len() == 1 {
        return quote!();
    }
    let fields = plan.outputs.iter().zip(&names.outputs).map(|(port, name)| {
        let (ty, doc) = (result_type(plan, port, &quote!('a)), format!(" {}", port.describe()));
        quote!(#[doc = #doc] pub #name: #ty)
    });
    let outputs = format_ident!("{}Outputs", names.ty());
    quote! {
        /// What one run gives.
        #[derive(Clone, Copy)]
        pub struct #outputs<'a> {
            #(#fields,)*
            marker: core::marker::PhantomData<&'a ()>,
        }
    }
}

fn run(plan: &Plan, names: &Names, options: &Options, fixed: bool, sizes: &Sizes) -> TokenStream {
    let dynamic = plan.is_dynamic();
    let params = plan.inputs.iter().zip(&names.inputs).map(|(port, name)| {
        let ty = port_type(plan, port, &quote!());
        quote!(#name: #ty)
    });
    let result = match plan.outputs.as_slice() {
        [port] => result_type(plan, port, &quote!()),
        _ => {
            let outputs = format_ident!("{}Outputs", names.ty());
            quote!(#outputs<'_>)
        }
    };
    let result = if dynamic { quote!(Result<#result, ShapeError>) } else { result };
    let mut docs =
        vec![" Runs the model once.".to_string(), String::new(), " Inputs, each dense and row-major:".to_string()];
    docs.extend(plan.inputs.iter().map(|port| format!(" - {}", port.describe())));
    docs.push(String::new());
    docs.push(" Outputs, valid until the next run:".to_string());
    docs.extend(plan.outputs.iter().map(|port| format!(" - {}", port.describe())));
    if dynamic {
        docs.push(String::new());
        docs.push(" # Errors".to_string());
        docs.push(" If the inputs' shapes do not fit the model or each other, or exceed a bound.".to_string());
    } else {
        docs.push(String::new());
        let first = if plan.texts.is_some() {
            " but for strings, at first"
        } else if plan.threads == Threads::On {
            " but for what each thread works in, at first"
        } else {
            ""
        };
        docs.push(format!(" Never allocates{first}."));
    }

    let bind = if dynamic { bind(plan, names) } else { quote!() };
    let io_fields = plan.inputs.iter().zip(&names.inputs).map(|(port, name)| {
        let slice = if dynamic { quote!(#name.data) } else { quote!(#name) };
        match port.dtype {
            _ if port.is_text() => quote!(#name: &#name),
            DType::Bool => quote!(#name: kernels::arena::bools(#slice)),
            _ => quote!(#name: #slice),
        }
    });
    let io_sizes = dynamic.then(|| quote!(sizes: *sizes,));
    let inline = fixed && !options.std;
    let grow = (!fixed).then(|| {
        let bytes = sizes.usize(&plan.arena.bytes);
        quote! {
            let blocks = (#bytes).div_ceil(64);
            if self.arena.len() < blocks {
                self.arena.resize(blocks, kernels::arena::Block::ZERO);
            }
        }
    });
    let arena =
        if inline { quote!(self.arena.arena()) } else { quote!(kernels::arena::Arena::from_blocks(&mut self.arena)) };
    let read =
        if inline { quote!(self.arena.arena()) } else { quote!(kernels::arena::Arena::from_blocks(&mut self.arena)) };
    let parts: Vec<_> = plan.outputs.iter().filter(|port| matches!(port.operand.place, Place::Buffer(_))).collect();
    let spans = parts.iter().map(|port| span(plan, &port.operand, sizes));
    let part_names: Vec<_> = (0..parts.len()).map(|i| format_ident!("o{i}")).collect();
    let mut next = 0;
    let values: Vec<TokenStream> = plan
        .outputs
        .iter()
        .map(|port| {
            // materialise_outputs has put every output into a buffer.
            let part = part_names.get(next).cloned().unwrap_or_else(|| format_ident!("not_a_buffer"));
            next += 1;
            output_value(plan, port, &part, sizes)
        })
        .collect();
    let value = match values.as_slice() {
        [value] => value.clone(),
        values => {
            let outputs = format_ident!("{}Outputs", names.ty());
            let fields = &names.outputs;
            quote!(#outputs { #(#fields: #values,)* marker: core::marker::PhantomData })
        }
    };
    let value = if dynamic { quote!(Ok(#value)) } else { value };
    let fails = plan.may_fail().then(|| quote!(?));
    let found = (!plan.counts.is_empty()).then(|| quote!(let sizes = &));
    let times = options.profile.then(|| quote!(times: &mut self.times,));
    let team = (plan.threads == Threads::On).then(|| quote!(team: self.team.as_ref(),));
    let texts = plan.texts.as_ref().map(|_| quote!(texts: &self.texts,));
    let enter_texts = plan.texts.as_ref().map(|_| {
        let ports = plan.inputs.iter().zip(&names.inputs).filter(|(port, _)| port.is_text()).map(|(_, name)| name);
        let names: Vec<_> = ports.collect();
        let slices = names.iter().map(|name| if dynamic { quote!(#name.data) } else { quote!(#name) });
        let places: Vec<_> = (0..names.len()).map(Literal::usize_unsuffixed).collect();
        quote! {
            let texts = self.texts.get_mut();
            texts.reset();
            #(texts.numbers(#slices, &mut self.text_inputs[#places]);)*
            #(let #names = &self.text_inputs[#places];)*
        }
    });
    let leave_texts = plan.outputs.iter().any(Port::is_text).then(|| quote!(let texts = &*self.texts.get_mut();));
    let run = if plan.steps.is_empty() {
        quote!()
    } else {
        quote! {
            let io = Io { #(#io_fields,)* #io_sizes weights: kernels::arena::Weights(&WEIGHTS), #team #texts };
            #found Isa::best().run(Run { arena: #arena, io, #times }) #fails;
        }
    };
    quote! {
        #(#[doc = #docs])*
        #[allow(unused_variables)]
        pub fn run(&mut self, #(#params),*) -> #result {
            #bind
            #grow
            #enter_texts
            #run
            #leave_texts
            let arena = #read;
            let [#(#part_names),*] = arena.into_parts([#(#spans),*]);
            #value
        }
    }
}

/// Reads the symbols off the inputs' shapes and checks every other size against them.
fn bind(plan: &Plan, names: &Names) -> TokenStream {
    let mut statements = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    let all = plan.all_symbols();
    let mut checks = Vec::new();
    for (port, name) in plan.inputs.iter().zip(&names.inputs) {
        for (axis, dim) in port.shape.iter().enumerate() {
            let axis_token = Literal::usize_unsuffixed(axis);
            let mut terms = dim.terms();
            if let (Some(([Atom::Symbol(symbol)], 1)), None) = (terms.next(), terms.next())
                && !known.contains(&symbol.as_str())
            {
                known.push(symbol);
                let variable = symbol_ident(&all, symbol);
                let bound =
                    Literal::i64_unsuffixed(plan.bounds.get(symbol).map_or(MAX_SIZE, |&bound| bound.min(MAX_SIZE)));
                let input = &port.name;
                statements.push(quote! {
                    let #variable = kernels::view::bounded(#input, #axis_token, #name.shape[#axis_token], #bound)?;
                });
            } else {
                checks.push((port, name, axis, dim.clone()));
            }
        }
    }
    let symbols = plan.symbols.iter().map(|symbol| {
        let symbol = symbol_ident(&all, symbol);
        quote!(#symbol)
    });
    // What steps find out is nothing before they have.
    let symbols: Vec<_> = symbols.chain(plan.counts.iter().map(|_| quote!(0))).collect();
    let sizes = Sizes::new(plan);
    let checks = checks.iter().map(|(port, name, axis, dim)| {
        let (input, axis, want) = (&port.name, Literal::usize_unsuffixed(*axis), sizes.signed(dim));
        quote!(kernels::view::expect(#input, #axis, #name.shape[#axis], #want)?;)
    });
    let outputs = plan.outputs.iter().flat_map(|port| {
        let sizes_known = |dim: &crate::ir::Dim| dim.as_const().is_none() && !plan.is_counted(dim);
        port.shape.iter().enumerate().filter(move |(_, dim)| sizes_known(dim)).map(|(axis, dim)| {
            let (output, axis, size) = (&port.name, Literal::usize_unsuffixed(axis), sizes.signed(dim));
            quote!(kernels::view::natural(#output, #axis, #size)?;)
        })
    });
    let equalities = plan.equalities.iter().map(|(a, b)| {
        let (left, right) = (a.to_string(), b.to_string());
        let (a, b) = (sizes.signed(a), sizes.signed(b));
        quote!(kernels::view::equal(#left, #a, #right, #b)?;)
    });
    quote! {
        #(#statements)*
        let sizes = &Sizes::of(#(#symbols),*);
        #(#checks)*
        #(#equalities)*
        #(#outputs)*
    }
}

fn span(plan: &Plan, operand: &Operand, sizes: &Sizes) -> TokenStream {
    let Place::Buffer(buffer) = operand.place else { return quote!() };
    let (at, len) = (sizes.usize(&plan.arena.buffers[buffer.0].offset), sizes.usize(&operand.len));
    let size = Literal::usize_unsuffixed(operand.dtype.bytes());
    quote!(kernels::arena::Span::read(#at, (#len) * #size))
}

fn output_value(plan: &Plan, port: &Port, part: &proc_macro2::Ident, sizes: &Sizes) -> TokenStream {
    if port.is_text() {
        let shape = port.shape.iter().map(|dim| sizes.usize(dim));
        return quote!(TextView::new(#part.get(), texts, [#(#shape),*]));
    }
    let slice = match port.dtype {
        DType::Bool => quote!(kernels::arena::as_bools(#part.get())),
        _ => quote!(#part.get()),
    };
    if plan.is_dynamic() {
        let shape = port.shape.iter().map(|dim| sizes.usize(dim));
        quote!(View { data: #slice, shape: [#(#shape),*] })
    } else {
        quote!(kernels::view::array(#slice))
    }
}
