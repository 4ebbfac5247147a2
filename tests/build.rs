//! Puts every case through the build-script door, once for every instruction set, and writes the list of what came out.
//!
//! `CASE=conv` builds only the cases whose name contains `conv`. A case that is refused stays in the list with the reason, so
//! that its test fails and the others run.

use kiln_codegen::cargo::{Builder, ModelFile, write_if_changed};
use kiln_codegen::{Compiled, Options, PortInfo, compile};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const ISAS: [&str; 3] = ["scalar", "avx2", "avx512"];

fn main() {
    println!("cargo::rerun-if-env-changed=CASE");
    println!("cargo::rerun-if-changed=cases");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let wanted = std::env::var("CASE").unwrap_or_default();
    let cases: Vec<String> = names().into_iter().filter(|name| name.contains(&wanted)).collect();
    let (mut models, mut list, mut tests) = (String::new(), String::new(), String::new());
    for case in &cases {
        for isa in ISAS {
            let generated = Generated::new(case, isa);
            models.push_str(&generated.module);
            list.push_str(&generated.entry);
        }
        let _ = writeln!(tests, "#[test]\nfn {case}() {{\n    every_output_is_right({case:?});\n}}\n");
    }
    let _ = writeln!(models, "pub static GENERATED: &[crate::Generated] = &[\n{list}];");
    let kernels = kiln_codegen::shared_kernels(true).expect("the kernels are written out");
    write(&out.join("kernels.rs"), &kernels);
    write(&out.join("models.rs"), &models);
    write(&out.join("numeric.rs"), &tests);
}

fn write(path: &Path, text: &str) {
    write_if_changed(path, text.as_bytes()).expect("OUT_DIR can be written");
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir("cases").expect("tests/cases is part of the repository");
    let folders = entries.filter_map(Result::ok).filter(|entry| entry.path().join("case.json").exists());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A module of generated code, and its entry in the list.
struct Generated {
    module: String,
    entry: String,
}

impl Generated {
    fn new(case: &str, isa: &str) -> Generated {
        let module = format!("{case}_{isa}");
        match generate(case, isa, &module) {
            Ok((source, compiled, threads)) => {
                let new = if threads { "with_threads(3)" } else { "new()" };
                let signature = compiled.signature();
                let names =
                    |ports: &[PortInfo]| ports.iter().map(|port| format!("{:?}, ", port.name)).collect::<String>();
                let entry = format!(
                    "    crate::Generated {{ case: {case:?}, isa: {isa:?}, source: {:?}, dynamic: {}, inputs: &[{}], outputs: &[{}], new: Ok({module}::new) }},\n",
                    source.display().to_string(),
                    signature.dynamic,
                    names(&signature.inputs),
                    names(&signature.outputs),
                );
                Generated { module: wrap(&module, &source, &compiled, new), entry }
            }
            Err(message) => {
                let entry = format!(
                    "    crate::Generated {{ case: {case:?}, isa: {isa:?}, source: \"\", dynamic: false, inputs: &[], outputs: &[], new: Err({message:?}) }},\n"
                );
                Generated { module: String::new(), entry }
            }
        }
    }
}

/// The source, what it was made from, and whether the model runs on several threads.
fn generate(case: &str, isa: &str, name: &str) -> Result<(PathBuf, Compiled, bool), String> {
    let folder = Path::new("cases").join(case);
    let text = std::fs::read_to_string(folder.join("case.json")).map_err(|e| e.to_string())?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let mut options = Options::default();
    options.set("name", name)?;
    options.set("isa", isa)?;
    options.set("kernels", "crate::kernels")?;
    for (key, values) in json["options"].as_object().into_iter().flatten() {
        let values = values.as_array().cloned().unwrap_or_else(|| vec![values.clone()]);
        values.iter().try_for_each(|value| options.set(key, value.as_str().unwrap_or_default()))?;
    }
    let model = folder.join("model.onnx");
    let path = Builder::new(&model).options(options.clone()).try_build()?;
    // The door says where the source is; what `run` takes and gives, the library says.
    let file = ModelFile::read(&model)?;
    let compiled = file.with_source(|source| compile(source, &options)).map_err(|e| e.to_string())?;
    Ok((path, compiled, options.threads))
}

/// The generated source in a module that puts one interface before its typed one, whose models are made by `new`.
fn wrap(module: &str, source: &Path, compiled: &Compiled, new: &str) -> String {
    let signature = compiled.signature();
    let ty = compiled.type_name();
    let texts = signature.inputs.iter().enumerate().filter(|(_, port)| port.element == "string");
    let texts: String = texts.map(|(i, _)| format!("            let text{i} = inputs[{i}].texts()?;\n")).collect();
    let arguments = signature.inputs.iter().enumerate().map(|(i, port)| argument(module, i, port, signature.dynamic));
    let arguments: Vec<String> = arguments.collect();
    let lets: String =
        arguments.iter().enumerate().map(|(i, argument)| format!("            let x{i} = {argument};\n")).collect();
    let names: Vec<String> = (0..arguments.len()).map(|i| format!("x{i}")).collect();
    let fields = compiled.output_fields();
    let outputs = signature.outputs.iter().zip(&fields).map(|(port, field)| {
        let value = if signature.outputs.len() == 1 { "out".to_string() } else { format!("out.{field}") };
        if port.element == "string" {
            return format!("Array::of_texts(&{value}.to_vec(), &{value}.shape)");
        }
        if signature.dynamic {
            return format!("Array::of({value}.data, &{value}.shape)");
        }
        let shape: Vec<usize> = port.shape.iter().map(|size| size.clone().unwrap_or(0)).collect();
        format!("Array::of(&{value}[..], &{shape:?})")
    });
    let outputs: Vec<String> = outputs.collect();
    let fails = if signature.dynamic { ".map_err(|e| e.to_string())?" } else { "" };
    // Generated code is included by name, as an application does it.
    let file = source.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "mod {module} {{
    include!(concat!(env!(\"OUT_DIR\"), \"/{file}\"));
    use crate::array::Array;

    pub fn new() -> Box<dyn crate::Model> {{
        Box::new({ty}::{new})
    }}

    impl crate::Model for {ty} {{
        #[allow(unused_variables)]
        fn infer(&mut self, inputs: &[&Array]) -> Result<Vec<Array>, String> {{
{texts}{lets}            let out = crate::watched(|| self.run({})){fails};
            Ok(vec![{}])
        }}
    }}
}}
",
        names.join(", "),
        outputs.join(", "),
    )
}

fn argument(module: &str, i: usize, port: &PortInfo, dynamic: bool) -> String {
    let (dtype, rank) = (&port.dtype, port.shape.len());
    let is_text = port.element == "string";
    if dynamic {
        let data = if is_text { format!("&text{i}[..]") } else { format!("inputs[{i}].elements::<{dtype}>()?") };
        let parts = format!("{data}, inputs[{i}].sizes::<{rank}>()?");
        // The module's own `View`, wherever its kernels stand.
        return format!(
            "{{ let (data, shape) = ({parts}); self::{module}::View::new(data, shape).map_err(|e| e.to_string())? }}"
        );
    }
    if is_text {
        return format!("text{i}.as_slice().try_into().map_err(|_| \"it has another number of strings\")?");
    }
    let len: usize = port.shape.iter().map(|size| size.clone().unwrap_or(0)).product();
    format!("inputs[{i}].fixed::<{dtype}, {len}>()?")
}
