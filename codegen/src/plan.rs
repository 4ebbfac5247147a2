//! What emission needs and nothing more: the model's signature, its steps, its memory and its weights.

use crate::ir::{Bounds, DType, Dim, Outer, Shape};
use crate::ops::map::Template;
use kiln_kernels::split::SUMS_PER_WEIGHT;
use std::collections::BTreeSet;

/// A model ready to be written out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The model's name, as the user wrote it.
    pub name: String,
    /// What the caller gives.
    pub inputs: Vec<Port>,
    /// What the caller gets.
    pub outputs: Vec<Port>,
    /// Names of the sizes the caller chooses, in order.
    pub symbols: Vec<String>,
    /// Names of the sizes that steps find out, in order, each with its greatest value.
    pub counts: Vec<(String, Dim)>,
    /// Upper bounds of those that have one.
    pub bounds: Bounds,
    /// Sizes that `run` must find equal before it starts.
    pub equalities: Vec<(Dim, Dim)>,
    /// Calls, in the order they stand in.
    pub steps: Vec<Step>,
    /// The order in which they run.
    pub flow: Vec<Flow>,
    /// Generated functions that steps name.
    pub funcs: Vec<Func>,
    /// Where buffers lie.
    pub arena: ArenaPlan,
    /// Constants, packed, aligned, each once.
    pub blob: Vec<u8>,
    /// Strings known from the start, by number, if the model has any use for strings.
    pub texts: Option<Vec<String>>,
    /// Multiplications with addition of one run, contractions only.
    pub macs: Dim,
    /// Whether threads share the work.
    pub threads: Threads,
}

/// Whether threads share a model's work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// They were not asked for.
    Off,
    /// They were, but steps are too short: what is won in each is lost in waiting for the others and for what they wrote.
    Idle,
    /// They do.
    On,
}

impl Threads {
    /// For these steps, if threads are asked for.
    ///
    /// Sharing a step costs some 9 microseconds, as two networks agree that have 10 (two threads take 1.4 times as long) and 33
    /// microseconds a step (0.75 times); it is won in one of twice that, which is about `SHORT` multiplications.
    pub fn of(steps: &[Step], asked: bool) -> Threads {
        const SHORT: i64 = 800_000;
        const COUNTS: i64 = 32 * 1024;
        let works: Option<Vec<i64>> = steps.iter().map(Step::work).collect();
        let heavy: Vec<i64> = works.into_iter().flatten().filter(|&work| work >= COUNTS).collect();
        let total = heavy.iter().fold(0i64, |total, &work| total.saturating_add(work));
        match (asked, heavy.len()) {
            (false, _) => Threads::Off,
            // Work that is of other kinds, or unknown.
            (true, 0) => Threads::On,
            (true, n) if total / (n as i64) < SHORT => Threads::Idle,
            (true, _) => Threads::On,
        }
    }
}

/// A value the caller gives or gets.
#[derive(Clone, Debug)]
pub struct Port {
    /// The model's name for it.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// The element type the elements stand for: a narrow one of which they are the bits, or strings by their numbers.
    pub outer: Option<Outer>,
    /// Sizes along each axis.
    pub shape: Shape,
    /// Where it lies.
    pub operand: Operand,
}

/// What runs.
#[derive(Clone, Debug)]
pub enum Flow {
    /// The step of that index.
    Call(usize),
    /// An error of the run unless two sizes are equal.
    Check(Dim, Dim),
    /// An error of the run unless a size is within its limit.
    Within(Limit),
    /// One of two blocks.
    If {
        /// One bool.
        condition: Operand,
        /// If it holds.
        then: Vec<Flow>,
        /// If not.
        otherwise: Vec<Flow>,
    },
    /// A block, again and again.
    Loop(Box<Loop>),
}

/// The greatest a size may be that a step finds out.
#[derive(Clone, PartialEq, Debug)]
pub struct Limit {
    /// What it is the number of, for people.
    pub what: String,
    /// The size.
    pub size: Dim,
    /// The greatest it may be.
    pub most: i64,
}

/// A block that runs again and again.
#[derive(Clone, Debug)]
pub struct Loop {
    /// Where the number of the turn is put, one i64.
    pub turn: Operand,
    /// How often at most, one i64, read before the first turn.
    pub trips: Option<Operand>,
    /// Whether to begin, one bool.
    pub condition: Option<Operand>,
    /// Whether to go on, one bool, read after each turn.
    pub going: Option<Operand>,
    /// What runs each turn.
    pub body: Vec<Flow>,
    /// The size that the number of turns is, by its symbol.
    pub count: Option<String>,
}

impl Flow {
    /// The sizes that this and all inside compare.
    pub fn compared(&self) -> Vec<&Dim> {
        match self {
            Flow::Call(_) => Vec::new(),
            Flow::Check(a, b) => vec![a, b],
            Flow::Within(limit) => vec![&limit.size],
            Flow::If { then, otherwise, .. } => then.iter().chain(otherwise).flat_map(Flow::compared).collect(),
            Flow::Loop(turns) => turns.body.iter().flat_map(Flow::compared).collect(),
        }
    }

    /// The operands that decide what runs, of this and all inside.
    pub fn controls(&self) -> Vec<&Operand> {
        match self {
            Flow::Call(_) | Flow::Check(..) | Flow::Within(_) => Vec::new(),
            Flow::If { condition, then, otherwise } => {
                let inside = then.iter().chain(otherwise).flat_map(Flow::controls);
                std::iter::once(condition).chain(inside).collect()
            }
            Flow::Loop(turns) => {
                let Loop { turn, trips, condition, going, body, .. } = &**turns;
                let own = [Some(turn), trips.as_ref(), condition.as_ref(), going.as_ref()].into_iter().flatten();
                own.chain(body.iter().flat_map(Flow::controls)).collect()
            }
        }
    }
}

/// Index of a buffer in [`ArenaPlan::buffers`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BufferId(pub usize);

/// Where an operand lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// In the caller's input of that index.
    Input(usize),
    /// In the blob, at that byte.
    Weight(usize),
    /// In the arena.
    Buffer(BufferId),
}

/// A dense run of elements that a step reads or writes.
#[derive(Clone, PartialEq, Debug)]
pub struct Operand {
    /// Where it lies.
    pub place: Place,
    /// Element type.
    pub dtype: DType,
    /// Elements of the place that stand before it.
    pub offset: Dim,
    /// Number of elements.
    pub len: Dim,
}

impl Operand {
    /// A run of `len` elements that starts `offset` elements into this one.
    pub fn part(&self, offset: Dim, len: Dim) -> Operand {
        Operand { offset: self.offset.clone() + offset, len, ..self.clone() }
    }
}

/// One kernel call.
#[derive(Clone, Debug)]
pub struct Step {
    /// The node it serves, by the model's name.
    pub node: String,
    /// What the node does, in a word.
    pub op: &'static str,
    /// Kernel file.
    pub module: &'static str,
    /// Task in that file.
    pub task: &'static str,
    /// The task's fields.
    pub fields: Vec<(&'static str, Arg)>,
    /// Multiplications with addition it does.
    pub macs: Dim,
    /// The size that the call gives back, by its symbol.
    pub count: Option<String>,
}

/// The value of a task's field.
#[derive(Clone, Debug)]
pub enum Arg {
    /// `&[T]`
    Read(Operand),
    /// `&mut [T]`
    Write(Operand),
    /// `Option<&[T]>`
    ReadOpt(Option<Operand>),
    /// `Option<&[f32]>`: weights of later steps, which this one does not read.
    Ahead(Option<Operand>),
    /// `Option<&mut [T]>`
    WriteOpt(Option<Operand>),
    /// `[&[T]; N]`
    Reads(Vec<Operand>),
    /// `[Option<&[T]>; N]`
    ReadOpts(Vec<Option<Operand>>),
    /// The strings of the run.
    Texts,
    /// `usize`
    Size(Dim),
    /// `[usize; N]`
    Sizes(Vec<Dim>),
    /// `&[usize]`
    SizeSlice(Vec<Dim>),
    /// `[[usize; R]; N]`
    Table(Vec<Vec<Dim>>),
    /// `isize` or `i64`
    Signed(Dim),
    /// `[isize; N]`
    Signeds(Vec<Dim>),
    /// `f32` or `f64`
    Float(f64),
    /// `f32`, one size over another
    Quotient(Dim, Dim),
    /// `Option<f32>`
    FloatOpt(Option<f64>),
    /// A number of the element type given.
    Number(f64, DType),
    /// `bool`
    Bool(bool),
    /// A unit value of the kernel's file or a sibling, as `file::Name`.
    Path(String),
    /// A struct of the kernel's file or a sibling, as `file::Name`.
    Struct(&'static str, Vec<(&'static str, Arg)>),
    /// A generated function, the numbers it is given and the operands it captures.
    Func(FuncId, Vec<f64>, Vec<Operand>),
    /// A generated epilogue, the numbers it is given, and its captured operands with their row and column strides.
    Epilogue(FuncId, Vec<f64>, Vec<(Operand, Dim, Dim)>),
}

/// Index of a generated function in [`Plan::funcs`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FuncId(pub usize);

/// A function generated from an elementwise expression, of which [`Template::given`] constants are fields: expressions that
/// differ in these alone share the function, and the kernels compiled for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Func {
    /// `map::MapF32` where the expression is of `f32`, `map::MapAny` otherwise.
    Map(Template),
    /// `epilogue::Epilogue`: operand 0 is the accumulator. For each other operand, how it lies under the result: whether it
    /// varies along rows, and along columns.
    Epilogue(Template, Vec<(bool, bool)>),
}

/// The arena's layout.
#[derive(Clone, Debug, Default)]
pub struct ArenaPlan {
    /// Bytes of each buffer, and where it starts.
    pub buffers: Vec<Buffer>,
    /// Bytes in all: a number, or a sum over symbols without a bound.
    pub bytes: Dim,
}

/// One buffer of the arena.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Bytes it holds.
    pub bytes: Dim,
    /// Byte it starts at, a multiple of 64.
    pub offset: Dim,
    /// First step that writes it and last that reads it.
    pub live: (usize, usize),
}

impl Step {
    /// What it takes, in multiplications with addition, where that is known: weights that are hardly used take as long as they
    /// take to come.
    fn work(&self) -> Option<i64> {
        let macs = self.macs.as_const()?;
        let weights = self.operands().into_iter().filter(|(operand, _)| matches!(operand.place, Place::Weight(_)));
        let fetched = weights.filter_map(|(operand, _)| operand.len.as_const()).fold(0, i64::saturating_add);
        Some(if macs == 0 { 0 } else { macs.max(fetched.saturating_mul(SUMS_PER_WEIGHT as i64)) })
    }

    /// Every operand the step reads or writes, writes flagged.
    pub fn operands(&self) -> Vec<(&Operand, bool)> {
        fn collect<'a>(arg: &'a Arg, found: &mut Vec<(&'a Operand, bool)>) {
            match arg {
                Arg::Read(o) | Arg::ReadOpt(Some(o)) => found.push((o, false)),
                Arg::Write(o) | Arg::WriteOpt(Some(o)) => found.push((o, true)),
                Arg::ReadOpts(list) => found.extend(list.iter().flatten().map(|o| (o, false))),
                Arg::Reads(list) => found.extend(list.iter().map(|o| (o, false))),
                Arg::Func(_, _, list) => found.extend(list.iter().map(|o| (o, false))),
                Arg::Epilogue(_, _, list) => found.extend(list.iter().map(|(o, ..)| (o, false))),
                Arg::Struct(_, fields) => fields.iter().for_each(|(_, arg)| collect(arg, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        self.fields.iter().for_each(|(_, arg)| collect(arg, &mut found));
        found
    }
}

impl Plan {
    /// Kernel files the steps call, generated functions not counted.
    pub fn modules(&self) -> BTreeSet<&'static str> {
        self.steps.iter().map(|step| step.module).collect()
    }

    /// Whether a size is found out by a step.
    pub fn is_counted(&self, dim: &Dim) -> bool {
        let mut names = BTreeSet::new();
        dim.symbols(&mut names);
        self.counts.iter().any(|(name, _)| names.contains(name))
    }

    /// Every name that sizes are written in: the caller's, then those that steps find out.
    pub fn all_symbols(&self) -> Vec<String> {
        self.symbols.iter().chain(self.counts.iter().map(|(name, _)| name)).cloned().collect()
    }

    /// Whether a step may find that sizes do not fit.
    pub fn may_fail(&self) -> bool {
        self.flow.iter().any(|part| !part.compared().is_empty())
    }

    /// Whether any size is chosen at run time.
    pub fn is_dynamic(&self) -> bool {
        !self.symbols.is_empty() || !self.counts.is_empty()
    }
}

impl Port {
    /// The element type in the model's words.
    pub fn element(&self) -> String {
        self.outer.map_or_else(|| self.dtype.to_string(), |outer| outer.to_string())
    }

    /// Whether it is made of strings.
    pub fn is_text(&self) -> bool {
        self.outer == Some(Outer::Text)
    }

    /// Element type and shape for people.
    pub fn describe(&self) -> String {
        let shape: Vec<String> = self.shape.iter().map(Dim::to_string).collect();
        let bits =
            self.outer.and_then(Outer::narrow).map_or_else(String::new, |_| format!(" as bits in {}", self.dtype));
        format!("`{}`: {}{bits} `[{}]`", self.name, self.element(), shape.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(macs: &[i64]) -> Vec<Step> {
        let step = |&macs: &i64| Step {
            node: String::new(),
            op: "Conv",
            module: "conv_f32",
            task: "Conv",
            fields: Vec::new(),
            macs: Dim::from(macs),
            count: None,
        };
        macs.iter().map(step).collect()
    }

    #[test]
    fn threads_share_steps_that_are_long_on_average() {
        assert_eq!(Threads::of(&steps(&[10_000_000]), false), Threads::Off);
        assert_eq!(Threads::of(&steps(&[500_000, 900_000, 100]), true), Threads::Idle);
        assert_eq!(Threads::of(&steps(&[500_000, 1_500_000, 100]), true), Threads::On);
        assert_eq!(Threads::of(&steps(&[0, 0]), true), Threads::On);
        let mut unknown = steps(&[500_000]);
        unknown[0].macs = Dim::symbol("n");
        assert_eq!(Threads::of(&unknown, true), Threads::On);
        let mut row = steps(&[400_000]);
        let weights = Operand { place: Place::Weight(0), dtype: DType::F32, offset: 0.into(), len: 400_000.into() };
        row[0].fields = vec![("b", Arg::Read(weights))];
        assert_eq!(Threads::of(&row, true), Threads::On, "weights of a single row take longer to come than to be used");
    }
}
