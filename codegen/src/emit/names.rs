//! The only place where a name of the model becomes a Rust identifier.

use crate::plan::{Plan, Port};
use proc_macro2::{Ident, Span};
use std::collections::BTreeSet;

/// Identifiers of the generated module.
pub struct Names {
    module: Ident,
    ty: Ident,
    /// One an input.
    pub inputs: Vec<Ident>,
    /// One an output.
    pub outputs: Vec<Ident>,
    /// One a step.
    pub steps: Vec<Ident>,
}

impl Names {
    /// Identifiers for `plan`, unique where they share a scope.
    pub fn new(plan: &Plan) -> Names {
        let all = plan.all_symbols();
        let symbols = all.iter().map(|symbol| super::sizes::symbol_ident(&all, symbol).to_string());
        // Variables of `run`, and fields beside inputs and outputs.
        let taken: BTreeSet<String> =
            ["s", "arena", "io", "sizes", "weights", "team", "times", "blocks", "marker", "texts"]
                .into_iter()
                .map(String::from)
                .chain(symbols)
                .collect();
        let idents = |ports: &[Port]| {
            let mut taken = taken.clone();
            ports.iter().map(|port| ident(&unique(&snake_case(&port.name), &mut taken))).collect()
        };
        let mut taken = BTreeSet::new();
        let steps = plan.steps.iter().enumerate().map(|(i, step)| {
            let name = snake_case(&step.node);
            let name: String = name.chars().take(48).collect();
            ident(&unique(&format!("step_{i}_{name}"), &mut taken))
        });
        Names {
            module: ident(&snake_case(&plan.name)),
            ty: ident(&type_name(&plan.name)),
            inputs: idents(&plan.inputs),
            outputs: idents(&plan.outputs),
            steps: steps.collect(),
        }
    }

    /// The module all generated code is in.
    pub fn module(&self) -> &Ident {
        &self.module
    }

    /// The model's type.
    pub fn ty(&self) -> &Ident {
        &self.ty
    }
}

fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_string();
    let mut n = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{n}");
        n += 1;
    }
    candidate
}

/// `name` in snake case, letters of ASCII alone, never a keyword nor empty.
pub fn snake_case(name: &str) -> String {
    let mut result = String::new();
    let mut previous = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
            result.push('_');
        }
        if c.is_ascii_alphanumeric() {
            result.push(c.to_ascii_lowercase());
        } else if !result.ends_with('_') {
            result.push('_');
        }
        previous = c;
    }
    let result = result.trim_matches('_').to_string();
    if result.is_empty() {
        return "value".to_string();
    }
    if result.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("n{result}");
    }
    // `syn` knows the keywords of every edition.
    if syn::parse_str::<Ident>(&result).is_err() { format!("{result}_") } else { result }
}

/// Types that generated code names without a path.
const TYPES: [&str; 11] =
    ["Io", "Isa", "None", "Ok", "Option", "Result", "Run", "ShapeError", "Sizes", "TextView", "View"];

/// `name` as a type: `voice-activity` becomes `VoiceActivity`, and `run`, which generated code needs, `RunModel`.
pub fn type_name(name: &str) -> String {
    let snake = snake_case(name);
    let ty: String = snake
        .split('_')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (head, tail) = word.split_at(1);
            head.to_ascii_uppercase() + tail
        })
        .collect();
    let taken = TYPES.contains(&ty.as_str()) || ty.strip_prefix("Func").is_some_and(|n| n.parse::<usize>().is_ok());
    // The standard's `Self` and `Some` are no better as names of one's own.
    if taken || ["Self", "Some", "Err", "Vec"].contains(&ty.as_str()) { ty + "Model" } else { ty }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_an_identifier() {
        for (name, want) in [
            ("input.1", "input_1"),
            ("fn", "fn_"),
            ("", "value"),
            ("42", "n42"),
            ("onnx::Conv_0", "onnx_conv_0"),
            ("größe", "gr_e"),
            ("logitsOut", "logits_out"),
            ("self", "self_"),
            ("__", "value"),
        ] {
            assert_eq!(snake_case(name), want, "{name:?}");
        }
        assert_eq!(type_name("voice-activity"), "VoiceActivity");
        assert_eq!(type_name("run"), "RunModel");
        assert_eq!(type_name("func1"), "Func1Model");
    }
}
