//! The choice of instruction set: once a run, among those the model was generated for.

use crate::options::{IsaChoice, Options};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// An instruction set that code is generated for.
pub struct Isa {
    /// Kernel file of its token.
    pub module: &'static str,
    token: &'static str,
    /// What has to hold of the target for the token to exist.
    gate: Gate,
}

enum Gate {
    /// Found out on the processor, on this architecture.
    Detected(&'static str),
    /// Part of every processor of the target.
    Baseline(&'static str),
    Always,
}

/// Best first.
const ISAS: [(IsaChoice, Isa); 5] = [
    (
        IsaChoice::Avx512,
        Isa { module: "simd_avx512", token: "Avx512", gate: Gate::Detected("target_arch = \"x86_64\"") },
    ),
    (IsaChoice::Avx2, Isa { module: "simd_avx2", token: "Avx2", gate: Gate::Detected("target_arch = \"x86_64\"") }),
    (
        IsaChoice::Neon,
        Isa {
            module: "simd_neon",
            token: "Neon",
            gate: Gate::Baseline("all(target_arch = \"aarch64\", target_feature = \"neon\")"),
        },
    ),
    (
        IsaChoice::Wasm128,
        Isa {
            module: "simd_wasm",
            token: "Wasm128",
            gate: Gate::Baseline("all(target_family = \"wasm\", target_feature = \"simd128\")"),
        },
    ),
    (IsaChoice::Scalar, Isa { module: "simd_scalar", token: "Scalar", gate: Gate::Always }),
];

/// The instruction sets `options` asks for, best first; all of them if it asks for none.
pub fn chosen(options: &Options) -> Vec<Isa> {
    let wanted = |choice: &IsaChoice| options.isa.is_empty() || options.isa.contains(choice);
    ISAS.into_iter().filter(|(choice, _)| wanted(choice)).map(|(_, isa)| isa).collect()
}

/// `Isa` and its `best`.
pub fn dispatch(isas: &[Isa]) -> TokenStream {
    let gates: Vec<TokenStream> = isas
        .iter()
        .map(|isa| match isa.gate {
            Gate::Detected(gate) | Gate::Baseline(gate) => {
                let gate: TokenStream = gate.parse().unwrap_or_default();
                quote!(#[cfg(#gate)])
            }
            Gate::Always => quote!(),
        })
        .collect();
    let tokens: Vec<_> = isas.iter().map(|isa| format_ident!("{}", isa.token)).collect();
    let modules: Vec<_> = isas.iter().map(|isa| format_ident!("{}", isa.module)).collect();
    let tries =
        isas.iter().zip(&gates).zip(tokens.iter().zip(&modules)).map(|((isa, gate), (token, module))| match isa.gate {
            Gate::Detected(_) => quote! {
                #gate
                if let Some(token) = kernels::#module::#token::detect() {
                    return Isa::#token(token);
                }
            },
            Gate::Baseline(_) => quote! {
                #gate
                return Isa::#token(kernels::#module::#token::new());
            },
            Gate::Always => quote!(),
        });
    let last = match isas.iter().any(|isa| matches!(isa.gate, Gate::Always)) {
        true => quote!(Isa::Scalar(kernels::simd_scalar::Scalar::new())),
        false => quote!(panic!("this model was generated for an instruction set that this processor lacks")),
    };
    quote! {
        /// The instruction sets this model was generated for.
        #[derive(Clone, Copy)]
        enum Isa {
            #(#gates #tokens(kernels::#modules::#tokens),)*
        }

        impl Isa {
            /// The best one this processor has.
            #[inline]
            #[allow(unreachable_code)]
            fn best() -> Isa {
                #(#tries)*
                #last
            }

            /// Runs `task` on it.
            #[inline]
            fn run<T: kernels::simd::Task>(self, task: T) -> T::Out {
                match self {
                    #(#gates Isa::#tokens(s) => task.run(s),)*
                }
            }
        }
    }
}
