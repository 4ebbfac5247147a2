//! What an operator's function sees of its node, and how it adds to the graph.

use super::model::{Importer, node_name};
use super::onnx::{AttributeProto, GraphProto, NodeProto};
use super::tensor::{self, Element};
use super::text;
use crate::ir::{DType, Dim, Narrow, Outer, Rounding, Shape, Tensor, Type, ValueId};
use crate::ops::map::{Binary, Inst, Map, Unary};
use crate::ops::reshape::Reshape;
use crate::ops::sizes::Sizes;
use crate::ops::transpose::Transpose;
use crate::ops::{Op, Rules};
use std::cell::RefCell;

/// Constants larger than this are not computed at build time unless their operands are larger still.
const FOLD_LIMIT: usize = 1 << 24;
/// Products that take longer than this many multiplications are left for run time.
const FOLD_MACS: i64 = 1 << 28;

/// What a name of the model stands for.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A value of the graph.
    Value(ValueId),
    /// Several, known at build time.
    Sequence(Vec<Entry>),
    /// An optional operand that was left out, or an empty optional.
    Absent,
    /// The result of a node that could not be imported.
    Poison,
}

/// One node being imported.
pub struct Cx<'i, 'a> {
    pub im: &'i mut Importer<'a>,
    pub node: &'i NodeProto,
    pub name: String,
    pub inputs: Vec<Entry>,
    /// An attribute that was asked for and has another type: found while reading, reported once the node is done.
    wrong: RefCell<Option<String>>,
    /// The element type the function says its results have, if it says so.
    pub stated: Option<Element>,
}

/// Results of an operator's function.
pub type Results = Result<Vec<Entry>, String>;

impl<'i, 'a> Cx<'i, 'a> {
    /// The view of `node`.
    pub fn new(im: &'i mut Importer<'a>, node: &'i NodeProto, inputs: Vec<Entry>) -> Cx<'i, 'a> {
        Cx { name: node_name(node).to_string(), im, node, inputs, wrong: RefCell::new(None), stated: None }
    }

    /// Version of the node's operator domain.
    pub fn opset(&self) -> i64 {
        self.im.opset(super::model::domain(&self.node.domain))
    }

    // Operands

    /// Operand `i`.
    pub fn input(&self, i: usize) -> Result<ValueId, String> {
        self.opt(i)?.ok_or_else(|| format!("its operand {i} is missing"))
    }

    /// Operand `i`, if it is given.
    pub fn opt(&self, i: usize) -> Result<Option<ValueId>, String> {
        match self.inputs.get(i) {
            Some(Entry::Value(id)) => Ok(Some(*id)),
            None | Some(Entry::Absent) => Ok(None),
            Some(_) => Err(format!("its operand {i} is a sequence where a tensor is needed")),
        }
    }

    /// The type of a value.
    pub fn ty(&self, id: ValueId) -> Type {
        self.im.graph.ty(id).clone()
    }

    /// The number of axes of a value.
    pub fn rank(&self, id: ValueId) -> usize {
        self.im.graph.ty(id).rank()
    }

    /// Operand `i` as a constant; `what` names it in the refusal.
    pub fn constant(&self, i: usize, what: &str) -> Result<Tensor, String> {
        let id = self.input(i)?;
        self.im.graph.tensor(id).cloned().ok_or_else(|| self.must_be_known(i, what))
    }

    fn must_be_known(&self, i: usize, what: &str) -> String {
        let name = self.node.input.get(i).map_or("", String::as_str);
        let help = match self.im.inputs.iter().any(|input| input == name) {
            true => format!("pin the input: pin {name}=…"),
            false => "run the model through a constant folder, or fix the sizes it depends on".to_string(),
        };
        format!("{what} ({name:?}) must be known when the model is compiled\nhelp: {help}")
    }

    /// Operand `i` as integers, which may be sizes.
    pub fn ints(&self, i: usize, what: &str) -> Result<Vec<Dim>, String> {
        let id = self.input(i)?;
        self.im.ints(id).ok_or_else(|| self.must_be_known(i, what))
    }

    /// Operand `i` as plain integers.
    pub fn numbers(&self, i: usize, what: &str) -> Result<Vec<i64>, String> {
        let ints = self.ints(i, what)?;
        ints.iter().map(Dim::as_const).collect::<Option<_>>().ok_or_else(|| self.must_be_known(i, what))
    }

    // Element types

    /// The element type a value stands for, if that is another than it is computed in.
    pub fn outer(&self, id: ValueId) -> Option<Outer> {
        self.im.outer.get(&id).copied()
    }

    /// The element type a value has in ONNX.
    pub fn element(&self, id: ValueId) -> Element {
        Element { dtype: self.im.graph.ty(id).dtype, outer: self.outer(id) }
    }

    /// The type in which the element type an attribute names is computed; states that the results have it.
    pub fn stated_by(&mut self, attribute: &str, default: i64) -> Result<DType, String> {
        let element = tensor::element_of(self.int(attribute, default))?;
        self.stated = Some(element);
        Ok(element.dtype)
    }

    /// `x` as a value of its own, of which another element type may be stated.
    fn apart(&mut self, x: ValueId) -> Result<ValueId, String> {
        match self.im.graph.tensor(x).cloned() {
            Some(tensor) => Ok(self.value(tensor)),
            None => self.map1(x, |map, x| map.push(Inst::Input(x), map.insts[x].1)),
        }
    }

    /// `x` as elements of an element type; states that the results have it.
    pub fn convert(&mut self, x: ValueId, to: Element, rounding: Rounding) -> Result<ValueId, String> {
        self.stated = Some(to);
        let from = self.element(x);
        if from == to {
            return Ok(x);
        }
        if [from, to].iter().any(|element| element.outer == Some(Outer::Text)) {
            return text::convert(self, x, from, to);
        }
        let Some(narrow) = to.outer.and_then(Outer::narrow) else {
            return if from.dtype == to.dtype { self.apart(x) } else { self.cast(x, to.dtype) };
        };
        self.map1(x, |map, x| {
            if narrow.is_int() {
                // The low four bits.
                let (wide, low) = (map.cast(x, DType::I32), map.number(15.0, DType::I32));
                if narrow == Narrow::U4 {
                    let bits = map.binary(Binary::BitAnd, wide, low);
                    return map.cast(bits, to.dtype);
                }
                let eight = map.number(8.0, DType::I32);
                let moved = map.binary(Binary::Add, wide, eight);
                let bits = map.binary(Binary::BitAnd, moved, low);
                let back = map.binary(Binary::Sub, bits, eight);
                return map.cast(back, to.dtype);
            }
            let wide = map.cast(x, DType::F32);
            let bits = map.unary(Unary::Encode(narrow, rounding), wide);
            map.unary(Unary::Decode(narrow), bits)
        })
    }

    // Attributes

    /// The attribute, if it is given and of `kind`, ONNX's number for the attribute's type.
    fn attribute(&self, name: &str, kind: i32) -> Option<&'i AttributeProto> {
        let attribute = self.node.attribute.iter().find(|a| a.name == name)?;
        // Files from before the type was required leave it out.
        if attribute.r#type == 0 || attribute.r#type == kind {
            return Some(attribute);
        }
        let message =
            format!("its attribute {name} is {}, and should be {}", kind_name(attribute.r#type), kind_name(kind));
        self.wrong.borrow_mut().get_or_insert(message);
        None
    }

    /// What reading the attributes found wrong.
    pub fn take_wrong(&self) -> Option<String> {
        self.wrong.borrow_mut().take()
    }

    /// Refuses operands beyond the first `n`.
    pub fn takes(&self, n: usize) -> Result<(), String> {
        match self.inputs.len() {
            given if given > n => Err(format!("it has {given} operands and takes {n}")),
            _ => Ok(()),
        }
    }

    /// Whether the attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.node.attribute.iter().any(|a| a.name == name)
    }

    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name, 2).map_or(default, |a| a.i)
    }

    /// A flag.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, i64::from(default)) != 0
    }

    /// A float attribute.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name, 1).map_or(default, |a| a.f)
    }

    /// A string attribute.
    pub fn string(&self, name: &str, default: &str) -> String {
        self.attribute(name, 3).map_or_else(|| default.to_string(), |a| String::from_utf8_lossy(&a.s).into_owned())
    }

    /// An attribute of strings.
    pub fn strings(&self, name: &str) -> Vec<String> {
        let strings =
            self.attribute(name, 8).map(|a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()));
        strings.map_or_else(Vec::new, Iterator::collect)
    }

    /// An attribute of integers, if given.
    pub fn int_list(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name, 7).map(|a| a.ints.clone())
    }

    /// An attribute of floats, if given.
    pub fn float_list(&self, name: &str) -> Option<Vec<f32>> {
        self.attribute(name, 6).map(|a| a.floats.clone())
    }

    /// An attribute of floats, as a list or a tensor; nothing if it is not given.
    pub fn float_values(&self, name: &str) -> Result<Vec<f64>, String> {
        const TENSOR: i32 = 4;
        match self.node.attribute.iter().find(|a| a.name == name) {
            Some(attribute) if attribute.r#type == TENSOR => {
                Ok(self.tensor(name)?.map_or_else(Vec::new, |tensor| tensor.to_f64s()))
            }
            _ => Ok(self.float_list(name).unwrap_or_default().into_iter().map(f64::from).collect()),
        }
    }

    /// A tensor attribute, if given.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, String> {
        Ok(self.typed_tensor(name)?.map(|(tensor, _)| tensor))
    }

    /// A tensor attribute, if given, and its element type.
    pub fn typed_tensor(&self, name: &str) -> Result<Option<(Tensor, Element)>, String> {
        let proto = self.attribute(name, 4).and_then(|a| a.t.as_ref());
        proto
            .map(|proto| {
                tensor::tensor(proto, self.im.source, &self.im.texts).map_err(|e| format!("attribute {name}: {e}"))
            })
            .transpose()
    }

    /// A subgraph.
    pub fn graph(&self, name: &str) -> Result<&'i GraphProto, String> {
        self.attribute(name, 5).and_then(|a| a.g.as_ref()).ok_or_else(|| format!("its attribute {name} is missing"))
    }

    /// `axis`, counted from the end if negative, as an axis of `rank`.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, String> {
        let rank_i = rank as i64;
        let wrapped = if axis < 0 { axis.saturating_add(rank_i) } else { axis };
        if (0..rank_i).contains(&wrapped) {
            Ok(wrapped as usize)
        } else {
            Err(format!("axis {axis} is out of range for an operand of {rank} axes"))
        }
    }

    /// Several axes, ascending.
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, String> {
        let mut axes = axes.iter().map(|&axis| self.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("an axis is named twice".into());
        }
        Ok(axes)
    }

    // Building

    /// Adds a node, or its results as constants if all its operands are.
    pub fn add_all(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, String> {
        let op = op.into();
        let tensors: Option<Vec<Tensor>> = inputs.iter().map(|&id| self.im.graph.tensor(id).cloned()).collect();
        if let Some(tensors) = tensors {
            let tensors: Vec<&Tensor> = tensors.iter().collect();
            if let Some(results) = self.folded(&op, &tensors)? {
                return Ok(results.into_iter().map(|t| self.im.graph.add_const(&self.name, t)).collect());
            }
        }
        self.im.graph.add_node(&self.name, op, inputs)
    }

    /// The results of an operation on constants, unless they are too large or too costly to compute now.
    fn folded(&mut self, op: &Op, tensors: &[&Tensor]) -> Result<Option<Vec<Tensor>>, String> {
        let types: Vec<Type> = tensors.iter().map(|t| t.ty()).collect();
        let types: Vec<&Type> = types.iter().collect();
        let outputs = op.infer(&types)?;
        let lens: Option<Vec<usize>> = outputs.iter().map(len).collect();
        let Some(lens) = lens else { return Ok(None) };
        let operands: usize = tensors.iter().map(|t| t.len()).sum();
        let macs = op.macs(&types, &outputs.iter().collect::<Vec<_>>()).as_const();
        if lens.iter().any(|&len| len > FOLD_LIMIT.max(operands)) || macs.is_none_or(|macs| macs > FOLD_MACS) {
            return Ok(None);
        }
        // What would make the constants many times larger than the file is left for run time.
        let bytes = outputs.iter().zip(&lens).map(|(ty, len)| len.saturating_mul(ty.dtype.bytes()));
        if !self.im.spend(bytes.fold(0, usize::saturating_add)) {
            return Ok(None);
        }
        match op.eval(tensors) {
            // Without operands an op may still depend on symbols.
            Err(_) if tensors.is_empty() => Ok(None),
            results => results.map(Some),
        }
    }

    /// Adds a node with one result.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, String> {
        self.add_all(op, inputs)?.first().copied().ok_or_else(|| "it has no result".into())
    }

    /// Adds a constant.
    pub fn value(&mut self, tensor: Tensor) -> ValueId {
        self.im.graph.add_const(&self.name, tensor)
    }

    /// One number of type `dtype`.
    pub fn scalar(&mut self, value: f64, dtype: DType) -> ValueId {
        self.value(Tensor::from_f64s(dtype, vec![], &[value]))
    }

    /// Integers that may be sizes, as a value.
    pub fn sizes(&mut self, dims: Vec<Dim>, scalar: bool, dtype: DType) -> Result<ValueId, String> {
        if let Some(values) = dims.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>() {
            let shape = if scalar { vec![] } else { vec![values.len()] };
            return Ok(self.value(Tensor::from_i64s(dtype, shape, &values)));
        }
        self.im.graph.add_node1(&self.name, Sizes { dims, scalar, dtype }, &[])
    }

    /// An elementwise expression of one operand.
    pub fn map1(&mut self, x: ValueId, build: impl FnOnce(&mut Map, usize) -> usize) -> Result<ValueId, String> {
        let mut map = Map::of(&[self.ty(x).dtype]);
        let result = build(&mut map, 0);
        self.add(map.finish(result), &[x])
    }

    /// `op x`
    pub fn unary(&mut self, op: Unary, x: ValueId) -> Result<ValueId, String> {
        self.map1(x, |map, x| map.unary(op, x))
    }

    /// `a op b`
    pub fn binary(&mut self, op: Binary, a: ValueId, b: ValueId) -> Result<ValueId, String> {
        let (x, y) = (self.ty(a).dtype, self.ty(b).dtype);
        if x != y {
            return Err(format!("its operands are {x} and {y}, which should be the same"));
        }
        let mut map = Map::of(&[x, y]);
        let result = map.binary(op, 0, 1);
        self.add(map.finish(result), &[a, b])
    }

    /// `x` as elements of `dtype`.
    pub fn cast(&mut self, x: ValueId, dtype: DType) -> Result<ValueId, String> {
        if self.ty(x).dtype == dtype {
            return Ok(x);
        }
        if let Some(dims) = self.im.ints(x)
            && dtype.is_int()
            && self.im.graph.tensor(x).is_none()
        {
            let scalar = self.rank(x) == 0;
            return self.sizes(dims, scalar, dtype);
        }
        self.map1(x, |map, x| map.cast(x, dtype))
    }

    /// `x` under another shape.
    pub fn reshape(&mut self, x: ValueId, shape: Shape) -> Result<ValueId, String> {
        if self.ty(x).shape == shape {
            return Ok(x);
        }
        if let Some(dims) = self.im.ints(x)
            && self.im.graph.tensor(x).is_none()
            && shape.len() <= 1
        {
            let dtype = self.ty(x).dtype;
            return self.sizes(dims, shape.is_empty(), dtype);
        }
        self.add(Reshape { shape }, &[x])
    }

    /// `x` with axis `i` of the result its axis `perm[i]`.
    pub fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Result<ValueId, String> {
        if perm.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(x);
        }
        self.add(Transpose { perm }, &[x])
    }

    /// `x` `[n, c, spatial…]` with channels last.
    pub fn channels_last(&mut self, x: ValueId) -> Result<ValueId, String> {
        let rank = self.rank(x);
        self.transpose(x, std::iter::once(0).chain(2..rank).chain([1]).collect())
    }

    /// `x` `[n, spatial…, c]` with channels second.
    pub fn channels_first(&mut self, x: ValueId) -> Result<ValueId, String> {
        let rank = self.rank(x);
        self.transpose(x, [0, rank - 1].into_iter().chain(1..rank - 1).collect())
    }
}

/// ONNX's attribute types.
fn kind_name(kind: i32) -> &'static str {
    match kind {
        1 => "a float",
        2 => "an integer",
        3 => "a string",
        4 => "a tensor",
        5 => "a graph",
        6 => "a list of floats",
        7 => "a list of integers",
        8 => "a list of strings",
        _ => "of a type kiln does not read",
    }
}

/// The number of elements, if it is fixed.
fn len(ty: &Type) -> Option<usize> {
    // Sizes of zero do not count: strides are products of the others.
    ty.dims()?.iter().filter(|&&size| size > 0).try_fold(1usize, |len, &size| len.checked_mul(size))
}

/// One result.
pub fn one(id: ValueId) -> Results {
    Ok(vec![Entry::Value(id)])
}
