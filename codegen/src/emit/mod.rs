//! Plan to Rust source: one module and a `use` of its model type, nothing before them, so that the text can be included,
//! compiled as a file of its own or handed out by a macro. The same plan gives the same bytes.
//!
//! Nothing is decided here: what runs, where it lies and how it is packed stands in the plan.

mod dispatch;
mod exprs;
mod exprs_scalar;
mod flow;
mod kernels;
mod model;
mod names;
mod sizes;
mod steps;

use crate::options::{Kernels, Options};
use crate::plan::Plan;
use proc_macro2::TokenStream;
use quote::quote;

pub use kernels::shared as shared_kernels;
pub use names::{snake_case, type_name};

/// How the generated module gets at its weights.
#[derive(Clone, Debug)]
pub enum WeightSource {
    /// `include_bytes!` of this path, resolved by rustc.
    File(String),
    /// `include_bytes!` of this file name in `OUT_DIR`.
    OutDir(String),
    /// A byte string in the source.
    Literal,
}

/// Names of the outputs' fields in the struct of outputs.
pub fn output_fields(plan: &Plan) -> Vec<String> {
    names::Names::new(plan).outputs.iter().map(ToString::to_string).collect()
}

/// The generated source for `plan`.
pub fn emit(
    plan: &Plan,
    options: &Options,
    about: &crate::report::About,
    weights: &WeightSource,
) -> Result<String, String> {
    let names = names::Names::new(plan);
    let isas = dispatch::chosen(options);
    let module = names.module();
    let ty = names.ty();
    let body = module_body(plan, &names, options, about, weights, &isas);
    let file: syn::File =
        syn::parse2(body).map_err(|e| format!("generated code does not parse: {e}; this is a bug in kiln"))?;
    let body = indent(&prettyplease::unparse(&file), 4);
    let kernels = match &options.kernels {
        Kernels::Embedded => {
            let text = {
                let assembled = model::assembled(plan, options, weights);
                kernels::embedded(&kernels::reached(plan, &isas, assembled)?)?
            };
            format!("\n    mod kernels {{\n{}    }}\n", indent(&text, 8))
        }
        Kernels::Shared(_) => String::new(),
    };
    let docs = about.docs(plan);
    let docs: String =
        docs.lines().map(|line| format!("    //!{}{line}\n", if line.is_empty() { "" } else { " " })).collect();
    Ok(format!(
        "#[rustfmt::skip]\npub mod {module} {{\n{docs}    #![allow(clippy::all, clippy::pedantic, dead_code, unused_imports, unsafe_op_in_unsafe_fn)]\n\n{body}{kernels}}}\npub use {module}::{ty};\n"
    ))
}

fn module_body(
    plan: &Plan,
    names: &names::Names,
    options: &Options,
    about: &crate::report::About,
    weights: &WeightSource,
    isas: &[dispatch::Isa],
) -> TokenStream {
    let uses = match &options.kernels {
        Kernels::Embedded => quote!(),
        Kernels::Shared(path) => {
            let path: TokenStream = path.parse().unwrap_or_default();
            quote!(use #path as kernels;)
        }
    };
    let sizes = sizes::Sizes::new(plan);
    let model = model::model(plan, names, options, about, weights, &sizes);
    let dispatch = dispatch::dispatch(isas);
    let steps = steps::steps(plan, names, options, &sizes);
    let funcs = exprs::funcs(plan);
    let sizes = sizes.definition(plan);
    quote! {
        #uses
        #model
        #dispatch
        #sizes
        #steps
        #funcs
    }
}

fn indent(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_string() } else { format!("{pad}{line}\n") }).collect()
}
