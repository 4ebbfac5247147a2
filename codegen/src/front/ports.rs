//! The model's edges: types of inputs, what is pinned, and narrow types that come in and go out as their bits.

use super::cx::Entry;
use super::model::{DimChoice, Importer};
use super::onnx::{GraphProto, TensorTypeProto, TypeProto, ValueInfoProto};
use super::tensor::{self, Element};
use super::text::pieces_name;
use crate::diag::Diagnostics;
use crate::ir::{Dim, Outer, Rounding, Tensor, Toward, Type, ValueId};
use crate::ops::map::{Map, Unary};
use crate::options::Options;
use std::collections::{BTreeSet, HashSet};

/// Axes of an input; more exist in no model.
const MAX_RANK: usize = 64;
/// Elements of an input.
const MAX_LEN: i64 = 1 << 40;

/// A symbol for a size that may be called `input:axis`.
pub fn symbol_name(name: &str) -> String {
    name.replace(':', "_")
}

/// What an input or output is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A tensor, or what kiln does not know.
    Tensor,
    /// Several tensors.
    Sequence,
    /// A tensor or nothing.
    Optional,
    /// Several tensors or nothing.
    OptionalSequence,
}

impl Shape {
    /// What a type is.
    pub fn of(ty: Option<&TypeProto>) -> Shape {
        let Some(ty) = ty else { return Shape::Tensor };
        let inner = ty.optional_type.as_ref().map(|optional| Shape::of(optional.elem_type.as_deref()));
        match (inner, &ty.sequence_type) {
            (Some(Shape::Sequence), _) => Shape::OptionalSequence,
            (Some(_), _) => Shape::Optional,
            (None, Some(_)) => Shape::Sequence,
            (None, None) => Shape::Tensor,
        }
    }
}

/// The type without names for its sizes.
fn nameless(tensor: &TensorTypeProto) -> TensorTypeProto {
    let mut tensor = tensor.clone();
    let dims = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
    dims.for_each(|dim| dim.dim_param = None);
    tensor
}

/// The type of the tensors in a type.
fn innermost(ty: Option<&TypeProto>) -> Option<&TensorTypeProto> {
    let mut ty = ty?;
    // A file may nest types without end; two are all that mean something here.
    for _ in 0..3 {
        match ty.optional_type.as_ref().or(ty.sequence_type.as_ref()) {
            Some(inner) => ty = inner.elem_type.as_deref()?,
            None => break,
        }
    }
    ty.tensor_type.as_ref()
}

impl Importer<'_> {
    /// Adds the inputs that are no constants; those that are pinned are given back.
    pub fn inputs(&mut self, graph: &GraphProto, options: &Options) -> Result<Vec<(String, Tensor)>, Diagnostics> {
        let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let mut pinned = Vec::new();
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut offered: BTreeSet<String> = BTreeSet::new();
        let mut names = Vec::new();
        for input in graph.input.iter().filter(|input| !constants.contains(input.name.as_str())) {
            names.push(input.name.clone());
            if Shape::of(input.r#type.as_ref()) != Shape::Tensor {
                let mut sizes = (&mut used, &mut offered);
                match self.several(input, options, &mut sizes) {
                    Ok(entry) => self.define_once(&input.name, entry),
                    Err(message) => {
                        self.diagnostics.error(None, "", &format!("input {:?}: {message}", input.name));
                        self.define(&input.name, Entry::Poison);
                    }
                }
                continue;
            }
            let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
            let (ty, outer) = match self.input_type(&input.name, tensor, options, &mut used, &mut offered) {
                Ok(ty) => ty,
                Err(message) => {
                    self.diagnostics.error(None, "", &format!("input {:?}: {message}", input.name));
                    self.define(&input.name, Entry::Poison);
                    continue;
                }
            };
            if self.scopes[0].contains_key(&input.name) {
                self.diagnostics.error(None, "", &format!("two inputs are called {:?}", input.name));
                continue;
            }
            if let Some(values) = options.pins.get(&input.name) {
                match pin(values, &ty, outer) {
                    Ok(tensor) => {
                        let id = self.graph.add_const(&input.name, tensor.clone());
                        self.mark(id, outer);
                        self.graph.outer.extend(outer.map(|outer| (input.name.clone(), outer)));
                        self.define(&input.name, Entry::Value(id));
                        pinned.push((input.name.clone(), tensor));
                    }
                    Err(message) => {
                        self.diagnostics.error(
                            None,
                            "",
                            &format!("input {:?} cannot be pinned: {message}", input.name),
                        );
                        self.define(&input.name, Entry::Poison);
                    }
                }
                continue;
            }
            let id = match self.input(&input.name, ty, outer) {
                Ok(id) => id,
                Err(message) => {
                    self.diagnostics.error(None, "", &format!("input {:?}: {message}", input.name));
                    continue;
                }
            };
            self.define(&input.name, Entry::Value(id));
            self.inputs.push(input.name.clone());
        }
        for split in graph.node.iter().filter(|node| node.op_type == "StringSplit") {
            let name = pieces_name(split.output.first().map_or("", String::as_str));
            used.extend(options.dims.contains_key(&name).then(|| name.clone()));
            offered.insert(name);
        }
        for pin in options.pins.keys().filter(|pin| !names.contains(pin)) {
            let message = format!("there is no input {pin:?} to pin\nhelp: its inputs are {}", names.join(", "));
            self.diagnostics.error(None, "", &message);
        }
        for dim in options.dims.keys().filter(|dim| !used.contains(*dim)) {
            let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
            let offered = if offered.is_empty() { "none: every size is fixed".to_string() } else { offered.join(", ") };
            let message = format!("there is no symbolic size {dim:?}\nhelp: its symbolic sizes are {offered}");
            self.diagnostics.error(None, "", &message);
        }
        Ok(pinned)
    }

    fn input_type(
        &mut self,
        name: &str,
        tensor: Option<&TensorTypeProto>,
        options: &Options,
        used: &mut BTreeSet<String>,
        offered: &mut BTreeSet<String>,
    ) -> Result<(Type, Option<Outer>), String> {
        let Some(tensor) = tensor else {
            return Err("it is no tensor, nor a sequence or optional of tensors".into());
        };
        let Element { dtype, outer } = tensor::element(tensor.elem_type)?;
        if let (None, Some(sizes)) = (&tensor.shape, options.shapes.get(name)) {
            return Ok((Type { dtype, shape: sizes.iter().map(|&size| Dim::from(size)).collect() }, outer));
        }
        let Some(shape) = &tensor.shape else {
            return Err(format!("its number of axes is unknown\nhelp: give its shape: shape {name}=…"));
        };
        let mut sizes = Vec::new();
        if shape.dim.len() > MAX_RANK {
            return Err(format!("it has {} axes; {MAX_RANK} are the most", shape.dim.len()));
        }
        for (axis, dim) in shape.dim.iter().enumerate() {
            // Some exporters write -1 for a free size.
            if let Some(size) = dim.dim_value.filter(|&size| size < -1) {
                return Err(format!("axis {axis} has the size {size}"));
            }
            if let Some(value) = dim.dim_value.filter(|&value| value >= 0) {
                sizes.push(Dim::from(value));
                continue;
            }
            let positional = format!("{name}:{axis}");
            let symbol = dim.dim_param.clone().filter(|symbol| !symbol.is_empty() && symbol != "?");
            let key = symbol.clone().unwrap_or_else(|| positional.clone());
            offered.insert(key.clone());
            let choice = options.dims.get_key_value(&positional).or_else(|| options.dims.get_key_value(&key));
            if let Some((name, _)) = choice {
                used.insert(name.clone());
            }
            sizes.push(match choice {
                Some((_, DimChoice::Fixed(size))) => Dim::from(*size),
                Some((name, DimChoice::Bounded(_))) => Dim::symbol(&symbol_name(name)),
                None => Dim::symbol(&symbol_name(&key)),
            });
        }
        // Sizes of zero do not count: strides are products of the others.
        let known = sizes.iter().filter_map(Dim::as_const).filter(|&size| size > 0);
        if known.fold(1i64, i64::saturating_mul) > MAX_LEN {
            return Err(format!("its shape {sizes:?} is larger than any memory"));
        }
        Ok((Type { dtype, shape: sizes }, outer))
    }

    /// The elements of a sequence or optional as inputs of their own, as many as the options say.
    fn several(
        &mut self,
        input: &ValueInfoProto,
        options: &Options,
        (used, offered): &mut (&mut BTreeSet<String>, &mut BTreeSet<String>),
    ) -> Result<Entry, String> {
        const MOST: usize = 4096;
        let name = &input.name;
        let shape = Shape::of(input.r#type.as_ref());
        let len = options.lens.get(name).copied();
        if len == Some(0) && matches!(shape, Shape::Optional | Shape::OptionalSequence) {
            return Ok(Entry::Absent);
        }
        let tensor = innermost(input.r#type.as_ref());
        if shape == Shape::Optional {
            let (ty, outer) = self.input_type(name, tensor, options, used, offered)?;
            self.inputs.push(name.clone());
            return Ok(Entry::Value(self.input(name, ty, outer)?));
        }
        let len = len.filter(|&len| len <= MOST).ok_or_else(|| {
            format!("it is a sequence, the number of whose elements must be known\nhelp: give it: len {name}=…")
        })?;
        let mut entries = Vec::new();
        for i in 0..len {
            let name = format!("{name}_{i}");
            // Elements may differ in size, whatever symbols their common type names.
            let apart = tensor.map(nameless);
            let (ty, outer) = self.input_type(&name, apart.as_ref(), options, used, offered)?;
            self.inputs.push(name.clone());
            entries.push(Entry::Value(self.input(&name, ty, outer)?));
        }
        Ok(Entry::Sequence(entries))
    }

    /// Adds what an entry holds as outputs: an element of a sequence each, nothing for what is absent.
    pub fn outputs_of(&mut self, output: &ValueInfoProto, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Value(id) => self.output(output, *id),
            Entry::Sequence(entries) => entries.iter().enumerate().try_for_each(|(i, entry)| {
                let element = ValueInfoProto { name: format!("{}_{i}", output.name), ..output.clone() };
                self.outputs_of(&element, entry)
            }),
            Entry::Absent | Entry::Poison => Ok(()),
        }
    }

    /// Adds an input; of a narrow float the caller gives the bits, which are decoded first.
    fn input(&mut self, name: &str, ty: Type, outer: Option<Outer>) -> Result<ValueId, String> {
        let Some(outer) = outer else { return Ok(self.graph.add_input(name, ty)) };
        self.graph.outer.insert(name.to_string(), outer);
        let stored = self.graph.add_input(name, Type { dtype: outer.stored(), shape: ty.shape });
        let id = match outer.coded() {
            None => stored,
            Some(narrow) => {
                let mut map = Map::of(&[narrow.bits()]);
                let value = map.unary(Unary::Decode(narrow), 0);
                self.graph.add_node1(name, map.finish(value), &[stored])?
            }
        };
        self.mark(id, Some(outer));
        Ok(id)
    }

    /// Adds an output; of a narrow float the caller gets the bits. The model says the type of its outputs.
    pub fn output(&mut self, output: &ValueInfoProto, id: ValueId) -> Result<(), String> {
        let stated = innermost(output.r#type.as_ref()).map_or(0, |t| t.elem_type);
        let dtype = self.graph.ty(id).dtype;
        let marked = self.outer.get(&id).copied();
        // Numbers are never strings, nor strings numbers, whatever the model states.
        let is_text = |outer: Option<Outer>| outer == Some(Outer::Text);
        let outer = match tensor::element(stated) {
            Ok(stated) if stated.dtype == dtype && is_text(stated.outer) == is_text(marked) => stated.outer,
            _ => marked,
        };
        let mut id = id;
        if let Some(outer) = outer {
            self.graph.outer.insert(output.name.clone(), outer);
            if let Some(narrow) = outer.coded() {
                let mut map = Map::of(&[dtype]);
                // What a cast let become infinite stays so.
                let rounding = Rounding { saturate: false, toward: Toward::Nearest };
                let bits = map.unary(Unary::Encode(narrow, rounding), 0);
                id = self.graph.add_node1(&output.name, map.finish(bits), &[id])?;
            }
        }
        self.graph.outputs.push((output.name.clone(), id));
        Ok(())
    }
}

fn pin(values: &[f64], ty: &Type, outer: Option<Outer>) -> Result<Tensor, String> {
    if outer == Some(Outer::Text) {
        return Err("it takes strings; only numbers can be pinned".into());
    }
    let Some(shape) = ty.dims() else {
        return Err(format!("its shape {ty} is not fixed\nhelp: give its sizes with dim"));
    };
    let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)).unwrap_or(usize::MAX);
    let values = match values {
        [value] if len <= 1 << 24 => vec![*value; len],
        values => values.to_vec(),
    };
    if values.len() != len {
        return Err(format!("{} values were given for {ty}", values.len()));
    }
    let exact = |&value: &f64| match outer.and_then(Outer::coded) {
        Some(narrow) => narrow.decode(narrow.encode(value, Rounding::default())),
        None => value,
    };
    Ok(Tensor::from_f64s(ty.dtype, shape, &values.iter().map(exact).collect::<Vec<_>>()))
}
