//! `kiln::include_model!`: a trained model file as a Rust struct with a `run` function.
//!
//! This crate is a door: it reads the macro's arguments, calls `kiln-codegen`, and hands the result to rustc.

use kiln_codegen::cargo::{ModelFile, write_if_changed};
use kiln_codegen::{Options, WeightSource, compile};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use std::path::{Path, PathBuf};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Token};

/// Above this many bytes weights go to a file beside the build's other outputs: rustc is slow on long literals.
const LARGEST_LITERAL: usize = 1 << 18;

/// Includes a model file as a module and a struct, compiled by rustc like any other code.
///
/// ```ignore
/// kiln::include_model!("model/digits.onnx");
/// kiln::include_model!(
///     "model/speech.onnx",              // from the package's root
///     name = Speech,                     // the struct; the file's name by default
///     dims = { batch = 1, frames <= 512 }, // symbolic sizes: fixed, or bounded; others stay free
///     pins = { sr = 16000 },             // inputs that become constants
///     lens = { boxes = 3 },              // elements of inputs that are sequences; 0 leaves an optional out
///     shapes = { x = [1, 3, 224, 224] }, // shapes of inputs for which the model gives none
///     isa = [avx2, avx512],              // instruction sets; by default all that the target may have
///     std = false,                       // working memory inside the struct, `new` is const
///     winograd = false,                  // convolutions in their direct form, a little more exact
///     tune = false,                      // the tuning file beside the model, if any, is ignored
///     threads = true,                    // `with_threads` beside `new`
///     profile = true,                    // `times`: how long each step took
///     kernels = crate::kernels,          // a module shared by several models, made by `kiln kernels`
/// );
/// ```
///
/// Sizes without a name in the model are called `"input:axis"`. Options are those of `kiln_codegen::Options`.
#[proc_macro]
pub fn include_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let expanded = syn::parse::<Arguments>(input).and_then(|arguments| expand(&arguments));
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}

struct Arguments {
    path: LitStr,
    options: Options,
}

impl Parse for Arguments {
    fn parse(input: ParseStream) -> syn::Result<Arguments> {
        let path: LitStr = input.parse()?;
        let mut options = Options::default();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let mut set =
                |name: &str, value: String, span: Span| options.set(name, &value).map_err(|e| Error::new(span, e));
            match key.to_string().as_str() {
                "dims" | "pins" | "lens" | "shapes" => {
                    let one = key.to_string();
                    entries(input, |entry, span| set(one.trim_end_matches('s'), entry, span))?;
                }
                "isa" if input.peek(syn::token::Bracket) => {
                    let content;
                    syn::bracketed!(content in input);
                    let names = content.parse_terminated(Ident::parse, Token![,])?;
                    let span = names.first().map_or(key.span(), Ident::span);
                    set("isa", names.iter().map(Ident::to_string).collect::<Vec<_>>().join(","), span)?;
                }
                "name" | "isa" | "std" | "winograd" | "tune" | "threads" | "profile" | "kernels" => {
                    let (value, span) = until_comma(input)?;
                    set(&key.to_string(), value, span)?;
                }
                _ => {
                    let message = "there is no such option; there are name, dims, pins, lens, shapes, isa, std, winograd, tune, threads, profile and kernels";
                    return Err(Error::new(key.span(), message));
                }
            }
        }
        Ok(Arguments { path, options })
    }
}

/// `{ key = value, key <= value }`, each given to `set` as one text.
fn entries(input: ParseStream, mut set: impl FnMut(String, Span) -> syn::Result<()>) -> syn::Result<()> {
    let content;
    syn::braced!(content in input);
    while !content.is_empty() {
        let span = content.span();
        let key = match content.peek(LitStr) {
            true => content.parse::<LitStr>()?.value(),
            false => content.parse::<Ident>()?.to_string(),
        };
        let relation = if content.peek(Token![<=]) {
            content.parse::<Token![<=]>()?;
            "<="
        } else {
            content.parse::<Token![=]>()?;
            "="
        };
        set(format!("{key}{relation}{}", until_comma(&content)?.0), span)?;
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

fn until_comma(input: ParseStream) -> syn::Result<(String, Span)> {
    let mut tokens = TokenStream::new();
    let span = input.span();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend(input.parse::<proc_macro2::TokenTree>()?.into_token_stream());
    }
    let text = tokens.to_string().replace(['[', ']', ' '], "");
    if text.is_empty() { Err(Error::new(span, "a value is missing here")) } else { Ok((text, span)) }
}

fn expand(arguments: &Arguments) -> syn::Result<TokenStream> {
    let at = |message: String| Error::new(arguments.path.span(), message);
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let path = root.join(arguments.path.value());
    let model = ModelFile::read(&path).map_err(at)?;
    let compiled = model.with_source(|source| compile(source, &arguments.options)).map_err(|e| at(e.to_string()))?;
    let weights = if compiled.weights().len() <= LARGEST_LITERAL {
        WeightSource::Literal
    } else {
        let file = out_dir().join(format!("kiln-{}.weights", &compiled.weights_sha256()[..32]));
        write_if_changed(&file, compiled.weights()).map_err(at)?;
        WeightSource::File(file.display().to_string())
    };
    let source: TokenStream = compiled.emit(&weights).map_err(at)?.parse().map_err(|e| at(format!("{e}")))?;
    // Naming the files makes cargo rebuild the application when they change; the constant itself leaves no trace in it.
    let watched = std::iter::once(path).chain(model.paths_beside()).map(|path| path.display().to_string());
    Ok(quote! {
        #(const _: usize = include_bytes!(#watched).len();)*
        #source
    })
}

/// Where rustc puts what it makes for the crate; rust-analyzer has no such place.
fn out_dir() -> PathBuf {
    let mut arguments = std::env::args_os();
    arguments.find(|argument| argument == "--out-dir");
    arguments.next().map_or_else(std::env::temp_dir, |dir| Path::new(&dir).to_path_buf())
}
